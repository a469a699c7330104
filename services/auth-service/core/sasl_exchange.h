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
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "services/auth-service/core/login_directory.h"

namespace turnpike::auth {

inline constexpr size_t kSaslMessageBytesMax = 4096;  // longer ones fail
inline constexpr size_t kUserBytesMax = 320;

struct SaslStep {
  enum class Kind {
    kChallenge,   // send `challenge`, then call Respond
    kSuccess,     // `identity` is who it is
    kFailure,     // `reason` is for the log; the client reads one text for all
    kWork,        // call Work, on a thread that may be busy for long
    kLookup,      // call OnLogin with the login of user(), or null
    kAskChecker,  // ask checker() whether password() is that of user(), then call OnChecked
    // The client gave an initial response, but the server speaks first. [RFC4954 4]
    kNoInitialResponse,
    kTryLater,  // said by the caller only: whoever is to be asked does not answer
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
  static SaslStep Needs(Kind kind) { return {.kind = kind}; }
};

// What ties an exchange to the TLS session that it runs in. [RFC5929 4] [RFC9266 2]
struct ChannelBindings {
  std::string exporter;          // tls-exporter; empty when there is none
  std::string server_end_point;  // tls-server-end-point; likewise
};

struct SaslInput {
  std::shared_ptr<const LoginDirectory> directory;
  Audience audience;
  std::string nonce;     // random, at least 18 characters, printable without comma and blank
  absl::Time now;        // for CRAM-MD5's challenge
  std::string hostname;  // likewise
  ChannelBindings bindings;
  bool offers_binding = false;  // a mechanism with binding is offered on this session
  // The rfc822Names of the client's verified certificate.
  std::vector<std::string> certificate_addresses;
};

// Thread-compatible. The order of calls: Start, then what each step says, until success or failure.
// Every login is looked up by the caller, as a directory may have to be asked.
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
  // `login` is kept; null: there is none. Cheap.
  virtual SaslStep OnLogin(std::shared_ptr<const Login> login) = 0;
  virtual SaslStep OnChecked(bool) { return SaslStep::Failure("nothing to check"); }

  // Whom the client says it is, as far as it has; for logs. Not checked in any way.
  const std::string& user() const { return user_; }
  // Whom the mechanism serves here.
  Audience audience() const { return input_.audience; }
  // With kAskChecker.
  virtual AccountDirectory* checker() const { return nullptr; }
  virtual const std::string& password() const { return user_; }
  // Equal for equal passwords of one user, and nothing about it otherwise (LoginAttempt). Empty
  // where the mechanism does not show the password.
  virtual std::string password_mark() const { return ""; }

 protected:
  const SaslInput& input() const { return input_; }
  void set_user(absl::string_view user) { user_ = std::string(user); }

 private:
  const SaslInput input_;
  std::string user_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_SASL_EXCHANGE_H_
