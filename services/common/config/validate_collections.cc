#include "services/common/config/validate_collections.h"

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "services/common/base/cron.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

constexpr absl::Duration kIntervalMin = absl::Seconds(1);

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// The domains that mail is taken for.
std::set<std::string> OwnDomains(const v1::Config& config) {
  std::set<std::string> domains(config.relay_domains().begin(), config.relay_domains().end());
  for (const v1::LocalDomain& local : config.local_domains()) domains.insert(local.domain());
  for (const v1::Gateway& gateway : config.gateways()) {
    domains.insert(gateway.domain());
    domains.insert(gateway.aliases().begin(), gateway.aliases().end());
  }
  return domains;
}

class CollectionValidator {
 public:
  CollectionValidator(const Places& places, Problems& problems)
      : places_(places), problems_(problems) {}

  void CheckListener(const std::string& path, const v1::Listener& listener) {
    for (int i = 0; i < listener.proxy_protocol_from_size(); ++i) {
      if (!absl::EndsWith(listener.proxy_protocol_from(i), "/0")) continue;
      Error(absl::StrCat(path, ".proxy_protocol_from[", i, "]"),
            "lets everybody say who he is; name your balancers' addresses");  // PL-5
    }
  }

  void CheckCollection(const std::string& path, const std::set<std::string>& own_domains,
                       v1::Collection& collection) {
    CheckHost(path + ".host", *collection.mutable_host());
    CheckTls(path, collection.tls(), collection.authorities_file());
    if (!collection.has_auth()) {
      Error(path + ".auth", "is missing; ATRN always needs a login");  // [RFC2645 5.2.1]
    } else {
      CheckLogin(path + ".auth", collection.auth());
    }
    for (int i = 0; i < collection.domains_size(); ++i) {
      const std::string& domain = collection.domains(i);
      const std::string domain_path = absl::StrCat(path, ".domains[", i, "]");
      if (!absl::StrContains(domain, '.')) {
        Error(domain_path, absl::StrCat("`", domain, "` has no dot, so ATRN cannot name it"));
      } else if (!own_domains.contains(domain)) {
        Error(domain_path,
              absl::StrCat("`", domain,
                           "` is neither local, nor relayed, nor a gateway's, so its mail would be "
                           "refused; add it to `local_domains`, `relay_domains` or `gateways`"));
      }
    }
    CheckSchedule(path + ".schedule", collection.schedule());
  }

  void CheckRequest(const std::string& path, v1::UpstreamRequest& request) {
    CheckHost(path + ".host", *request.mutable_host());
    CheckTls(path, request.tls(), request.authorities_file());
    if (request.has_auth()) CheckLogin(path + ".auth", request.auth());
    if (request.domains().empty()) {
      Error(path + ".domains", "is missing; name at least one domain to ask for");
    }
    for (int i = 0; i < request.domains_size(); ++i) {
      CheckEtrnArgument(absl::StrCat(path, ".domains[", i, "]"), *request.mutable_domains(i));
    }
    CheckSchedule(path + ".schedule", request.schedule());
  }

 private:
  void Error(const std::string& path, absl::string_view text) {
    problems_.AddError(FindPlace(places_, path), path, text);
  }
  void Warn(const std::string& path, absl::string_view text) {
    problems_.AddWarning(FindPlace(places_, path), path, text);
  }

  void CheckHost(const std::string& path, std::string& host) {
    if (host.empty()) return;  // said already
    absl::StatusOr<std::string> normal = NormalAddress(host);
    if (!normal.ok()) normal = NormalDomain(host);
    if (!normal.ok()) {
      Error(path, "must be a host name or an IP address; the port has a key of its own");
      return;
    }
    host = *normal;
  }

  void CheckTls(const std::string& path, v1::ConnectionTls tls, const std::string& authorities) {
    const bool is_checked =
        tls != v1::CONNECTION_TLS_NONE && tls != v1::CONNECTION_TLS_OPPORTUNISTIC;
    if (authorities.empty() || is_checked) return;
    Error(path + ".authorities_file",
          "does nothing, as no certificate is checked; use `tls: starttls` or `tls: implicit`");
  }

  void CheckLogin(const std::string& path, const v1::Login& login) {
    if (login.username().empty()) return;  // said already
    if (!login.password().empty() || !login.password_file().empty()) return;
    Error(path, "has no password; give `password` or `password_file`");
  }

  void CheckSchedule(const std::string& path, const v1::Schedule& schedule) {
    const absl::Duration every = ToDuration(schedule.every());
    if (every > absl::ZeroDuration() && every < kIntervalMin) {
      Error(path + ".every", "must be 0s, or at least 1s");
    }
    if (!schedule.cron().empty()) {
      const absl::StatusOr<base::Cron> cron = base::Cron::Parse(schedule.cron());
      if (!cron.ok()) Error(path + ".cron", cron.status().message());
      if (every > absl::ZeroDuration()) {
        Error(path + ".cron", "is given together with `every`; take one away");
      }
    }
    if (ToDuration(schedule.retry_after()) > ToDuration(schedule.retry_after_max())) {
      Error(path + ".retry_after", "is longer than `retry_after_max`; make it shorter");
    }
  }

  // `example.org`, `@example.org` or `#queue`. [RFC1985 5]
  void CheckEtrnArgument(const std::string& path, std::string& argument) {
    if (absl::StartsWith(argument, "#")) {
      const bool is_word =
          argument.size() > 1 && argument.find_first_of(" \t\r\n") == std::string::npos;
      if (!is_word) Error(path, "must name a queue after the `#`, without blanks");
      return;
    }
    const bool has_option = absl::StartsWith(argument, "@");
    const absl::StatusOr<std::string> domain =
        NormalDomain(absl::string_view(argument).substr(has_option ? 1 : 0));
    if (!domain.ok() || !absl::StrContains(*domain, '.')) {
      Error(path, "must be a full domain name, `@` and one, or `#` and a queue's name");
      return;
    }
    argument = absl::StrCat(has_option ? "@" : "", *domain);
  }

  const Places& places_;
  Problems& problems_;
};

}  // namespace

void ValidateCollections(const Places& places, v1::Config& config, Problems& problems) {
  CollectionValidator validator(places, problems);
  for (int i = 0; i < config.smtp().listeners_size(); ++i) {
    validator.CheckListener(absl::StrCat("smtp.listeners[", i, "]"), config.smtp().listeners(i));
  }
  const std::set<std::string> own_domains = OwnDomains(config);
  for (int i = 0; i < config.collections_size(); ++i) {
    validator.CheckCollection(absl::StrCat("collections[", i, "]"), own_domains,
                              *config.mutable_collections(i));
  }
  for (int i = 0; i < config.requests_size(); ++i) {
    validator.CheckRequest(absl::StrCat("requests[", i, "]"), *config.mutable_requests(i));
  }
}

}  // namespace turnpike::config
