#include "services/auth-service/rpc/auth_dialogue.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "services/auth-service/store/config_directory.h"

namespace turnpike::auth {
namespace {

using std::string_literals::operator""s;

// One account that it checks itself, one with a verifier.
class FakeDirectory : public AccountDirectory {
 public:
  void Find(std::string address, absl::Time, FindDone done) override {
    if (is_away) return done(absl::UnavailableError("away"));
    auto entry = std::make_shared<AccountEntry>();
    if (address == "bind@dir.example" || address == "alias@dir.example") {
      entry->address = "bind@dir.example";
      entry->is_checked_by_directory = true;
    } else if (address == "kept@dir.example") {
      entry->address = "kept@dir.example";
      entry->verifiers = *ParseVerifiers("{PLAIN}secret");
    } else {
      entry = nullptr;
    }
    done(std::move(entry));
  }
  void CheckPassword(std::string address, std::string password, absl::Time,
                     CheckDone done) override {
    checked.push_back(address);
    if (is_away) return done(absl::UnavailableError("away"));
    done(address == "bind@dir.example" && password == "secret");
  }
  bool checks_passwords() const override { return true; }
  bool has_verifiers() const override { return true; }

  bool is_away = false;
  std::vector<std::string> checked;
};

class FakeScreen : public Screen {
 public:
  std::optional<v1::BlockedNetwork> FindBlocked(absl::string_view) const override {
    return std::nullopt;
  }
  bool MayTry(absl::string_view user, absl::string_view) override { return user != limited; }
  void OnFailure(const LoginAttempt& attempt) override { failures.push_back(attempt); }
  void OnSuccess(const LoginAttempt& attempt) override { successes.push_back(attempt); }
  void OnDisallowedAuth(absl::string_view client) override { trapped.emplace_back(client); }
  std::shared_ptr<void> Subscribe(OnUpdate) override { return nullptr; }

  std::string limited;
  std::vector<LoginAttempt> failures, successes;
  std::vector<std::string> trapped;
};

class AuthDialogueTest : public ::testing::Test {
 protected:
  AuthDialogueTest() {
    config_.add_accounts()->set_address("ann@local.example");
    config_.mutable_accounts(0)->set_password("{PLAIN}secret");
    config_.add_accounts()->set_address("certified@local.example");
    config_.mutable_auth()->set_cram_md5(true);
  }
  ~AuthDialogueTest() override { EXPECT_TRUE(pool_.WaitUntilIdle(absl::InfiniteFuture())); }

  void Make(std::vector<AccountDirectory*> directories = {}) {
    dialogue_ = std::make_shared<AuthDialogue>(
        std::make_shared<CurrentParts>(std::make_shared<const SessionParts>(
            SessionParts{.site = std::make_shared<const Site>(config_),
                         .directory = *ConfigDirectory::Create(config_, std::move(directories)),
                         .screen = &screen_,
                         .pool = pool_,
                         .metrics = metrics_,
                         .clock = base::Clock::System()})),
        [this](v1::Answer answer) {
          absl::MutexLock lock(&mu_);
          later_ = std::move(answer);
        });
  }

  static v1::Question Question() {
    v1::Question question;
    question.set_question_id(7);
    question.set_session_id("s");
    question.mutable_facts()->set_client_address("198.51.100.1");
    question.mutable_facts()->set_role(v1::LISTENER_ROLE_SUBMISSION);
    question.mutable_facts()->set_tls(true);
    return question;
  }

  v1::Answer Start(const std::string& mechanism, const std::string& response,
                   v1::Question question = Question()) {
    question.mutable_auth_start()->set_mechanism(mechanism);
    question.mutable_auth_start()->set_has_initial_response(true);
    question.mutable_auth_start()->set_initial_response(response);
    std::optional<v1::Answer> answer = dialogue_->Start(question);
    if (answer.has_value()) return *std::move(answer);
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &AuthDialogueTest::HasLater));
    EXPECT_EQ(later_->question_id(), 7u);
    return *std::exchange(later_, std::nullopt);
  }
  // The code of the reply, or the name of whom it is.
  std::string Plain(const std::string& user, const std::string& password) {
    const v1::Answer answer = Start("PLAIN", absl::StrCat("\0"s, user, "\0"s, password));
    return answer.has_success() ? answer.success().identity().name()
                                : absl::StrCat(answer.verdict().reply().code());
  }
  bool HasLater() const { return later_.has_value(); }

  config::v1::Config config_;
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  Metrics metrics_{*registry_};
  WorkPool pool_{{.threads = 1}};
  FakeScreen screen_;
  std::shared_ptr<AuthDialogue> dialogue_;
  absl::Mutex mu_;
  std::optional<v1::Answer> later_;
};

TEST_F(AuthDialogueTest, AccountsOfDirectoriesLogIn) {
  FakeDirectory directory;
  Make({&directory});
  EXPECT_EQ(Plain("ann@local.example", "secret"), "ann@local.example");
  EXPECT_TRUE(directory.checked.empty());
  EXPECT_EQ(Plain("Bind@dir.example", "secret"), "bind@dir.example");
  EXPECT_EQ(Plain("bind@dir.example", "wrong"), "535");
  EXPECT_EQ(Plain("kept@dir.example", "secret"), "kept@dir.example");
  EXPECT_EQ(Plain("kept@dir.example", "wrong"), "535");
  EXPECT_EQ(Plain("alias@dir.example", "secret"), "535");
}

TEST_F(AuthDialogueTest, WhoDoesNotExistIsCheckedToo) {
  FakeDirectory directory;
  Make({&directory});
  EXPECT_EQ(Plain("nobody@dir.example", "secret"), "535");
  EXPECT_EQ(directory.checked, std::vector<std::string>{"nobody@dir.example"});
}

TEST_F(AuthDialogueTest, DirectoryThatIsAwayPutsLoginsOff) {
  FakeDirectory directory;
  directory.is_away = true;
  Make({&directory});
  EXPECT_EQ(Plain("bind@dir.example", "secret"), "454");
  EXPECT_EQ(Plain("ann@local.example", "secret"), "ann@local.example");
  EXPECT_TRUE(screen_.failures.empty());
}

TEST_F(AuthDialogueTest, ScreenHearsOfEachAttempt) {
  Make();
  Plain("ann@local.example", "secret");
  ASSERT_EQ(screen_.successes.size(), 1u);
  Plain("ann@local.example", "wrong");
  Plain("ann@local.example", "wrong");
  Plain("ann@local.example", "other");
  Plain("nobody@local.example", "wrong");
  ASSERT_EQ(screen_.failures.size(), 4u);
  EXPECT_EQ(screen_.failures[0].client_address, "198.51.100.1");
  EXPECT_EQ(screen_.failures[0].user, "ann@local.example");
  EXPECT_FALSE(screen_.failures[0].password_mark.empty());
  EXPECT_EQ(screen_.failures[0].password_mark, screen_.failures[1].password_mark);
  EXPECT_NE(screen_.failures[0].password_mark, screen_.failures[2].password_mark);
  EXPECT_NE(screen_.failures[0].password_mark, screen_.failures[3].password_mark);
}

TEST_F(AuthDialogueTest, LimitedAccountIsNotTried) {
  Make();
  screen_.limited = "ann@local.example";
  EXPECT_EQ(Plain("ann@local.example", "secret"), "454");
  EXPECT_TRUE(screen_.successes.empty());
  screen_.limited = "nobody@local.example";  // who does not exist is treated alike
  EXPECT_EQ(Plain("nobody@local.example", "secret"), "454");
}

TEST_F(AuthDialogueTest, InitialResponseWhereTheServerSpeaksFirstIsASyntaxError) {
  Make();
  const v1::Answer answer = Start("CRAM-MD5", "x");
  EXPECT_EQ(answer.verdict().reply().code(), 501);
  EXPECT_EQ(answer.verdict().reply().enhanced_code(), "5.7.0");
  EXPECT_TRUE(screen_.failures.empty());
}

TEST_F(AuthDialogueTest, CertificateStandsForItsAccount) {
  Make();
  v1::Question question = Question();
  question.mutable_facts()->add_certificate_addresses("certified@local.example");
  EXPECT_EQ(Start("EXTERNAL", "", question).success().identity().name(), "certified@local.example");
  EXPECT_EQ(Start("EXTERNAL", "ann@local.example", question).verdict().reply().code(), 535);
  EXPECT_EQ(Start("EXTERNAL", "").verdict().reply().code(), 504);
}

TEST_F(AuthDialogueTest, OfferIsForOneSessionWhereThereIsACertificate) {
  Make();
  v1::Question question = Question();
  EXPECT_GT(dialogue_->OfferTo(question.facts()).lifetime_duration().seconds(), 0);
  question.mutable_facts()->add_certificate_addresses("certified@local.example");
  const v1::Offer offer = dialogue_->OfferTo(question.facts());
  EXPECT_EQ(offer.lifetime_duration().seconds(), 0);
  EXPECT_TRUE(absl::c_linear_search(offer.mechanisms_under_tls(), "EXTERNAL"));
  EXPECT_FALSE(absl::c_linear_search(offer.mechanisms(), "EXTERNAL"));
}

TEST_F(AuthDialogueTest, DisallowedAuthIsUnknownAndMayBeATrap) {
  config_.mutable_auth()->set_disallow_on_smtp_port(true);
  Make();
  v1::Question question = Question();
  question.mutable_facts()->set_role(v1::LISTENER_ROLE_SMTP);
  const v1::Offer offer = dialogue_->OfferTo(question.facts());
  EXPECT_EQ(offer.mechanisms_size() + offer.mechanisms_under_tls_size(), 0);
  EXPECT_EQ(Start("", "", question).verdict().reply().code(), 500);
  EXPECT_EQ(Start("PLAIN", "\0ann@local.example\0secret"s, question).verdict().reply().code(), 500);
  EXPECT_TRUE(screen_.trapped.empty());
  EXPECT_EQ(Plain("ann@local.example", "secret"), "ann@local.example");  // submission

  config_.mutable_auth()->set_screen_on_disallowed_auth(true);
  Make();
  const v1::Verdict verdict = Start("", "", question).verdict();
  EXPECT_EQ(verdict.reply().code(), 421);
  EXPECT_TRUE(verdict.close());
  EXPECT_EQ(screen_.trapped, std::vector<std::string>{"198.51.100.1"});
}

}  // namespace
}  // namespace turnpike::auth
