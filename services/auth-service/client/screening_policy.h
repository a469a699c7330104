// A policy that refuses screened clients without asking. (AU-22)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_SCREENING_POLICY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_SCREENING_POLICY_H_

#include <memory>

#include "services/auth-service/client/blocked_networks.h"
#include "services/auth-service/client/policy.h"
#include "services/common/base/clock.h"

namespace grpc {
class Channel;
}

namespace turnpike::auth {

// Answers Connect inside Ask while `networks` has the client; asks `inner` everything else.
// Thread-safe.
class ScreeningPolicy : public Policy {
 public:
  // `clock` outlives the policy.
  ScreeningPolicy(std::unique_ptr<Policy> inner, std::shared_ptr<const BlockedNetworks> networks,
                  const base::Clock& clock);

  void Ask(v1::Question question, absl::Time deadline, AnswerCallback done) override;

 private:
  const std::unique_ptr<Policy> inner_;
  const std::shared_ptr<const BlockedNetworks> networks_;
  const base::Clock& clock_;
};

// What a frontend thread asks: an RpcPolicy behind a memory, behind the screen that its stream
// brings.
std::unique_ptr<Policy> CreateFrontendPolicy(std::shared_ptr<grpc::Channel> channel,
                                             const base::Clock& clock);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_SCREENING_POLICY_H_
