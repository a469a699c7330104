#include "services/auth-service/directory/dovecot_directory.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/auth-service/directory/dovecot_protocol.h"
#include "services/auth-service/directory/line_socket.h"
#include "services/common/base/random.h"
#include "services/common/base/status_macros.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

using Kind = DovecotAnswer::Kind;
using Parse = DovecotAnswer (*)(absl::string_view line, uint32_t id);

// Dovecot tells its clients apart by what each says its process is; ours are several of one
// process.
std::string Greeting(bool is_client) {
  if (!is_client) return "VERSION\t1\t0\n";
  return absl::StrCat("VERSION\t1\t1\nCPID\t", 1 + base::RandomUint64() % 0x7ffffffe, "\n");
}

class DovecotDirectory : public BlockingDirectory {
 public:
  explicit DovecotDirectory(const config::v1::Dovecot& config)
      : userdb_{.path = config.userdb_socket()},
        client_{.path = config.client_socket(), .is_client = true} {}

  absl::StatusOr<std::shared_ptr<const AccountEntry>> Find(const std::string& address,
                                                           absl::Time deadline) override {
    const uint32_t id = ++last_id_;
    TURNPIKE_ASSIGN_OR_RETURN(
        const DovecotAnswer answer,
        Ask(userdb_, DovecotUserQuestion(id, address), id, &ParseDovecotUserAnswer, deadline));
    if (answer.kind == Kind::kTryLater) return absl::UnavailableError("userdb: later");
    if (answer.kind != Kind::kYes) return nullptr;
    auto entry = std::make_shared<AccountEntry>();
    entry->address = OwnAddress(answer.user, address);
    entry->is_checked_by_directory = true;
    if (!absl::EqualsIgnoreCase(entry->address, address)) entry->aliases.push_back(address);
    return entry;
  }

  absl::StatusOr<bool> CheckPassword(const std::string& address, const std::string& password,
                                     absl::Time deadline) override {
    const uint32_t id = ++last_id_;
    std::string question = DovecotPlainQuestion(id, address, password);
    const absl::StatusOr<DovecotAnswer> answer =
        Ask(client_, question, id, &ParseDovecotPlainAnswer, deadline);
    Wipe(question);
    if (!answer.ok()) return answer.status();
    if (answer->kind == Kind::kTryLater) return absl::UnavailableError("auth: later");
    // Not for another: Dovecot's own syntax for master users may stand in an address.
    return answer->kind == Kind::kYes &&
           (answer->user.empty() ||
            absl::EqualsIgnoreCase(OwnAddress(answer->user, address), address));
  }

 private:
  struct Connection {
    std::string path;
    bool is_client = false;
    LineSocket socket = {};
  };

  static std::string OwnAddress(const std::string& user, const std::string& address) {
    if (absl::StrContains(user, '@')) return user;
    const size_t at = address.rfind('@');
    return at == std::string::npos ? user : absl::StrCat(user, address.substr(at));
  }

  static absl::Status Connect(Connection& connection, absl::Time deadline) {
    TURNPIKE_RETURN_IF_ERROR(connection.socket.Connect(connection.path, deadline));
    return connection.socket.Write(Greeting(connection.is_client), deadline);
  }

  static absl::StatusOr<DovecotAnswer> Ask(Connection& connection, const std::string& question,
                                           uint32_t id, Parse parse, absl::Time deadline) {
    const bool was_open = connection.socket.is_open();
    if (!was_open) TURNPIKE_RETURN_IF_ERROR(Connect(connection, deadline));
    absl::StatusOr<DovecotAnswer> answer = AskOnce(connection, question, id, parse, deadline);
    if (absl::IsUnavailable(answer.status()) && was_open) {  // it was restarted meanwhile
      TURNPIKE_RETURN_IF_ERROR(Connect(connection, deadline));
      answer = AskOnce(connection, question, id, parse, deadline);
    }
    return answer;
  }

  static absl::StatusOr<DovecotAnswer> AskOnce(Connection& connection, const std::string& question,
                                               uint32_t id, Parse parse, absl::Time deadline) {
    TURNPIKE_RETURN_IF_ERROR(connection.socket.Write(question, deadline));
    TURNPIKE_RETURN_IF_ERROR(connection.socket.Write("\n", deadline));
    while (true) {
      TURNPIKE_ASSIGN_OR_RETURN(const std::string line, connection.socket.ReadLine(deadline));
      if (!IsKnownDovecotVersion(line)) {
        connection.socket.Close();
        return absl::UnavailableError("unknown version of the protocol");
      }
      DovecotAnswer answer = parse(line, id);
      if (answer.kind != Kind::kOther) return answer;
    }
  }

  Connection userdb_;
  Connection client_;
  uint32_t last_id_ = 0;
};

}  // namespace

std::unique_ptr<BlockingDirectory> CreateDovecotDirectory(const config::v1::Dovecot& config) {
  return std::make_unique<DovecotDirectory>(config);
}

}  // namespace turnpike::auth
