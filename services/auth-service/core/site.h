// What the configuration says about domains, networks and addresses, ready to be asked.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SITE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SITE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/auth-service/core/address_pattern.h"
#include "services/auth-service/core/mechanisms.h"
#include "services/common/net/ip.h"
#include "services/common/routing/domain_classes.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::auth {

// Immutable; thread-safe.
class Site {
 public:
  // `config` is complete and checked; it is copied from.
  explicit Site(const config::v1::Config& config);

  const config::v1::Auth& auth() const { return auth_; }

  // By the listener's name; one that we do not know (another configuration there) is taken as the
  // role says, with nothing allowed.
  ListenerTraits ListenerOf(const v1::SessionFacts& facts) const;
  const ListenerTraits* FindListener(absl::string_view name) const;  // null: there is none

  // The gateway that has this domain, as its own or as an alias.
  struct GatewayRules {
    std::string domain;
    bool senders_must_authenticate = true;
    bool is_exempt_from_matching = false;  // AU-8
  };
  const GatewayRules* FindGateway(const smtp::DomainName& domain) const;
  bool IsLocal(const smtp::DomainName& domain) const { return local_.contains(domain.ascii()); }
  bool IsRelay(const smtp::DomainName& domain) const { return relay_.contains(domain.ascii()); }
  bool has_local_domains() const { return !local_.empty(); }
  bool has_gateways() const { return !gateway_by_domain_.empty(); }
  bool has_exempt_gateways() const { return has_exempt_gateways_; }
  // Where mail for `postmaster` without a domain goes: the first local domain. [RFC5321 4.5.1]
  const std::optional<smtp::DomainName>& postmaster_domain() const { return postmaster_domain_; }
  // False: recipients of the local domain must be accounts or aliases.
  bool AcceptsAnyRecipient(const smtp::DomainName& local_domain) const;
  routing::Place PlaceOf(const smtp::Mailbox& mailbox) const { return places_.PlaceOf(mailbox); }

  // What an address is known by here and in evidence: canonical and in lower case, as local parts
  // of our own accounts compare without case. A bare postmaster is the first local domain's.
  std::string KeyOf(const smtp::Mailbox& mailbox) const;
  // The account of the configuration that has the address with that key, as its own or as an alias:
  // its own address. Null: none.
  const std::string* FindOwner(absl::string_view key) const;
  // Others may know who has an address that the configuration does not (AU-23).
  bool has_directories() const { return has_directories_; }
  bool has_domain_sharing() const { return has_domain_sharing_; }
  // auth.match_exemptions (AU-7).
  bool has_match_exemptions() const { return !match_exemptions_.empty(); }
  bool IsExemptFromMatching(const smtp::Mailbox& mailbox) const;

  // An address that cannot be read is in no network.
  bool has_local_networks() const { return !local_networks_.empty(); }
  bool has_trusted_networks() const { return !trusted_networks_.empty(); }
  bool IsLocalClient(absl::string_view address) const;
  bool IsTrustedClient(absl::string_view address) const;
  // A literal that names this machine: loopback, unspecified, or what a listener is bound to.
  bool IsOwnLiteral(const smtp::AddressLiteral& literal) const;

 private:
  void AddAddress(absl::string_view address, const std::string& account);

  config::v1::Auth auth_;
  routing::DomainClasses places_;
  bool has_directories_;
  bool has_domain_sharing_;
  bool has_exempt_gateways_ = false;
  absl::flat_hash_map<std::string, ListenerTraits> listeners_;
  std::vector<GatewayRules> gateways_;
  absl::flat_hash_map<std::string, size_t> gateway_by_domain_;
  absl::flat_hash_map<std::string, bool> local_;  // to accept_any_recipient
  absl::flat_hash_set<std::string> relay_;
  std::optional<smtp::DomainName> postmaster_domain_;
  absl::flat_hash_map<std::string, std::string> account_by_address_;  // keys are those of KeyOf
  std::vector<AddressPattern> match_exemptions_;
  std::vector<net::IpNetwork> local_networks_;
  std::vector<net::IpNetwork> trusted_networks_;
  absl::flat_hash_set<net::IpAddress> own_addresses_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SITE_H_
