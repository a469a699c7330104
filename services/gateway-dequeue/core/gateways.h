// The gateways that the configuration names, ready to be asked.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_GATEWAYS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_GATEWAYS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/net/ip.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::dequeue {

struct Gateway {
  std::vector<smtp::DomainName> names;  // its domain first, then its aliases
  bool etrn_enabled = false;
  bool etrn_require_auth = true;
  std::string etrn_deliver_to;
  int etrn_port = 25;
  std::string etrn_credential;  // names the login at the target (DQ-15); empty: none
  bool etrn_treat_as_foreign = false;
  bool atrn_enabled = false;
  bool atrn_single_session = true;
  absl::Duration atrn_min_interval;
  bool atrn_allow_chunking = false;
  std::vector<net::IpNetwork> honor_from;  // of the configuration; see overrides.h
  std::vector<net::IpNetwork> ignore_from;
  absl::Duration forward_every;  // 0: never
  int64_t messages_max = 0;      // held; 0: no limit
  int64_t bytes_max = 0;
  absl::Duration retention;  // 0: for ever

  const std::string& domain() const { return names.front().ascii(); }
  bool HasName(const smtp::DomainName& name) const;
  bool goes_to_asker() const { return etrn_deliver_to == "requesting_host"; }  // DQ-14
};

// Whoever works on a gateway goes on with what it was when the work began.
using GatewayPointer = std::shared_ptr<const Gateway>;

// Immutable; thread-safe.
class GatewayTable {
 public:
  // `config` is complete and checked; it is copied from.
  explicit GatewayTable(const config::v1::Config& config);

  // By domain or alias; null when there is none. What is found may outlive the table.
  GatewayPointer Find(const smtp::DomainName& name) const;
  GatewayPointer Find(absl::string_view name) const;  // in any spelling

  // All of them, by domain.
  const std::map<std::string, GatewayPointer>& all() const { return gateways_; }

 private:
  std::map<std::string, GatewayPointer> gateways_;
  absl::flat_hash_map<std::string, GatewayPointer> by_name_;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_GATEWAYS_H_
