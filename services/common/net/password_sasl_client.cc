#include "services/common/net/password_sasl_client.h"

#include <gsasl.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace turnpike::net {
namespace {

struct KnownMechanism {
  absl::string_view name;
  bool begins_with_client;
  bool shows_password;
};

// Best first.
constexpr KnownMechanism kMechanisms[] = {
    {"SCRAM-SHA-256", true, false}, {"SCRAM-SHA-1", true, false}, {"CRAM-MD5", false, false},
    {"PLAIN", true, true},          {"LOGIN", false, true},
};

constexpr uint64_t kScramIterationsMax = 500'000;

// Whether a SCRAM server's first message asks for more work than it is worth. [RFC5802 5.1]
bool AsksForTooMuch(absl::string_view server_first) {
  for (const absl::string_view attribute : absl::StrSplit(server_first, ',')) {
    uint64_t iterations = 0;
    if (absl::StartsWith(attribute, "i=") &&
        (!absl::SimpleAtoi(attribute.substr(2), &iterations) || iterations > kScramIterationsMax)) {
      return true;
    }
  }
  return false;
}

class PasswordSaslClient : public SaslClient {
 public:
  explicit PasswordSaslClient(SaslCredentials credentials) : credentials_(std::move(credentials)) {}
  PasswordSaslClient(const PasswordSaslClient&) = delete;
  PasswordSaslClient& operator=(const PasswordSaslClient&) = delete;
  ~PasswordSaslClient() override {
    if (session_ != nullptr) gsasl_finish(session_);
    if (library_ != nullptr) gsasl_done(library_);
  }

  std::optional<std::string> Choose(const std::vector<std::string>& offered,
                                    const TlsFacts* tls) override {
    for (const KnownMechanism& mechanism : kMechanisms) {
      const bool is_safe =
          !mechanism.shows_password || tls != nullptr || credentials_.allow_clear_text;
      if (is_safe && std::find(offered.begin(), offered.end(), mechanism.name) != offered.end()) {
        mechanism_ = &mechanism;
        return std::string(mechanism.name);
      }
    }
    return std::nullopt;
  }

  absl::StatusOr<std::optional<std::string>> Begin() override {
    if (mechanism_ == nullptr) return absl::FailedPreconditionError("no mechanism is chosen");
    int code = gsasl_init(&library_);
    if (code == GSASL_OK) {
      code = gsasl_client_start(library_, std::string(mechanism_->name).c_str(), &session_);
    }
    if (code == GSASL_OK)
      code = gsasl_property_set(session_, GSASL_AUTHID, credentials_.user.c_str());
    if (code == GSASL_OK) {
      code = gsasl_property_set(session_, GSASL_PASSWORD, credentials_.password.c_str());
    }
    if (code != GSASL_OK) return Failure(code);
    if (!mechanism_->begins_with_client) return std::nullopt;
    absl::StatusOr<std::string> initial = Step("");
    if (!initial.ok()) return initial.status();
    return *std::move(initial);
  }

  absl::StatusOr<std::string> Respond(absl::string_view challenge) override {
    if (is_complete_) return absl::UnauthenticatedError("the server goes on after the end");
    if (absl::StartsWith(mechanism_->name, "SCRAM-") && AsksForTooMuch(challenge)) {
      return absl::UnauthenticatedError("the server asks for too many iterations");
    }
    return Step(challenge);
  }

  absl::Status Finish() override {
    if (is_complete_) return absl::OkStatus();
    return absl::UnauthenticatedError("the server has not proved that it knows the password");
  }

 private:
  absl::StatusOr<std::string> Step(absl::string_view challenge) {
    char* output = nullptr;
    size_t size = 0;
    const int code = gsasl_step(session_, challenge.data(), challenge.size(), &output, &size);
    if (code != GSASL_OK && code != GSASL_NEEDS_MORE) return Failure(code);
    is_complete_ = code == GSASL_OK;
    std::string response(output == nullptr ? "" : output, output == nullptr ? 0 : size);
    gsasl_free(output);
    return response;
  }

  static absl::Status Failure(int code) {
    return absl::UnauthenticatedError(absl::StrCat("SASL: ", gsasl_strerror(code)));
  }

  const SaslCredentials credentials_;
  const KnownMechanism* mechanism_ = nullptr;
  Gsasl* library_ = nullptr;
  Gsasl_session* session_ = nullptr;
  bool is_complete_ = false;
};

}  // namespace

std::unique_ptr<SaslClient> CreatePasswordSaslClient(SaslCredentials credentials) {
  return std::make_unique<PasswordSaslClient>(std::move(credentials));
}

}  // namespace turnpike::net
