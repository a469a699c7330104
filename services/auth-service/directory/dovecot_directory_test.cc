#include "services/auth-service/directory/dovecot_directory.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace turnpike::auth {
namespace {

// A Dovecot that answers each line by a function; serves a number of connections, each until the
// other side closes or the answer is `close`.
class FakeDovecot {
 public:
  using Respond = std::function<std::string(const std::string& line)>;

  FakeDovecot(const std::string& name, int connections, Respond respond)
      // The test's own folder may lie deeper than a socket's path may be long.
      : path_(absl::StrCat("/tmp/turnpike-", name, getpid())) {
    unlink(path_.c_str());
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, path_.size());
    listener_ = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 5), 0);
    thread_ = std::thread([this, connections, respond = std::move(respond)] {
      for (int i = 0; i < connections; ++i) Serve(respond);
    });
  }
  ~FakeDovecot() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  void Serve(const Respond& respond) {
    const int connection = accept(listener_, nullptr, nullptr);
    if (connection < 0) return;
    FILE* const file = fdopen(connection, "r+");
    std::string greeting = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nDONE\n";
    if (write(connection, greeting.data(), greeting.size()) < 0) return;
    char buffer[4096];
    while (fgets(buffer, sizeof(buffer), file) != nullptr) {
      std::string line(buffer);
      line.pop_back();
      std::string answer = respond(line);
      if (answer == "close") break;
      if (!answer.empty()) answer += "\n";
      if (write(connection, answer.data(), answer.size()) < 0) break;
    }
    fclose(file);
  }

  const std::string path_;
  int listener_ = -1;
  std::thread thread_;
};

// Knows ann; her password is `right`.
std::string Answer(const std::string& line) {
  const std::vector<std::string> fields = absl::StrSplit(line, '\t');
  if (fields[0] == "USER" && fields[2] == "later@b.example") return "FAIL\t" + fields[1];
  if (fields[0] == "USER" && absl::StartsWith(fields[2], "ann")) {
    return absl::StrCat("USER\t", fields[1], "\tann\tuid=1");
  }
  if (fields[0] == "USER") return "NOTFOUND\t" + fields[1];
  if (fields[0] != "AUTH") return "";
  if (absl::EndsWith(line, "resp=AGFubkBiLmV4YW1wbGUAcmlnaHQ=")) {
    return absl::StrCat("FAIL\t99\nOK\t", fields[1], "\tuser=ann");
  }
  if (absl::EndsWith(line, "resp=AGJvYipBbm5AYi5leGFtcGxlAHJpZ2h0")) {
    return absl::StrCat("OK\t", fields[1], "\tuser=bob@b.example");
  }
  return absl::StrCat("FAIL\t", fields[1], "\tuser=x");
}

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

std::unique_ptr<BlockingDirectory> DirectoryAt(const FakeDovecot& dovecot) {
  config::v1::Dovecot config;
  config.set_userdb_socket(dovecot.path());
  config.set_client_socket(dovecot.path());
  return CreateDovecotDirectory(config);
}

TEST(DovecotDirectoryTest, UserDatabaseSaysWhoExists) {
  FakeDovecot dovecot("u", 1, &Answer);
  const auto directory = DirectoryAt(dovecot);
  const auto ann = directory->Find("Ann+x@b.example", Soon());
  ASSERT_TRUE(ann.ok()) << ann.status();
  EXPECT_EQ(*directory->Find("bob@b.example", Soon()), nullptr);
  EXPECT_TRUE(absl::IsUnavailable(directory->Find("later@b.example", Soon()).status()));
  const auto again = directory->Find("ann+x@b.example", Soon());
  ASSERT_TRUE(again.ok() && *again != nullptr);
  EXPECT_EQ((*again)->address, "ann@b.example");
  EXPECT_EQ((*again)->aliases, std::vector<std::string>{"ann+x@b.example"});
  EXPECT_TRUE((*again)->is_checked_by_directory);
}

TEST(DovecotDirectoryTest, PasswordIsCheckedForThatAccountOnly) {
  FakeDovecot dovecot("p", 1, &Answer);
  const auto directory = DirectoryAt(dovecot);
  EXPECT_EQ(*directory->CheckPassword("ann@b.example", "right", Soon()), true);
  EXPECT_EQ(*directory->CheckPassword("ann@b.example", "wrong", Soon()), false);
  // A master user's login is another's.
  EXPECT_EQ(*directory->CheckPassword("bob*Ann@b.example", "right", Soon()), false);
}

TEST(DovecotDirectoryTest, ConnectionThatWasClosedIsMadeAgainOnce) {
  int questions = 0;
  FakeDovecot dovecot("c", 2, [&questions](const std::string& line) {
    if (absl::StartsWith(line, "USER") && ++questions == 2) return std::string("close");
    return Answer(line);
  });
  const auto directory = DirectoryAt(dovecot);
  EXPECT_TRUE(directory->Find("ann@b.example", Soon()).ok());
  EXPECT_TRUE(directory->Find("ann@b.example", Soon()).ok());
  EXPECT_EQ(questions, 3);
}

TEST(DovecotDirectoryTest, SilenceAndAbsenceAreErrors) {
  FakeDovecot dovecot("s", 1, [](const std::string&) { return ""; });
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      DirectoryAt(dovecot)->Find("a@b", absl::Now() + absl::Milliseconds(50)).status()));
  config::v1::Dovecot config;
  config.set_userdb_socket("/nonexistent/socket");
  EXPECT_TRUE(absl::IsUnavailable(CreateDovecotDirectory(config)->Find("a@b", Soon()).status()));
}

}  // namespace
}  // namespace turnpike::auth
