// The server's side of SASL: one AUTH command from its first octets to its end. [RFC4422]
//
// Mechanisms are state machines over octets that the frontend has decoded from base64. They read no
// clock, draw no random numbers and start no threads: all that comes in by SaslInput. Whatever a
// client sends leads to a failure at worst, and the frontend says the same of each (535 5.7.8).
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_EXCHANGE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_EXCHANGE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/login_directory.h"

namespace turnpike::auth {

inline constexpr size_t kSaslMessageBytesMax = 4096;  // longer ones fail
inline constexpr size_t kUserBytesMax = 320;

struct SaslStep {
  enum class Kind {
    kChallenge,  // send `challenge`, then call Respond
    kSuccess,    // `identity` is who it is
    kFailure,    // `reason` is for the log; the client reads one text for all
    kWork,       // call Work, on a thread that may be busy for long
  };
  Kind kind = Kind::kFailure;
  std::string challenge;
  v1::Identity identity;
  absl::string_view reason;  // a literal

  static SaslStep Challenge(std::string text) {
    return {.kind = Kind::kChallenge, .challenge = std::move(text)};
  }
  static SaslStep Success(const v1::Identity& identity, absl::string_view mechanism);
  static SaslStep Failure(absl::string_view reason) {
    return {.kind = Kind::kFailure, .reason = reason};
  }
  static SaslStep NeedsWork() { return {.kind = Kind::kWork}; }
};

struct SaslInput {
  std::shared_ptr<const LoginDirectory> directory;
  Audience audience;
  std::string nonce;     // random, at least 18 characters, printable without comma and blank
  absl::Time now;        // for CRAM-MD5's challenge
  std::string hostname;  // likewise
};

// Thread-compatible. The order of calls: Start, then what each step says, until success or failure.
class SaslExchange {
 public:
  explicit SaslExchange(SaslInput input) : input_(std::move(input)) {}
  SaslExchange(const SaslExchange&) = delete;
  SaslExchange& operator=(const SaslExchange&) = delete;
  virtual ~SaslExchange() = default;

  virtual SaslStep Start(std::optional<absl::string_view> initial_response) = 0;
  virtual SaslStep Respond(absl::string_view response) = 0;
  // Blocks while it computes. Never returns kWork.
  virtual SaslStep Work() { return SaslStep::Failure("no work"); }

  // Whom the client says it is, as far as it has; for logs. Not checked in any way.
  const std::string& user() const { return user_; }

 protected:
  const SaslInput& input() const { return input_; }
  void set_user(absl::string_view user) { user_ = std::string(user); }

 private:
  const SaslInput input_;
  std::string user_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_EXCHANGE_H_
