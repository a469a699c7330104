#include "services/auth-service/rpc/inquiry.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/auth-service/rpc/directory_chain.h"

namespace turnpike::auth {
namespace {

class FakeDirectory : public AccountDirectory {
 public:
  void Find(std::string address, absl::Time, FindDone done) override {
    asked.push_back(address);
    if (is_away) return done(absl::UnavailableError("away"));
    const auto found = owners.find(address);
    if (found == owners.end()) return done(std::shared_ptr<const AccountEntry>());
    done(std::make_shared<const AccountEntry>(AccountEntry{.address = found->second}));
  }
  void CheckPassword(std::string, std::string, absl::Time, CheckDone done) override { done(false); }
  bool checks_passwords() const override { return true; }
  bool has_verifiers() const override { return false; }

  std::map<std::string, std::string> owners;
  std::vector<std::string> asked;
  bool is_away = false;
};

class FakeSharing : public AddressSharing {
 public:
  void Find(std::string address, absl::AnyInvocable<void(bool)> done) override {
    done(address == "roamer@local.example");
  }
};

// Holds its answers back.
class FakeLogins : public RecentLogins {
 public:
  void Find(std::string account, std::string client_address, absl::Time,
            absl::AnyInvocable<void(absl::StatusOr<bool>)> done) override {
    asked = account + " " + client_address;
    waiting = std::move(done);
  }
  std::string asked;
  absl::AnyInvocable<void(absl::StatusOr<bool>)> waiting;
};

class InquiryTest : public ::testing::Test {
 protected:
  InquiryTest() {
    config_.add_local_domains()->set_domain("local.example");
    config_.mutable_auth()->set_require_for_local_senders(true);
    config_.mutable_auth()->set_shared_domain_senders_exempt(true);
    config_.mutable_auth()->set_match_return_path(true);
    facts_.set_client_address("198.51.100.1");
    facts_.set_role(v1::LISTENER_ROLE_SMTP);
  }

  // The rule that refuses MAIL, `ok`, or `open` while nobody has answered.
  std::string Mail(const std::string& sender) {
    auto site = std::make_shared<const Site>(config_);
    auto verdict = std::make_shared<std::optional<v1::Verdict>>();
    Inquire(
        witnesses_, facts_.client_address(), absl::InfiniteFuture(),
        [site, sender, this](const Evidence& evidence) {
          return DecideMail(*site, facts_, sender, evidence);
        },
        [verdict](v1::Verdict decided) { *verdict = std::move(decided); });
    last_ = verdict;
    return Last();
  }
  std::string Last() const {
    if (!last_->has_value()) return "open";
    return (*last_)->accepted() ? "ok" : (*last_)->rule();
  }

  config::v1::Config config_;
  v1::SessionFacts facts_;
  Witnesses witnesses_;
  std::shared_ptr<std::optional<v1::Verdict>> last_;
};

TEST_F(InquiryTest, OtherServersAreAskedForStrangersOfOurDomains) {
  config_.mutable_domain_sharing()->add_hosts()->set_server("127.0.0.1:25");
  FakeSharing sharing;
  witnesses_.sharing = &sharing;
  EXPECT_EQ(Mail("roamer@local.example"), "ok");
  EXPECT_EQ((*last_)->scope().lifetime_duration().seconds(), 0);  // may change any time
  EXPECT_EQ(Mail("nobody@local.example"), "AU-1");
  witnesses_.sharing = nullptr;
  EXPECT_EQ(Mail("roamer@local.example"), "AU-1");
}

TEST_F(InquiryTest, DirectoriesAreAskedInTheirOrder) {
  config_.mutable_directory()->mutable_ldap()->set_url("ldapi:///");
  FakeDirectory first, second;
  witnesses_.directories = {&first, &second};
  first.owners["sales@local.example"] = "ann@local.example";
  second.owners["sales@local.example"] = "bob@local.example";
  second.owners["bob@local.example"] = "bob@local.example";
  facts_.mutable_identity()->set_kind(v1::Identity::KIND_ACCOUNT);
  facts_.mutable_identity()->set_name("ann@local.example");
  EXPECT_EQ(Mail("Sales@local.example"), "ok");
  EXPECT_TRUE(second.asked.empty());
  EXPECT_EQ(Mail("bob@local.example"), "AU-5");
  facts_.mutable_identity()->set_name("Bob@Local.example");
  EXPECT_EQ(Mail("bob@local.example"), "ok");
  EXPECT_EQ(Mail("sales@local.example"), "AU-5");
  EXPECT_EQ(Mail("nobody@far.example"), "AU-5");
}

TEST_F(InquiryTest, WhoDoesNotAnswerMakesItTemporary) {
  config_.mutable_directory()->mutable_ldap()->set_url("ldapi:///");
  FakeDirectory directory;
  directory.is_away = true;
  witnesses_.directories = {&directory};
  facts_.mutable_identity()->set_kind(v1::Identity::KIND_ACCOUNT);
  facts_.mutable_identity()->set_name("ann@local.example");
  EXPECT_EQ(Mail("ann@local.example"), "unavailable");
  EXPECT_EQ((*last_)->reply().code(), 451);
  EXPECT_EQ(Mail(""), "ok");  // needs no directory
}

TEST_F(InquiryTest, RecentLoginsAreAskedByTheAccountsOwnAddress) {
  config_.mutable_auth()->set_require_for_local_senders(false);
  config_.mutable_auth()->mutable_pop_before_smtp()->set_enabled(true);
  config_.add_accounts()->set_address("Ann@local.example");
  config_.mutable_accounts(0)->add_aliases("sales@local.example");
  FakeLogins logins;
  witnesses_.recent_logins = &logins;
  EXPECT_EQ(Mail("sales@local.example"), "open");
  EXPECT_EQ(logins.asked, "ann@local.example 198.51.100.1");
  logins.waiting(true);
  EXPECT_EQ(Last(), "ok");
  EXPECT_EQ(Mail("ann@local.example"), "open");
  logins.waiting(false);
  EXPECT_EQ(Last(), "AU-21");
  EXPECT_EQ(Mail("ann@local.example"), "open");
  logins.waiting(absl::UnavailableError("away"));
  EXPECT_EQ(Last(), "unavailable");
  EXPECT_EQ(Mail("nobody@local.example"), "ok");
}

TEST(DirectoryChainTest, ErrorEndsTheSearch) {
  FakeDirectory first, second;
  first.is_away = true;
  second.owners["a@b.example"] = "a@b.example";
  absl::StatusOr<FoundAccount> result = absl::UnknownError("not called");
  FindInDirectories({&first, &second}, "a@b.example", absl::InfiniteFuture(),
                    [&result](absl::StatusOr<FoundAccount> found) { result = std::move(found); });
  EXPECT_TRUE(absl::IsUnavailable(result.status()));
  EXPECT_TRUE(second.asked.empty());
  FindInDirectories({}, "a@b.example", absl::InfiniteFuture(),
                    [&result](absl::StatusOr<FoundAccount> found) { result = std::move(found); });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->entry, nullptr);
}

}  // namespace
}  // namespace turnpike::auth
