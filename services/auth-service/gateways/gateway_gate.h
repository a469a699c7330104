// What a gateway itself says of its recipients, after the rules have accepted one: its list of
// addresses (DQ-4), and how much may be held for it (DQ-2).
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_GATEWAY_GATE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_GATEWAY_GATE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/auth-service/core/recipient_gate.h"
#include "services/auth-service/gateways/quota.h"
#include "services/auth-service/gateways/recipient_list.h"
#include "services/common/config/files.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::auth {

// Quotas are kept by asking the store for the queue's figures. Near a limit every RCPT asks; far
// from it (kFarMessages and kFarBytes of room) figures and verdicts are up to a second old each.
// So the limit is passed by no more than the recipients whose messages are on their way: accepted
// at RCPT, and not stored yet. While the store does not answer the quota is not checked; then
// nothing can be stored either.
//
// Thread-safe.
class GatewayGate : public RecipientGate {
 public:
  struct Options {
    absl::Duration figures_age_max = absl::Seconds(1);   // far from the limit
    absl::Duration verdict_lifetime = absl::Seconds(1);  // the same
    absl::Duration call_timeout = absl::Seconds(3);
  };

  // Reads all `recipients_file`s, but for those that `previous` (may be null) has read and that
  // have not changed since. `spool` outlives the gate, which is only to be destroyed when Judge has
  // said its last word; only asked where a gateway has a quota. Errors, naming gateway, file and
  // line: those of base::ReadFile, and INVALID_ARGUMENT for a line that is no address.
  static absl::StatusOr<std::shared_ptr<GatewayGate>> Create(const config::v1::Config& config,
                                                             spool::Spool& spool,
                                                             const Options& options,
                                                             const GatewayGate* previous = nullptr);

  // Whether Judge has something to say to an accepted RCPT. It never has to one that is refused.
  bool Guards(const v1::Verdict& verdict) const override;

  // `verdict` is of the recipient `address`. `done` gets it as it is, with a shorter lifetime or a
  // narrower scope, or a refusal in its place. Runs inside of the call or on a thread of the
  // spool's.
  void Judge(std::string address, v1::Verdict verdict,
             absl::AnyInvocable<void(v1::Verdict)> done) override;

 private:
  struct Gateway {
    Quota quota;
    bool has_list = false;
    std::vector<std::string> recipients;  // of the configuration
    std::string recipients_file;
    config::FileIdentity file;  // when it was read
    std::shared_ptr<const RecipientList> list;
  };
  struct Known {
    GatewayFigures figures;
    absl::Time time;
  };

  GatewayGate(spool::Spool& spool, const Options& options);
  // Null: it is to be read.
  std::shared_ptr<const RecipientList> ListLike(const std::string& domain,
                                                const Gateway& gateway) const;
  void JudgeQuota(const std::string& domain, const Quota& quota, v1::Verdict verdict,
                  absl::AnyInvocable<void(v1::Verdict)> done);
  std::optional<GatewayFigures> KnownFigures(const std::string& domain, const Quota& quota);

  spool::Spool& spool_;
  const Options options_;
  absl::flat_hash_map<std::string, Gateway> gateways_;  // with a list or a quota; by domain
  absl::Mutex mu_;
  absl::flat_hash_map<std::string, Known> known_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_GATEWAY_GATE_H_
