// A policy in memory, for the tests of whoever asks one.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_FAKE_POLICY_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_FAKE_POLICY_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/auth-service/client/policy.h"

namespace turnpike::auth {

// Knows logins (PLAIN only, offered with and without TLS), gateway domains and local domains, and
// relays for authenticated sessions alone. A test may put a rule of its own in front. Answers come
// inside Ask, unless they are held back. Verdicts carry no scope.
//
// Thread-safe.
class FakePolicy : public Policy {
 public:
  // Looked at first; nothing means: answer as usual. Called without locks.
  using Rule = std::function<std::optional<absl::StatusOr<v1::Answer>>(const v1::Question&)>;

  ~FakePolicy() override;

  void AddLogin(const std::string& user, const std::string& password, v1::Identity::Kind kind);
  void AddGatewayDomain(const std::string& domain);  // lower case
  void AddLocalDomain(const std::string& domain);
  void SetAuthRequired(bool required);  // what the offer says
  void SetRule(Rule rule);

  // Holds answers back until false, when they come all at once, on the calling thread.
  void SetHoldAnswers(bool hold);

  // Everything that was asked, oldest first.
  std::vector<v1::Question> questions() const;

  void Ask(v1::Question question, absl::Time deadline, AnswerCallback done) override;

 private:
  struct Login {
    std::string password;
    v1::Identity::Kind kind;
  };
  using Held = std::pair<absl::StatusOr<v1::Answer>, AnswerCallback>;

  absl::StatusOr<v1::Answer> Decide(const v1::Question& question) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::Answer DecideAuth(const std::string& message) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  v1::Answer DecideRcpt(const v1::Question& question) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  std::map<std::string, Login> logins_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> gateways_ ABSL_GUARDED_BY(mu_);
  std::set<std::string> locals_ ABSL_GUARDED_BY(mu_);
  bool auth_required_ ABSL_GUARDED_BY(mu_) = false;
  Rule rule_ ABSL_GUARDED_BY(mu_);
  bool hold_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Held> held_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::Question> questions_ ABSL_GUARDED_BY(mu_);
  uint64_t next_question_id_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_FAKE_POLICY_H_
