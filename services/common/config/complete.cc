#include "services/common/config/complete.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <netdb.h>
#include <unistd.h>

#include <array>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

// The machine's full host name. Asks the resolver only when the kernel's name is a short one.
std::string MachineHostname() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  std::string host = name.data();
  if (!absl::StrContains(host, '.')) {
    addrinfo hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_CANONNAME;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0) {
      if (found->ai_canonname != nullptr) host = found->ai_canonname;
      freeaddrinfo(found);
    }
  }
  return NormalDomain(host).value_or("localhost");
}

// Where to connect to for something that listens at `listen`.
std::string TargetFor(const std::string& listen) {
  const HostPort address = SplitHostPort(listen);
  if (address.host == "0.0.0.0") return absl::StrCat("127.0.0.1:", address.port);
  if (address.host == "::") return absl::StrCat("[::1]:", address.port);
  return listen;
}

void CompleteEndpoint(const Places& places, const std::string& path, int number,
                      v1::ServiceEndpoint& endpoint) {
  if (endpoint.listen().empty()) endpoint.set_listen(absl::StrCat("127.0.0.1:", 7100 + number));
  if (endpoint.target().empty()) endpoint.set_target(TargetFor(endpoint.listen()));
  if (!places.contains(path + ".metrics_listen")) {
    endpoint.set_metrics_listen(absl::StrCat("127.0.0.1:", 7200 + number));
  }
}

// What a route's `retry` leaves out is as in the top level's.
void CompleteRetry(const Places& places, const std::string& path, const v1::Retry& common,
                   v1::Retry& retry) {
  v1::Retry merged = common;
  const google::protobuf::Descriptor& type = *v1::Retry::descriptor();
  const google::protobuf::Reflection& reflection = *merged.GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type.field(i);
    if (!places.contains(absl::StrCat(path, ".", field->name()))) continue;
    if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
      reflection.MutableMessage(&merged, field)->CopyFrom(reflection.GetMessage(retry, field));
    } else {
      reflection.SetEnumValue(&merged, field, reflection.GetEnumValue(retry, field));
    }
  }
  retry = merged;
}

}  // namespace

void CompleteConfig(const Places& places, v1::Config& config) {
  if (config.hostname().empty()) config.set_hostname(MachineHostname());

  v1::Services& services = *config.mutable_services();
  CompleteEndpoint(places, "services.smtp_frontend", 4, *services.mutable_smtp_frontend());
  CompleteEndpoint(places, "services.auth_service", 2, *services.mutable_auth_service());
  CompleteEndpoint(places, "services.gateway_dequeue", 3, *services.mutable_gateway_dequeue());
  CompleteEndpoint(places, "services.spool_store", 1, *services.mutable_spool_store());
  CompleteEndpoint(places, "services.outbound_delivery", 5, *services.mutable_outbound_delivery());

  for (int i = 0; i < config.smtp().listeners_size(); ++i) {
    v1::Listener& listener = *config.mutable_smtp()->mutable_listeners(i);
    const std::string path = absl::StrCat("smtp.listeners[", i, "]");
    if (listener.role() == v1::LISTENER_ROLE_SUBMISSIONS &&
        !places.contains(path + ".implicit_tls")) {
      listener.set_implicit_tls(true);
    }
    if (listener.role() == v1::LISTENER_ROLE_ODMR && !places.contains(path + ".odmr")) {
      listener.set_odmr(true);
    }
  }

  for (int i = 0; i < config.gateways_size(); ++i) {
    if (!places.contains(absl::StrCat("gateways[", i, "].exempt_from_auth_matching"))) {
      config.mutable_gateways(i)->set_exempt_from_auth_matching(
          config.gateway_defaults().exempt_from_auth_matching());
    }
  }

  for (int i = 0; i < config.delivery().routes_size(); ++i) {
    v1::DeliveryRoute& route = *config.mutable_delivery()->mutable_routes(i);
    const std::string path = absl::StrCat("delivery.routes[", i, "]");
    CompleteRetry(places, path + ".retry", config.retry(), *route.mutable_retry());
    if (!places.contains(path + ".tls")) route.set_tls(config.delivery().tls());
  }
}

}  // namespace turnpike::config
