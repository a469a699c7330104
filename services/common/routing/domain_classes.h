// Which queue mail for a domain waits in, by the configuration alone.
#ifndef TURNPIKE_SERVICES_COMMON_ROUTING_DOMAIN_CLASSES_H_
#define TURNPIKE_SERVICES_COMMON_ROUTING_DOMAIN_CLASSES_H_

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::routing {

// Where mail for a domain goes.
struct Place {
  spool::v1::QueueName queue;
  bool hold = false;  // waits until it is asked for: a gateway's (DQ-1)
};

// Thread safety: immutable after construction; thread-safe.
class DomainClasses {
 public:
  // `config` is complete and checked; it is copied from.
  explicit DomainClasses(const config::v1::Config& config);

  // A gateway's domain or alias: that gateway's queue, held. A local domain: its local queue.
  // Everything else: the domain's own remote queue, whether we take mail for it from anybody or
  // not.
  Place PlaceOf(const smtp::DomainName& domain) const;
  // The place of the mailbox's domain. An address literal has a remote queue named `[192.0.2.1]`; a
  // bare `postmaster` belongs to our own host name.
  Place PlaceOf(const smtp::Mailbox& mailbox) const;

 private:
  absl::flat_hash_map<std::string, std::string> gateway_by_domain_;  // aliases too
  absl::flat_hash_set<std::string> local_domains_;
  std::string host_name_;
};

}  // namespace turnpike::routing

#endif  // TURNPIKE_SERVICES_COMMON_ROUTING_DOMAIN_CLASSES_H_
