#include "services/gateway-dequeue/rpc/operator_calls.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/net/ip.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/domain_name.h"
#include "services/gateway-dequeue/core/decision.h"
#include "services/gateway-dequeue/rpc/request_log.h"

namespace turnpike::dequeue {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kPortMax = 65535;

absl::Status CheckTarget(const mail::v1::Route& target) {
  if (target.port() < 0 || target.port() > kPortMax) {
    return absl::InvalidArgumentError("the target's port must be in 0..65535");
  }
  switch (target.target_case()) {
    case mail::v1::Route::kDomain:
      return smtp::DomainName::Parse(target.domain()).status();
    case mail::v1::Route::kHost:
      return smtp::DomainName::Parse(target.host()).status();
    case mail::v1::Route::kAddress:
      return net::IpAddress::Parse(target.address()).status();
    case mail::v1::Route::TARGET_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("the target names no domain, host or address");
}

// The network in the form in which it is kept.
absl::StatusOr<std::string> ReadNetwork(v1::AccessList list, const std::string& network) {
  if (list != v1::ACCESS_LIST_HONOR && list != v1::ACCESS_LIST_IGNORE) {
    return absl::InvalidArgumentError("list must be HONOR or IGNORE");
  }
  const absl::StatusOr<net::IpNetwork> read = net::IpNetwork::Parse(network);
  if (!read.ok()) return read.status();
  return read->ToString();
}

bool IsConfigured(const Gateway& gateway, v1::AccessList list, const std::string& network) {
  const std::vector<net::IpNetwork>& networks =
      list == v1::ACCESS_LIST_IGNORE ? gateway.ignore_from : gateway.honor_from;
  return std::any_of(networks.begin(), networks.end(),
                     [&network](const net::IpNetwork& each) { return each.ToString() == network; });
}

// Makes a change known here at once.
StatusCallback Finally(const Parts& parts, StatusCallback done) {
  return [&parts, done = std::move(done)](absl::Status status) mutable {
    parts.overrides.Forget();
    done(std::move(status));
  };
}

void PutOverride(const Parts& parts, std::string key, std::string value, absl::Time deadline,
                 StatusCallback done) {
  spool::v1::PutEntryRequest put;
  put.set_key(std::move(key));
  put.set_value(std::move(value));
  parts.state.Put(std::move(put), deadline,
                  [done = Finally(parts, std::move(done))](
                      absl::StatusOr<spool::v1::PutEntryResponse> response) mutable {
                    done(response.status());
                  });
}

void DeleteOverride(const Parts& parts, std::string key, absl::Time deadline, StatusCallback done) {
  spool::v1::DeleteEntryRequest request;
  request.set_key(std::move(key));
  parts.state.Delete(std::move(request), deadline,
                     [done = Finally(parts, std::move(done))](
                         absl::StatusOr<spool::v1::DeleteEntryResponse> response) mutable {
                       done(response.status());
                     });
}

void ReleaseNow(const Parts& parts, const GatewayPointer& gateway, const mail::v1::Route& route,
                absl::Time deadline, ReleaseCallback done) {
  parts.joiner.Release(gateway->domain(), route, deadline,
                       [&parts, gateway, request_time = parts.clock.Now(), done = std::move(done)](
                           absl::StatusOr<spool::v1::ReleaseQueueResponse> released) mutable {
                         parts.metrics.CountRequest(Protocol::kOperator,
                                                    !released.ok() ? Result::kError
                                                    : released->released() + released->pending() > 0
                                                        ? Result::kStarted
                                                        : Result::kNoMail);
                         if (!released.ok()) return done(released.status());
                         v1::ReleaseGatewayResponse response;
                         response.set_released(released->released());
                         response.set_pending(released->pending());
                         const int64_t messages = response.released() + response.pending();
                         TURNPIKE_LOG(kInfo, "released by an operator",
                                      {{"gateway", gateway->domain()}, {"messages", messages}});
                         RecordLastRequest(parts.state, gateway->domain(),
                                           MakeLastRequest("operator", "", request_time,
                                                           EtrnReply(messages, gateway->domain())));
                         done(std::move(response));
                       });
}

}  // namespace

void ReleaseByOperator(const Parts& parts, const GatewayPointer& gateway,
                       const v1::ReleaseGatewayRequest& request, absl::Time deadline,
                       ReleaseCallback done) {
  mail::v1::Route route;
  if (request.has_target()) {
    if (absl::Status status = CheckTarget(request.target()); !status.ok()) return done(status);
    route = request.target();
  } else if (gateway->goes_to_asker()) {
    return done(absl::FailedPreconditionError(
        absl::StrCat("etrn.deliver_to of ", gateway->domain(),
                     " is `requesting_host`, so the request must name a target")));
  } else {
    route = EtrnRoute(*gateway, "");
  }
  parts.overrides.Read(
      [&parts, gateway, route = std::move(route), deadline,
       done = std::move(done)](absl::StatusOr<std::shared_ptr<const Overrides>> overrides) mutable {
        if (!overrides.ok()) return done(overrides.status());
        if ((*overrides)->For(gateway->domain()).is_suspended()) {
          return done(absl::FailedPreconditionError(
              absl::StrCat(gateway->domain(), " is suspended; resume it first")));
        }
        ReleaseNow(parts, gateway, route, deadline, std::move(done));
      });
}

void Suspend(const Parts& parts, const GatewayPointer& gateway,
             const v1::SuspendGatewayRequest& request, absl::Time deadline, StatusCallback done) {
  if (request.reason().size() > kSuspendReasonBytesMax) {
    return done(absl::InvalidArgumentError("the reason has more than 200 octets"));
  }
  v1::Gateway suspension;
  suspension.set_suspend_reason(request.reason());
  *suspension.mutable_suspend_time() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(parts.clock.Now()));
  spool::v1::GetEntryRequest get;
  get.set_key(SuspendedKey(gateway->domain()));
  parts.state.Get(
      std::move(get), deadline,
      [&parts, gateway, suspension = std::move(suspension), deadline,
       done = std::move(done)](absl::StatusOr<spool::v1::GetEntryResponse> response) mutable {
        v1::Gateway before;
        if (response.ok() && before.ParseFromString(response->entry().value()) &&
            before.has_suspend_time()) {
          *suspension.mutable_suspend_time() = before.suspend_time();
        } else if (!response.ok() && !absl::IsNotFound(response.status())) {
          return done(response.status());
        }
        TURNPIKE_LOG(kInfo, "gateway suspended",
                     {{"gateway", gateway->domain()}, {"reason", suspension.suspend_reason()}});
        PutOverride(parts, SuspendedKey(gateway->domain()), suspension.SerializeAsString(),
                    deadline, std::move(done));
      });
}

void Resume(const Parts& parts, const GatewayPointer& gateway, absl::Time deadline,
            StatusCallback done) {
  TURNPIKE_LOG(kInfo, "gateway resumed", {{"gateway", gateway->domain()}});
  DeleteOverride(parts, SuspendedKey(gateway->domain()), deadline, std::move(done));
}

void AddAccess(const Parts& parts, const GatewayPointer& gateway,
               const v1::AddAccessEntryRequest& request, absl::Time deadline, StatusCallback done) {
  const absl::StatusOr<std::string> network = ReadNetwork(request.list(), request.network());
  if (!network.ok()) return done(network.status());
  if (IsConfigured(*gateway, request.list(), *network)) return done(absl::OkStatus());
  v1::AccessEntry entry;
  entry.set_list(request.list());
  entry.set_network(*network);
  *entry.mutable_add_time() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(parts.clock.Now()));
  std::string key = AccessKey(gateway->domain(), request.list(), *network);
  spool::v1::ListEntriesRequest list;
  list.set_prefix(OverridesPrefix(gateway->domain()));
  list.set_page_size(1000);  // more than there can be
  parts.state.List(
      std::move(list), deadline,
      [&parts, gateway, entry = std::move(entry), key = std::move(key), deadline,
       done = std::move(done)](absl::StatusOr<spool::v1::ListEntriesResponse> response) mutable {
        if (!response.ok()) return done(response.status());
        Overrides overrides;
        for (const spool::v1::Entry& each : response->entries()) {
          if (each.key() == key) return done(absl::OkStatus());  // it keeps its time
          overrides.Add(each.key(), each.value());
        }
        if (overrides.For(gateway->domain()).access.size() >= kAccessEntriesMax) {
          parts.metrics.access_entries_limit_hits.Increment();
          return done(absl::ResourceExhaustedError(absl::StrCat(
              gateway->domain(), " has ", kAccessEntriesMax, " added access entries already")));
        }
        TURNPIKE_LOG(kInfo, "access entry added",
                     {{"gateway", gateway->domain()},
                      {"list", entry.list() == v1::ACCESS_LIST_IGNORE ? "ignore" : "honor"},
                      {"network", entry.network()}});
        PutOverride(parts, std::move(key), entry.SerializeAsString(), deadline, std::move(done));
      });
}

void RemoveAccess(const Parts& parts, const GatewayPointer& gateway,
                  const v1::RemoveAccessEntryRequest& request, absl::Time deadline,
                  StatusCallback done) {
  const absl::StatusOr<std::string> network = ReadNetwork(request.list(), request.network());
  if (!network.ok()) return done(network.status());
  if (IsConfigured(*gateway, request.list(), *network)) {
    return done(absl::FailedPreconditionError(
        absl::StrCat(*network, " is in the configuration; take it away there")));
  }
  std::string key = AccessKey(gateway->domain(), request.list(), *network);
  spool::v1::GetEntryRequest get;
  get.set_key(key);
  parts.state.Get(
      std::move(get), deadline,
      [&parts, gateway, network = *network, key = std::move(key), deadline,
       done = std::move(done)](absl::StatusOr<spool::v1::GetEntryResponse> response) mutable {
        if (absl::IsNotFound(response.status())) {
          return done(absl::NotFoundError(
              absl::StrCat(gateway->domain(), " has no such access entry: ", network)));
        }
        if (!response.ok()) return done(response.status());
        TURNPIKE_LOG(kInfo, "access entry removed",
                     {{"gateway", gateway->domain()}, {"network", network}});
        DeleteOverride(parts, std::move(key), deadline, std::move(done));
      });
}

}  // namespace turnpike::dequeue
