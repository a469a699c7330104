#include "services/common/routing/domain_classes.h"

#include "absl/status/statusor.h"

namespace turnpike::routing {
namespace {

// The configuration's loader has made names normal already; a name that is none stays as it is, and
// then equals no domain.
std::string Normal(const std::string& name) {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? domain->ascii() : name;
}

Place MakePlace(spool::v1::QueueKind kind, absl::string_view name) {
  Place place;
  place.queue.set_kind(kind);
  place.queue.set_name(std::string(name));
  place.hold = kind == spool::v1::QUEUE_KIND_GATEWAY;
  return place;
}

}  // namespace

DomainClasses::DomainClasses(const config::v1::Config& config)
    : host_name_(Normal(config.hostname())) {
  for (const config::v1::Gateway& gateway : config.gateways()) {
    const std::string name = Normal(gateway.domain());
    gateway_by_domain_[name] = name;
    for (const std::string& alias : gateway.aliases()) gateway_by_domain_[Normal(alias)] = name;
  }
  for (const config::v1::LocalDomain& local : config.local_domains()) {
    local_domains_.insert(Normal(local.domain()));
  }
}

Place DomainClasses::PlaceOf(const smtp::DomainName& domain) const {
  const auto gateway = gateway_by_domain_.find(domain.ascii());
  if (gateway != gateway_by_domain_.end()) {
    return MakePlace(spool::v1::QUEUE_KIND_GATEWAY, gateway->second);
  }
  if (local_domains_.contains(domain.ascii())) {
    return MakePlace(spool::v1::QUEUE_KIND_LOCAL, domain.ascii());
  }
  return MakePlace(spool::v1::QUEUE_KIND_REMOTE, domain.ascii());
}

Place DomainClasses::PlaceOf(const smtp::Mailbox& mailbox) const {
  if (mailbox.domain() != nullptr) return PlaceOf(*mailbox.domain());
  if (mailbox.literal() != nullptr) {
    return MakePlace(spool::v1::QUEUE_KIND_REMOTE, mailbox.literal()->ToString());
  }
  const absl::StatusOr<smtp::DomainName> own = smtp::DomainName::Parse(host_name_);
  return own.ok() ? PlaceOf(*own) : MakePlace(spool::v1::QUEUE_KIND_REMOTE, host_name_);
}

}  // namespace turnpike::routing
