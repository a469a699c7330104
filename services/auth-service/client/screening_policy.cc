#include "services/auth-service/client/screening_policy.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "services/auth-service/client/caching_policy.h"
#include "services/auth-service/client/rpc_policy.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {

ScreeningPolicy::ScreeningPolicy(std::unique_ptr<Policy> inner,
                                 std::shared_ptr<const BlockedNetworks> networks,
                                 const base::Clock& clock)
    : inner_(std::move(inner)), networks_(std::move(networks)), clock_(clock) {}

void ScreeningPolicy::Ask(v1::Question question, absl::Time deadline, AnswerCallback done) {
  std::optional<v1::BlockedNetwork> blocked;
  if (question.has_connect()) {
    blocked = networks_->Find(question.facts().client_address(), clock_.Now());
  }
  if (!blocked.has_value()) return inner_->Ask(std::move(question), deadline, std::move(done));
  v1::Answer answer;
  v1::Verdict& verdict = *answer.mutable_verdict();
  verdict.set_rule("AU-22");
  verdict.set_close(true);
  if (blocked->has_reply()) {
    *verdict.mutable_reply() = std::move(*blocked->mutable_reply());
  } else {
    verdict.mutable_reply()->set_code(smtp::kBlocked.code);
    verdict.mutable_reply()->set_enhanced_code(smtp::kBlocked.enhanced.ToString());
    verdict.mutable_reply()->set_text(std::string(smtp::kBlocked.text));
  }
  done(std::move(answer));
}

std::unique_ptr<Policy> CreateFrontendPolicy(std::shared_ptr<grpc::Channel> channel,
                                             const base::Clock& clock) {
  auto networks = std::make_shared<BlockedNetworks>();
  auto rules_version = std::make_shared<std::atomic<uint64_t>>(0);
  RpcPolicy::Options options;
  options.on_rules_changed = [rules_version] { ++*rules_version; };
  options.on_screen = [networks](const v1::ScreenUpdate& update) { networks->Apply(update); };
  return std::make_unique<ScreeningPolicy>(
      std::make_unique<CachingPolicy>(
          std::make_unique<RpcPolicy>(std::move(channel), std::move(options)), clock,
          CachingPolicy::Options{.rules_version = std::move(rules_version)}),
      std::move(networks), clock);
}

}  // namespace turnpike::auth
