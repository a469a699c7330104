#include "services/common/config/validate.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "services/common/config/validate_auth.h"
#include "services/common/config/validate_collections.h"
#include "services/common/config/validate_delivery.h"
#include "services/common/config/validate_gateways.h"
#include "services/common/config/validate_spool.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

constexpr absl::string_view kPlaintext =
    "is not loopback, and the services would talk to each other in clear; give them certificates "
    "(`services.tls`), use a loopback address, or permit it with `services.allow_plaintext: true`";
constexpr uint64_t kMessageBytesMin = uint64_t{64} << 10;
constexpr uint64_t kMessageBytesMax = uint64_t{2} << 30;

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// A name that only begins as an address of loopback does is anybody's.
bool IsLoopback(absl::string_view host) {
  if (host == "localhost") return true;
  const absl::StatusOr<std::string> address = NormalAddress(host);
  return address.ok() && (*address == "::1" || absl::StartsWith(*address, "127."));
}

std::string HostOf(absl::string_view address) {
  if (absl::ConsumePrefix(&address, "[")) return std::string(address.substr(0, address.find(']')));
  return std::string(address.substr(0, address.rfind(':')));
}

// Whether a gRPC target stays on this machine. Those that are addresses may have several.
bool IsLoopbackTarget(absl::string_view target) {
  if (absl::StartsWith(target, "unix:")) return true;
  const bool has_addresses =
      absl::ConsumePrefix(&target, "ipv4:") || absl::ConsumePrefix(&target, "ipv6:");
  const size_t scheme = target.find(":///");
  if (scheme != absl::string_view::npos) target.remove_prefix(scheme + 4);
  if (!has_addresses) return IsLoopback(HostOf(target));
  const std::vector<absl::string_view> addresses = absl::StrSplit(target, ',');
  return std::all_of(addresses.begin(), addresses.end(),
                     [](absl::string_view address) { return IsLoopback(HostOf(address)); });
}

// Password texts hold one verifier a line.
std::vector<absl::string_view> VerifierLines(absl::string_view password) {
  std::vector<absl::string_view> lines = absl::StrSplit(password, '\n', absl::SkipEmpty());
  for (absl::string_view& line : lines) absl::ConsumeSuffix(&line, "\r");
  return lines;
}

class Validator {
 public:
  Validator(const Places& places, v1::Config& config, Problems& problems)
      : places_(places), config_(config), problems_(problems) {}

  void Run() {
    CheckServices();
    CheckListeners();
    CheckDomains();
    CheckAccounts();
    CheckGateways();
    CheckNetworks();
    CheckTimes();
    CheckDns();
  }

 private:
  void Error(const std::string& path, absl::string_view text) {
    problems_.AddError(FindPlace(places_, path), path, text);
  }
  void Warn(const std::string& path, absl::string_view text) {
    problems_.AddWarning(FindPlace(places_, path), path, text);
  }
  bool IsGiven(const std::string& path) const { return places_.contains(path); }

  // ------------------------------------------------------------------------------------ services

  void CheckServices() {
    if (config_.services().allow_plaintext() || config_.services().has_tls()) return;
    CheckPlaintext("services.smtp_frontend", config_.services().smtp_frontend());
    CheckPlaintext("services.auth_service", config_.services().auth_service());
    CheckPlaintext("services.gateway_dequeue", config_.services().gateway_dequeue());
    CheckPlaintext("services.spool_store", config_.services().spool_store());
    CheckPlaintext("services.outbound_delivery", config_.services().outbound_delivery());
    for (int i = 0; i < config_.spool().shards_size(); ++i) {
      if (IsLoopbackTarget(config_.spool().shards(i))) continue;
      Error(absl::StrCat("spool.shards[", i, "]"), kPlaintext);
    }
    const std::string& scaler = config_.spool().scaler_listen();
    if (!scaler.empty() && !IsLoopback(SplitHostPort(scaler).host)) {
      Error("spool.scaler_listen", kPlaintext);
    }
  }

  // [PL-40]
  void CheckPlaintext(const std::string& path, const v1::ServiceEndpoint& endpoint) {
    if (!IsLoopback(SplitHostPort(endpoint.listen()).host)) Error(path + ".listen", kPlaintext);
    if (IsGiven(path + ".target") && !IsLoopbackTarget(endpoint.target())) {
      Error(path + ".target", kPlaintext);
    }
  }

  // ----------------------------------------------------------------------------------- listeners

  void CheckListeners() {
    if (config_.smtp().listeners().empty()) {
      Error("smtp.listeners",
            "there is no listener; name at least one, such as "
            "`- {name: smtp, role: smtp, listen: \"0.0.0.0:25\"}`");
    }
    for (int i = 0; i < config_.smtp().listeners_size(); ++i) {
      CheckListener(absl::StrCat("smtp.listeners[", i, "]"), config_.smtp().listeners(i));
    }
  }

  void CheckListener(const std::string& path, const v1::Listener& listener) {
    const bool is_submissions = listener.role() == v1::LISTENER_ROLE_SUBMISSIONS;
    if (is_submissions && !listener.implicit_tls()) {
      Error(path + ".implicit_tls",
            "`submissions` is TLS from the first octet; take this away or use `role: submission`");
    }
    if (listener.implicit_tls() && !listener.has_tls()) {
      Error(path + ".tls",
            "is missing; TLS from the first octet needs `certificate_file` and `key_file`");
    }
    if (listener.role() == v1::LISTENER_ROLE_ODMR && !listener.odmr()) {
      Error(path + ".odmr", "a listener with `role: odmr` always answers ATRN; take this away");
    }
    if (listener.role() == v1::LISTENER_ROLE_SUBMISSION && !listener.has_tls() &&
        !listener.allow_cleartext_auth()) {
      Warn(path + ".tls",
           "is missing; without TLS only challenge-response logins (SCRAM, CRAM-MD5) are offered");
    }
    const uint64_t size = listener.message_bytes_max();
    if (size != 0 && (size < kMessageBytesMin || size > kMessageBytesMax)) {
      Error(path + ".message_bytes_max", "must be 0, or from 64KiB to 2GiB");
    }
  }

  // ------------------------------------------------------------------------------------- domains

  // Each domain has one use only: local, relayed, or one gateway's.
  void CheckDomains() {
    for (int i = 0; i < config_.local_domains_size(); ++i) {
      // Twice among the local domains is said by rules.unique.
      owners_.emplace(config_.local_domains(i).domain(), absl::StrCat("local_domains[", i, "]"));
    }
    for (int i = 0; i < config_.relay_domains_size(); ++i) {
      ClaimDomain(config_.relay_domains(i), absl::StrCat("relay_domains[", i, "]"),
                  absl::StrCat("relay_domains[", i, "]"));
    }
    for (int i = 0; i < config_.gateways_size(); ++i) {
      const v1::Gateway& gateway = config_.gateways(i);
      const std::string path = absl::StrCat("gateways[", i, "]");
      // Twice as a gateway's first domain is said by rules.unique.
      const auto it = owners_.find(gateway.domain());
      const bool is_said = it != owners_.end() && absl::EndsWith(it->second, "]") &&
                           absl::StartsWith(it->second, "gateways[") &&
                           !absl::StrContains(it->second, ".aliases");
      if (!is_said) ClaimDomain(gateway.domain(), path, path + ".domain");
      for (int j = 0; j < gateway.aliases_size(); ++j) {
        const std::string alias = absl::StrCat(path, ".aliases[", j, "]");
        ClaimDomain(gateway.aliases(j), alias, alias);
      }
    }
  }

  // `owner` is how later messages call the use, `path` where this one is written.
  void ClaimDomain(const std::string& domain, const std::string& owner, const std::string& path) {
    if (domain.empty()) return;
    const auto [it, is_new] = owners_.emplace(domain, owner);
    if (is_new) return;
    Error(path, absl::StrCat("`", domain, "` is used by ", it->second,
                             " already; a domain is local, relayed, or one gateway's"));
  }

  // ------------------------------------------------------------------------------------ accounts

  void CheckAccounts() {
    std::map<std::string, std::string> addresses;
    for (int i = 0; i < config_.accounts_size(); ++i) {
      addresses.emplace(config_.accounts(i).address(), absl::StrCat("accounts[", i, "]"));
    }
    for (int i = 0; i < config_.accounts_size(); ++i) {
      const v1::Account& account = config_.accounts(i);
      const std::string path = absl::StrCat("accounts[", i, "]");
      for (int j = 0; j < account.aliases_size(); ++j) {
        const std::string alias = absl::StrCat(path, ".aliases[", j, "]");
        const auto [it, is_new] = addresses.emplace(account.aliases(j), path);
        if (!is_new) {
          Error(alias, absl::StrCat("`", account.aliases(j), "` belongs to ", it->second,
                                    " already; an address leads to one account"));
        }
      }
      CheckPassword(path, account.password());
    }
  }

  // Every line has a known form. The message never shows it.
  void CheckPassword(const std::string& path, const std::string& password) {
    const std::string key =
        IsGiven(path + ".password_file") ? path + ".password_file" : path + ".password";
    for (const absl::string_view line : VerifierLines(password)) {
      const bool is_known =
          absl::StartsWith(line, "{PLAIN}") || absl::StartsWith(line, "{CRAM-MD5}") ||
          absl::StartsWith(line, "$argon2id$") || absl::StartsWith(line, "SCRAM-SHA-256$") ||
          absl::StartsWith(line, "SCRAM-SHA-1$");
      if (is_known) continue;
      Error(key,
            "has an unknown form; begin a line with `{PLAIN}` for a password in clear, or with "
            "`$argon2id$`, `SCRAM-SHA-256$`, `SCRAM-SHA-1$` or `{CRAM-MD5}` for a verifier");
      return;
    }
  }

  // ------------------------------------------------------------------------------------ gateways

  void CheckGateways() {
    bool has_odmr_listener = false;
    for (const v1::Listener& listener : config_.smtp().listeners()) {
      has_odmr_listener |= listener.odmr();
    }
    for (int i = 0; i < config_.gateways_size(); ++i) {
      v1::Gateway& gateway = *config_.mutable_gateways(i);
      const std::string path = absl::StrCat("gateways[", i, "]");
      CheckHasDot(path + ".domain", gateway.domain());
      for (int j = 0; j < gateway.aliases_size(); ++j) {
        CheckHasDot(absl::StrCat(path, ".aliases[", j, "]"), gateway.aliases(j));
      }
      CheckGatewayLogin(path, gateway, has_odmr_listener);
      CheckDeliverTo(path + ".etrn.deliver_to", *gateway.mutable_etrn());
    }
  }

  // [RFC1985 5] [RFC2645 5.2.1]
  void CheckHasDot(const std::string& path, const std::string& domain) {
    if (absl::StrContains(domain, '.')) return;
    Error(path, absl::StrCat("`", domain,
                             "` has no dot, so neither ETRN nor ATRN can name it; write the full "
                             "domain name"));
  }

  void CheckGatewayLogin(const std::string& path, const v1::Gateway& gateway,
                         bool has_odmr_listener) {
    const v1::Atrn& atrn = gateway.atrn();
    CheckPassword(path + ".atrn", atrn.password());
    const bool has_password = !atrn.password().empty() || !atrn.password_file().empty();
    if (!has_password && atrn.enabled()) {
      Error(path + ".atrn.password",
            "is missing; ATRN needs a login, so give `password` or `password_file`");  // DQ-31
    } else if (!has_password && gateway.etrn().enabled() && gateway.etrn().require_auth()) {
      Error(path + ".atrn.password",
            "is missing; ETRN with `require_auth` needs the gateway's login, so give `password` or "
            "`password_file`, or set `etrn.require_auth: false`");  // DQ-13
    }
    if (!atrn.enabled()) return;
    if (!has_odmr_listener) {
      Warn(path + ".atrn.enabled",
           "no listener answers ATRN; add one with `role: odmr`, or `odmr: true` to another");
    } else if (!atrn.password().empty() && !HasCramMd5Form(atrn.password())) {
      Warn(path + ".atrn.password",
           "allows no CRAM-MD5, the only login that fetchmail and other ODMR clients have; add a "
           "`{CRAM-MD5}` or `{PLAIN}` line for them");  // DQ-33
    }
  }

  static bool HasCramMd5Form(const std::string& password) {
    for (const absl::string_view line : VerifierLines(password)) {
      if (absl::StartsWith(line, "{PLAIN}") || absl::StartsWith(line, "{CRAM-MD5}")) return true;
    }
    return false;
  }

  // [DQ-14] [DQ-15]
  void CheckDeliverTo(const std::string& path, v1::Etrn& etrn) {
    absl::string_view target = etrn.deliver_to();
    if (target == "requesting_host") return;
    if (const auto address = NormalAddress(target); address.ok()) {
      etrn.set_deliver_to(*address);
      return;
    }
    const bool in_brackets = absl::StartsWith(target, "[") && absl::EndsWith(target, "]");
    if (in_brackets) target = target.substr(1, target.size() - 2);
    absl::StatusOr<std::string> host = NormalDomain(target);
    if (!host.ok() && in_brackets) host = NormalAddress(target);
    if (!host.ok()) {
      Error(path,
            "must be `requesting_host`, a domain name (its MX hosts), a host name in brackets, or "
            "an IP address");
      return;
    }
    etrn.set_deliver_to(in_brackets ? absl::StrCat("[", *host, "]") : *host);
  }

  // ------------------------------------------------------------------------- networks, times, dns

  void CheckNetworks() {
    for (int i = 0; i < config_.trusted_networks_size(); ++i) {
      if (absl::EndsWith(config_.trusted_networks(i), "/0")) {
        Error(absl::StrCat("trusted_networks[", i, "]"),
              "makes this an open relay for everybody; name your own networks");
      }
    }
  }

  void CheckTimes() {
    const v1::Retry& retry = config_.retry();
    const absl::Duration expire = ToDuration(retry.expire_after());
    const auto check = [&](const std::string& path, const google::protobuf::Duration& value) {
      if (ToDuration(value) > expire) {
        Error(path, "is longer than `retry.expire_after`; mail would expire before");
      }
    };
    check("retry.first_interval", retry.first_interval());
    // The defaults of these are allowed to have no effect.
    if (IsGiven("retry.interval")) check("retry.interval", retry.interval());
    if (IsGiven("retry.warn_after")) check("retry.warn_after", retry.warn_after());

    if (ToDuration(config_.dns().cache_time_min()) > ToDuration(config_.dns().cache_time_max())) {
      Error("dns.cache_time_min", "is longer than `dns.cache_time_max`; make it shorter");
    }
  }

  void CheckDns() {
    for (int i = 0; i < config_.dns().servers_size(); ++i) {
      std::string& server = *config_.mutable_dns()->mutable_servers(i);
      if (const auto address = NormalAddress(server); address.ok()) {
        server = *address;
      } else if (const auto with_port = NormalListen(server); with_port.ok()) {
        server = *with_port;
      } else {
        Error(absl::StrCat("dns.servers[", i, "]"),
              "must be an IP address, or address:port such as `127.0.0.1:5353` or `[::1]:5353`");
      }
    }
  }

  const Places& places_;
  v1::Config& config_;
  Problems& problems_;
  std::map<std::string, std::string> owners_;  // domain to the path of its use
};

}  // namespace

void ValidateConfig(const Places& places, v1::Config& config, Problems& problems) {
  Validator(places, config, problems).Run();
  ValidateAuth(places, config, problems);
  ValidateCollections(places, config, problems);
  ValidateDelivery(places, config, problems);
  ValidateGateways(places, config, problems);
  ValidateSpool(places, config, problems);
}

}  // namespace turnpike::config
