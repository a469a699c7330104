#include "services/auth-service/core/site.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace turnpike::auth {
namespace {

// The configuration's names are normal already; one that is no name equals no domain.
std::string Normal(const std::string& name) {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? domain->ascii() : name;
}

std::vector<net::IpNetwork> ReadNetworks(
    const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<net::IpNetwork> networks;
  for (const std::string& text : texts) {
    const absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(text);
    if (network.ok()) networks.push_back(*network);
  }
  return networks;
}

bool Contains(const std::vector<net::IpNetwork>& networks, absl::string_view text) {
  if (networks.empty()) return false;
  const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(text);
  return address.ok() &&
         std::any_of(networks.begin(), networks.end(), [&address](const net::IpNetwork& network) {
           return network.Contains(*address);
         });
}

// `192.0.2.1` of `192.0.2.1:25`, `2001:db8::1` of `[2001:db8::1]:25`.
absl::string_view HostOf(absl::string_view listen) {
  absl::string_view host = listen.substr(0, listen.rfind(':'));
  if (absl::StartsWith(host, "[") && absl::EndsWith(host, "]")) {
    host = host.substr(1, host.size() - 2);
  }
  return host;
}

}  // namespace

Site::Site(const config::v1::Config& config)
    : auth_(config.auth()),
      places_(config),
      has_directories_(config.directory().has_ldap() || config.directory().has_dovecot()),
      has_domain_sharing_(config.domain_sharing().hosts_size() > 0),
      local_networks_(ReadNetworks(config.local_networks())),
      trusted_networks_(ReadNetworks(config.trusted_networks())) {
  for (const config::v1::Listener& listener : config.smtp().listeners()) {
    // The two enums have the same values; session.proto says it from the frontend's side.
    const auto role = static_cast<v1::ListenerRole>(listener.role());
    listeners_[listener.name()] = {.role = role,
                                   .odmr = listener.odmr() || role == v1::LISTENER_ROLE_ODMR,
                                   .allow_cleartext_auth = listener.allow_cleartext_auth(),
                                   .cram_md5 = config.auth().cram_md5()};
    const absl::StatusOr<net::IpAddress> own = net::IpAddress::Parse(HostOf(listener.listen()));
    if (own.ok()) own_addresses_.insert(*own);
  }
  for (const config::v1::Gateway& gateway : config.gateways()) {
    gateway_by_domain_[Normal(gateway.domain())] = gateways_.size();
    for (const std::string& alias : gateway.aliases()) {
      gateway_by_domain_[Normal(alias)] = gateways_.size();
    }
    gateways_.push_back({.domain = Normal(gateway.domain()),
                         .senders_must_authenticate = gateway.senders_must_authenticate(),
                         .is_exempt_from_matching = gateway.exempt_from_auth_matching()});
    has_exempt_gateways_ |= gateway.exempt_from_auth_matching();
  }
  for (const config::v1::LocalDomain& local : config.local_domains()) {
    local_[Normal(local.domain())] = local.accept_any_recipient();
    const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(local.domain());
    if (domain.ok() && !postmaster_domain_.has_value()) postmaster_domain_ = *domain;
  }
  for (const std::string& relay : config.relay_domains()) relay_.insert(Normal(relay));
  for (const config::v1::Account& account : config.accounts()) {
    AddAddress(account.address(), account.address());
    for (const std::string& alias : account.aliases()) AddAddress(alias, account.address());
  }
  for (const std::string& pattern : config.auth().match_exemptions()) {
    match_exemptions_.emplace_back(pattern);
  }
}

ListenerTraits Site::ListenerOf(const v1::SessionFacts& facts) const {
  const auto found = listeners_.find(facts.listener());
  if (found != listeners_.end() && found->second.role == facts.role()) return found->second;
  return {.role = facts.role(),
          .odmr = facts.role() == v1::LISTENER_ROLE_ODMR,
          .cram_md5 = auth_.cram_md5()};
}

const ListenerTraits* Site::FindListener(absl::string_view name) const {
  const auto found = listeners_.find(name);
  return found == listeners_.end() ? nullptr : &found->second;
}

const Site::GatewayRules* Site::FindGateway(const smtp::DomainName& domain) const {
  const auto found = gateway_by_domain_.find(domain.ascii());
  return found == gateway_by_domain_.end() ? nullptr : &gateways_[found->second];
}

bool Site::AcceptsAnyRecipient(const smtp::DomainName& local_domain) const {
  const auto found = local_.find(local_domain.ascii());
  return found == local_.end() || found->second;
}

void Site::AddAddress(absl::string_view address, const std::string& account) {
  const absl::StatusOr<smtp::Mailbox> mailbox = smtp::Mailbox::Parse(address, {.allow_utf8 = true});
  if (mailbox.ok()) account_by_address_[KeyOf(*mailbox)] = account;
}

std::string Site::KeyOf(const smtp::Mailbox& mailbox) const {
  std::string key = absl::AsciiStrToLower(mailbox.ToString());
  if (mailbox.domain() == nullptr && mailbox.literal() == nullptr &&
      postmaster_domain_.has_value()) {
    absl::StrAppend(&key, "@", postmaster_domain_->ascii());
  }
  return key;
}

const std::string* Site::FindOwner(absl::string_view key) const {
  const auto found = account_by_address_.find(key);
  return found == account_by_address_.end() ? nullptr : &found->second;
}

bool Site::IsExemptFromMatching(const smtp::Mailbox& mailbox) const {
  return std::any_of(
      match_exemptions_.begin(), match_exemptions_.end(),
      [&mailbox](const AddressPattern& pattern) { return pattern.Matches(mailbox); });
}

bool Site::IsLocalClient(absl::string_view address) const {
  return Contains(local_networks_, address);
}

bool Site::IsTrustedClient(absl::string_view address) const {
  return Contains(trusted_networks_, address);
}

bool Site::IsOwnLiteral(const smtp::AddressLiteral& literal) const {
  static const auto* const kThisMachine = new std::vector<net::IpNetwork>{
      *net::IpNetwork::Parse("0.0.0.0/8"), *net::IpNetwork::Parse("127.0.0.0/8"),
      *net::IpNetwork::Parse("::/128"), *net::IpNetwork::Parse("::1/128")};
  if (Contains(*kThisMachine, literal.address())) return true;
  const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(literal.address());
  return address.ok() && own_addresses_.contains(*address);
}

}  // namespace turnpike::auth
