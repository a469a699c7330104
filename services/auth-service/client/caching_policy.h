// A policy that does not ask the same thing twice.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_CACHING_POLICY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_CACHING_POLICY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/auth-service/client/policy.h"
#include "services/auth-service/client/verdict_cache.h"
#include "services/common/base/clock.h"

namespace turnpike::auth {

// Answers from memory, inside Ask, while the scope of an earlier answer covers the question
// (verdict_cache.h); otherwise asks `inner`. Errors are not remembered, and nothing about AUTH is.
// All is forgotten when the rules change.
//
// Thread-safe.
class CachingPolicy : public Policy {
 public:
  struct Options {
    size_t entries_max = 10'000;
    // Grows each time that answers from before no longer hold. Null: never.
    std::shared_ptr<const std::atomic<uint64_t>> rules_version;
  };
  struct Stats {
    uint64_t hits = 0;
    uint64_t misses = 0;  // questions that a cache could have answered
  };

  // `clock` must outlive the policy.
  CachingPolicy(std::unique_ptr<Policy> inner, const base::Clock& clock, const Options& options);
  CachingPolicy(std::unique_ptr<Policy> inner, const base::Clock& clock);

  void Ask(v1::Question question, absl::Time deadline, AnswerCallback done) override;

  Stats stats() const;

 private:
  // Forgets all when the rules have changed.
  void LookForNewRules() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  const base::Clock& clock_;
  mutable absl::Mutex mu_;
  uint64_t rules_version_ ABSL_GUARDED_BY(mu_) = 0;
  VerdictCache cache_ ABSL_GUARDED_BY(mu_);
  Stats stats_ ABSL_GUARDED_BY(mu_);
  const std::unique_ptr<Policy> inner_;  // destroyed first: its callbacks use the rest
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_CACHING_POLICY_H_
