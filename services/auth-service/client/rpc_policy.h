// The policy over gRPC: one long-lived stream to auth-service for all questions of its owner.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_RPC_POLICY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_RPC_POLICY_H_

#include <cstddef>
#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "services/auth-service/client/policy.h"

namespace grpc {
class Channel;
}

namespace turnpike::auth {

// The stream is opened by the first question, and anew by the first one after it broke. Questions
// that come up while one is being written go out together with the next write. When the stream
// breaks, the questions in flight fail with UNAVAILABLE. After a stream that brought no answer, new
// questions wait for the delay before the next one is tried, so that a service that restarts is met
// and one that is away is not flooded.
//
// Thread-safe. Callbacks run on gRPC's threads, and inside the destructor; they must not block.
class RpcPolicy : public Policy {
 public:
  struct Options {
    absl::Duration reopen_delay_min = absl::Milliseconds(50);  // doubles with each failure
    absl::Duration reopen_delay_max = absl::Seconds(1);
    size_t questions_max = 100'000;  // in flight; further ones fail with UNAVAILABLE
    // Gets what the streams say about the screen, in order, on gRPC's threads. May be empty.
    std::function<void(const v1::ScreenUpdate& update)> on_screen;
    // The rules have changed: what was answered so far holds for nothing else. The same.
    std::function<void()> on_rules_changed;
  };

  RpcPolicy(std::shared_ptr<grpc::Channel> channel, const Options& options);
  explicit RpcPolicy(std::shared_ptr<grpc::Channel> channel);
  RpcPolicy(const RpcPolicy&) = delete;
  RpcPolicy& operator=(const RpcPolicy&) = delete;
  // Open questions fail with CANCELLED.
  ~RpcPolicy() override;

  void Ask(v1::Question question, absl::Time deadline, AnswerCallback done) override;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;  // also held by what gRPC will still call
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_RPC_POLICY_H_
