#include "services/auth-service/client/caching_policy.h"

#include <utility>

namespace turnpike::auth {

CachingPolicy::CachingPolicy(std::unique_ptr<Policy> inner, const base::Clock& clock,
                             const Options& options)
    : options_(options), clock_(clock), cache_(options.entries_max), inner_(std::move(inner)) {}

CachingPolicy::CachingPolicy(std::unique_ptr<Policy> inner, const base::Clock& clock)
    : CachingPolicy(std::move(inner), clock, Options()) {}

void CachingPolicy::Ask(v1::Question question, absl::Time deadline, AnswerCallback done) {
  // What is offered to a client with a certificate is for that client alone.
  const bool is_certified =
      question.has_connect() && question.facts().certificate_addresses_size() > 0;
  if (is_certified || (!question.has_connect() && !question.has_mail() && !question.has_rcpt())) {
    inner_->Ask(std::move(question), deadline, std::move(done));
    return;
  }
  v1::Answer answer;
  bool is_hit = false;
  {
    absl::MutexLock lock(&mu_);
    LookForNewRules();
    if (const v1::Answer* found = cache_.Find(question, clock_.Now()); found != nullptr) {
      answer = *found;
      is_hit = true;
      ++stats_.hits;
    } else {
      ++stats_.misses;
    }
  }
  if (is_hit) {
    done(std::move(answer));
    return;
  }
  v1::Question asked = question;
  inner_->Ask(std::move(question), deadline,
              [this, asked = std::move(asked),
               done = std::move(done)](absl::StatusOr<v1::Answer> answered) mutable {
                if (answered.ok()) {
                  absl::MutexLock lock(&mu_);
                  cache_.Add(asked, *answered, clock_.Now());
                }
                done(std::move(answered));
              });
}

void CachingPolicy::LookForNewRules() {
  if (options_.rules_version == nullptr) return;
  const uint64_t version = *options_.rules_version;
  if (version == rules_version_) return;
  rules_version_ = version;
  cache_.Clear();
}

CachingPolicy::Stats CachingPolicy::stats() const {
  absl::MutexLock lock(&mu_);
  return stats_;
}

}  // namespace turnpike::auth
