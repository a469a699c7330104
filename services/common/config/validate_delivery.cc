#include "services/common/config/validate_delivery.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

constexpr uint32_t kSmtpPort = 25;
constexpr uint32_t kLmtpPort = 24;

// The addresses of this machine's interfaces, in normal form; the loopback ones if they cannot be
// had.
std::set<std::string> InterfaceAddresses() {
  std::set<std::string> addresses = {"127.0.0.1", "::1"};
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    const void* bytes = nullptr;
    if (family == AF_INET) {
      bytes = &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr;
    } else if (family == AF_INET6) {
      bytes = &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
    } else {
      continue;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (inet_ntop(family, bytes, text.data(), text.size()) == nullptr) continue;
    const auto normal = NormalAddress(text.data());
    if (normal.ok()) addresses.insert(*normal);
  }
  freeifaddrs(list);
  return addresses;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

class DeliveryValidator {
 public:
  DeliveryValidator(const Places& places, v1::Config& config, Problems& problems)
      : places_(places), config_(config), problems_(problems) {}

  void Run() {
    CollectOwn();
    v1::Delivery& delivery = *config_.mutable_delivery();
    if (delivery.has_smart_host()) {
      CheckSmartHost("delivery.smart_host", *delivery.mutable_smart_host());
    }
    CheckMode(delivery);
    CheckRoutes(delivery);
    CheckAccountLogins(delivery);
  }

 private:
  void Error(const std::string& path, absl::string_view text) {
    problems_.AddError(FindPlace(places_, path), path, text);
  }
  void Warn(const std::string& path, absl::string_view text) {
    problems_.AddWarning(FindPlace(places_, path), path, text);
  }
  bool IsGiven(const std::string& path) const { return places_.contains(path); }

  // ---------------------------------------------------------------------------------------- modes

  void CheckMode(const v1::Delivery& delivery) {
    const bool needs_smart_host = delivery.mode() == v1::DELIVERY_MODE_SMART_HOST ||
                                  delivery.mode() == v1::DELIVERY_MODE_DIRECT_THEN_SMART_HOST;
    if (needs_smart_host && !delivery.has_smart_host()) {
      Error("delivery.mode",
            "needs `delivery.smart_host`, which is missing; name its `host` there");  // DL-2, DL-3
    }
    if (!needs_smart_host && delivery.has_smart_host()) {
      Warn("delivery.smart_host",
           "is not used with `delivery.mode: direct`; set `smart_host` or "
           "`direct_then_smart_host`");
    }
  }

  // ----------------------------------------------------------------------------------- what is
  // ours

  void CollectOwn() {
    own_names_.emplace(config_.hostname(), "our own `hostname`");
    for (const v1::LocalDomain& local : config_.local_domains()) {
      own_names_.emplace(local.domain(), "one of `local_domains`");
    }
    for (const v1::Gateway& gateway : config_.gateways()) {
      own_names_.emplace(gateway.domain(), "a gateway's domain");
      for (const std::string& alias : gateway.aliases()) {
        own_names_.emplace(alias, "a gateway's alias");
      }
    }
    const std::set<std::string> interfaces = InterfaceAddresses();
    for (const v1::Listener& listener : config_.smtp().listeners()) {
      const HostPort listen = SplitHostPort(listener.listen());
      const auto address = NormalAddress(listen.host);
      if (!address.ok()) continue;
      if (*address == "0.0.0.0" || *address == "::") {
        for (const std::string& own : interfaces) own_endpoints_.emplace(own, listen.port);
      } else {
        own_endpoints_.emplace(*address, listen.port);
      }
    }
  }

  // Brings a host name or an IP address (with or without brackets) into normal form. (DL-20)
  void CheckHost(const std::string& path, uint32_t port, std::string* host) {
    absl::string_view text = *host;
    if (absl::ConsumePrefix(&text, "[")) absl::ConsumeSuffix(&text, "]");
    absl::StatusOr<std::string> normal = NormalAddress(text);
    const bool is_address = normal.ok();
    if (!is_address) normal = NormalDomain(text);
    if (!normal.ok()) {
      Error(path, "must be a host name or an IP address");
      return;
    }
    *host = *normal;
    const auto own = own_names_.find(*normal);
    if (!is_address && own != own_names_.end()) {
      Error(path, absl::StrCat("`", *normal, "` is ", own->second,
                               "; mail would come back to us. Name another host"));
      return;
    }
    const bool is_localhost = *normal == "localhost";
    if (own_endpoints_.contains({*normal, port}) ||
        (is_localhost && (own_endpoints_.contains({std::string("127.0.0.1"), port}) ||
                          own_endpoints_.contains({std::string("::1"), port})))) {
      Error(path, absl::StrCat("`", *normal, "` with port ", port,
                               " is one of our own listeners; mail would come back to us"));
    }
  }

  // ---------------------------------------------------------------------------------- smart hosts

  void CheckLogin(const std::string& path, const v1::Login& login) {
    if (!login.password().empty() || !login.password_file().empty()) return;
    Error(path + ".password", "is missing; give `password` or `password_file`");
  }

  void CheckSmartHost(const std::string& path, v1::SmartHost& host) {
    CheckHost(path + ".host", host.port(), host.mutable_host());
    if (host.use_mx() && NormalAddress(host.host()).ok()) {
      Error(path + ".use_mx", "an IP address has no MX; take this away or name a domain");  // DL-21
    }
    if (host.has_auth()) CheckLogin(path + ".auth", host.auth());
    if (host.has_pop_check()) {
      v1::PopCheck& check = *host.mutable_pop_check();
      absl::string_view text = check.host();
      if (absl::ConsumePrefix(&text, "[")) absl::ConsumeSuffix(&text, "]");
      if (!NormalAddress(text).ok() && !NormalDomain(text).ok()) {
        Error(path + ".pop_check.host", "must be a host name or an IP address");
      }
      if (check.has_auth()) {
        CheckLogin(path + ".pop_check.auth", check.auth());
      } else {
        Error(path + ".pop_check.auth", "is missing; the POP3 login needs one");  // DL-23
      }
    }
    if (host.per_account_use_mail_password() && !host.per_account_auth()) {
      Error(path + ".per_account_use_mail_password",
            "needs `per_account_auth: true`; set that or take this away");  // DL-25
    }
    if (!host.per_account_use_mail_password()) return;
    CheckMailPasswords(path + ".per_account_use_mail_password");
    if (host.tls() == v1::CONNECTION_TLS_NONE || host.tls() == v1::CONNECTION_TLS_OPPORTUNISTIC) {
      Warn(path + ".per_account_use_mail_password",
           "gives the mailboxes' passwords to whoever answers in the smart host's place; use "
           "`tls: starttls` or `tls: implicit`");
    }
  }

  // Without them the mail password cannot serve as a login. (DL-25)
  void CheckMailPasswords(const std::string& path) {
    for (int i = 0; i < config_.accounts_size(); ++i) {
      const v1::Account& account = config_.accounts(i);
      if (account.has_smart_host()) continue;
      // A file that only other services read shows when outbound-delivery starts.
      if (account.password().empty() && !account.password_file().empty()) continue;
      bool has_plain = false;
      for (const absl::string_view line : absl::StrSplit(account.password(), '\n')) {
        has_plain = has_plain || absl::StartsWith(line, "{PLAIN}");
      }
      if (has_plain) continue;
      Error(path, absl::StrCat("accounts[", i, "] (", account.address(),
                               ") has its password not in clear; add a `{PLAIN}` line or a "
                               "`smart_host` login, or take this away"));
    }
  }

  void CheckAccountLogins(const v1::Delivery& delivery) {
    bool is_used = delivery.smart_host().per_account_auth();
    for (const v1::DeliveryRoute& route : delivery.routes()) {
      is_used = is_used || route.smart_host().per_account_auth();
    }
    for (int i = 0; i < config_.accounts_size(); ++i) {
      if (!config_.accounts(i).has_smart_host()) continue;
      const std::string path = absl::StrCat("accounts[", i, "].smart_host");
      CheckLogin(path, config_.accounts(i).smart_host());
      if (!is_used) {
        Warn(path, "is not used: no smart host has `per_account_auth: true`");  // DL-24
      }
    }
  }

  // --------------------------------------------------------------------------------------- routes

  void CheckRoutes(v1::Delivery& delivery) {
    std::map<std::string, std::string> seen;  // pattern to its path
    for (int i = 0; i < delivery.routes_size(); ++i) {
      v1::DeliveryRoute& route = *delivery.mutable_routes(i);
      const std::string path = absl::StrCat("delivery.routes[", i, "]");
      if (route.domains().empty()) {
        Error(path + ".domains", "is missing; name the domains that the route is for");
      }
      for (int j = 0; j < route.domains_size(); ++j) {
        CheckPattern(absl::StrCat(path, ".domains[", j, "]"), *route.mutable_domains(j), seen);
      }
      CheckRouteTarget(path, route);
      CheckRetry(path + ".retry", route.retry());
    }
  }

  void CheckPattern(const std::string& path, std::string& pattern,
                    std::map<std::string, std::string>& seen) {
    absl::string_view name = pattern;
    const bool is_wildcard = absl::ConsumePrefix(&name, "*.");
    const bool is_literal = !is_wildcard && absl::StartsWith(name, "[");
    const absl::StatusOr<std::string> domain =
        is_literal ? absl::StatusOr<std::string>(pattern) : NormalDomain(name);
    if (!domain.ok()) {
      Error(path, "must be a domain, or `*.` and a domain for all below it");
      return;
    }
    pattern = absl::StrCat(is_wildcard ? "*." : "", *domain);
    const auto own = own_names_.find(*domain);
    if (!is_wildcard && own != own_names_.end() && own->first != config_.hostname()) {
      Error(path,
            absl::StrCat("`", *domain, "` is ", own->second, "; routes are for other domains"));
    }
    const auto [it, is_new] = seen.emplace(pattern, path);
    if (!is_new) {
      Error(path, absl::StrCat("`", pattern, "` stands in ", it->second,
                               " already, and the first route decides"));
    }
  }

  void CheckRouteTarget(const std::string& path, v1::DeliveryRoute& route) {
    const bool has_host = !route.host().empty();
    if (route.has_smart_host()) {
      CheckSmartHost(path + ".smart_host", *route.mutable_smart_host());
      if (has_host) Error(path + ".host", "`smart_host` is given too; take one away");
      if (IsGiven(path + ".tls")) {
        Error(path + ".tls", "belongs to `host` or to MX hosts; use `smart_host.tls`");
      }
    }
    if (has_host) {
      const uint32_t port = route.port() > 0 ? route.port() : route.lmtp() ? kLmtpPort : kSmtpPort;
      CheckHost(path + ".host", port, route.mutable_host());
      return;
    }
    for (const char* key : {".port", ".lmtp"}) {
      if (IsGiven(path + key)) Error(path + key, "needs `host`; name it or take this away");
    }
  }

  void CheckRetry(const std::string& path, const v1::Retry& retry) {
    const absl::Duration expire = ToDuration(retry.expire_after());
    const auto check = [&](const char* key, const google::protobuf::Duration& value) {
      if (IsGiven(path + key) && ToDuration(value) > expire) {
        Error(path + key,
              absl::StrCat("is longer than `expire_after` (", absl::FormatDuration(expire),
                           "); mail would expire before"));
      }
    };
    check(".first_interval", retry.first_interval());
    check(".interval", retry.interval());
    check(".warn_after", retry.warn_after());
  }

  const Places& places_;
  v1::Config& config_;
  Problems& problems_;
  std::map<std::string, std::string> own_names_;  // to what they are
  std::set<std::pair<std::string, uint32_t>> own_endpoints_;
};

}  // namespace

void ValidateDelivery(const Places& places, v1::Config& config, Problems& problems) {
  DeliveryValidator(places, config, problems).Run();
}

}  // namespace turnpike::config
