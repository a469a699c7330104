#include "services/auth-service/rpc/session_service.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sodium.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/auth-service/client/rpc_policy.h"
#include "services/auth-service/store/config_directory.h"
#include "services/common/credentials/cram_md5_states.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"

namespace turnpike::auth {
namespace {

using std::string_literals::operator""s;

constexpr char kPassword[] = "secret";

config::v1::Config MakeConfig() {
  config::v1::Config config;
  config.mutable_auth()->set_match_return_path(true);
  char phc[crypto_pwhash_STRBYTES];
  EXPECT_EQ(crypto_pwhash_str(phc, kPassword, sizeof(kPassword) - 1, crypto_pwhash_OPSLIMIT_MIN,
                              crypto_pwhash_MEMLIMIT_MIN),
            0);
  config.add_accounts()->set_address("ann@local.example");
  config.mutable_accounts(0)->set_password(phc);
  config.add_gateways()->set_domain("gw.example");
  config.mutable_gateways(0)->mutable_atrn()->set_password(absl::StrCat("{PLAIN}", kPassword));
  for (const auto& [name, role] : {std::pair("mx", config::v1::LISTENER_ROLE_SMTP),
                                   std::pair("submission", config::v1::LISTENER_ROLE_SUBMISSION),
                                   std::pair("odmr", config::v1::LISTENER_ROLE_ODMR)}) {
    config::v1::Listener* listener = config.mutable_smtp()->add_listeners();
    listener->set_name(name);
    listener->set_role(role);
  }
  return config;
}

class SessionServiceTest : public ::testing::Test {
 protected:
  SessionServiceTest() {
    service_ = std::make_unique<SessionService>(PartsOf(MakeConfig()));
    auto server = rpc::Server::Start({.listen = "127.0.0.1:0"}, {service_.get()});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    policy_ = std::make_unique<RpcPolicy>(
        rpc::CreateChannel(server_->address()),
        RpcPolicy::Options{.on_rules_changed = [this] { ++rule_changes_; }});
  }

  SessionService::Parts PartsOf(const config::v1::Config& config) {
    return SessionService::Parts{.site = std::make_shared<Site>(config),
                                 .directory = *ConfigDirectory::Create(config),
                                 .hostname = "mail.example.org",
                                 .pool = pool_,
                                 .metrics = metrics_,
                                 .clock = base::Clock::System(),
                                 .exchanges_per_stream_max = 2};
  }

  ~SessionServiceTest() override {
    policy_ = nullptr;
    server_->Shutdown(absl::Now());
    EXPECT_TRUE(pool_.WaitUntilIdle(absl::InfiniteFuture()));
  }

  static v1::Question Question(const std::string& listener, v1::ListenerRole role, bool tls,
                               const std::string& session_id = "s") {
    v1::Question question;
    question.set_session_id(session_id);
    question.mutable_facts()->set_client_address("198.51.100.1");
    question.mutable_facts()->set_listener(listener);
    question.mutable_facts()->set_role(role);
    question.mutable_facts()->set_tls(tls);
    return question;
  }
  static v1::Question Odmr() { return Question("odmr", v1::LISTENER_ROLE_ODMR, false); }
  static v1::Question Submission() {
    return Question("submission", v1::LISTENER_ROLE_SUBMISSION, true);
  }

  absl::StatusOr<v1::Answer> TryAsk(v1::Question question) {
    absl::StatusOr<v1::Answer> result;
    absl::Notification done;
    policy_->Ask(std::move(question), absl::Now() + absl::Seconds(30),
                 [&](absl::StatusOr<v1::Answer> answer) {
                   result = std::move(answer);
                   done.Notify();
                 });
    done.WaitForNotification();
    return result;
  }
  v1::Answer Ask(v1::Question question) {
    absl::StatusOr<v1::Answer> answer = TryAsk(std::move(question));
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : v1::Answer();
  }

  v1::Answer Start(v1::Question question, const std::string& mechanism) {
    question.mutable_auth_start()->set_mechanism(mechanism);
    return Ask(std::move(question));
  }
  v1::Answer StartPlain(v1::Question question, const std::string& user,
                        const std::string& password) {
    question.mutable_auth_start()->set_mechanism("PLAIN");
    question.mutable_auth_start()->set_has_initial_response(true);
    question.mutable_auth_start()->set_initial_response(absl::StrCat("\0"s, user, "\0"s, password));
    return Ask(std::move(question));
  }
  v1::Answer Respond(v1::Question question, const std::string& response) {
    question.mutable_auth_response()->set_response(response);
    return Ask(std::move(question));
  }
  int Mail(v1::Question question, const std::string& sender) {
    question.mutable_mail()->set_return_path(sender);
    return Ask(std::move(question)).verdict().reply().code();
  }

  std::string MetricsText() { return prometheus::TextSerializer().Serialize(registry_->Collect()); }

  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  Metrics metrics_{*registry_};
  WorkPool pool_{{.threads = 2}};
  std::atomic<int> rule_changes_ = 0;
  std::unique_ptr<SessionService> service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<RpcPolicy> policy_;
};

TEST_F(SessionServiceTest, OfferNamesWhatTheListenerCanServe) {
  v1::Question question = Odmr();
  question.mutable_connect();
  const v1::Offer odmr = Ask(question).offer();
  EXPECT_EQ(absl::StrJoin(odmr.mechanisms(), " "), "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
  EXPECT_EQ(absl::StrJoin(odmr.mechanisms_under_tls(), " "),
            "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN");
  EXPECT_FALSE(odmr.auth_required());
  EXPECT_GT(odmr.lifetime_duration().seconds(), 0);
  question = Submission();
  question.mutable_connect();
  const v1::Offer submission = Ask(question).offer();
  EXPECT_EQ(absl::StrJoin(submission.mechanisms(), " "), "SCRAM-SHA-256 SCRAM-SHA-1");
  EXPECT_TRUE(submission.auth_required());
}

TEST_F(SessionServiceTest, GatewayLogsInByCramMd5) {
  const v1::Answer challenge = Start(Odmr(), "CRAM-MD5");
  ASSERT_TRUE(challenge.has_challenge());
  const std::string digest =
      CramMd5Digest(MakeCramMd5States(kPassword), challenge.challenge().challenge());
  const v1::Answer success = Respond(Odmr(), absl::StrCat("GW.example ", digest));
  ASSERT_TRUE(success.has_success());
  EXPECT_EQ(success.success().identity().kind(), v1::Identity::KIND_GATEWAY);
  EXPECT_EQ(success.success().identity().name(), "gw.example");
  EXPECT_EQ(success.success().identity().mechanism(), "CRAM-MD5");
}

TEST_F(SessionServiceTest, AccountLogsInByPlainWithArgon2) {
  const v1::Answer success = StartPlain(Submission(), "ann@local.example", kPassword);
  EXPECT_EQ(success.success().identity().name(), "ann@local.example");
  EXPECT_TRUE(absl::StrContains(
      MetricsText(), "turnpike_auth_requests_total{operation=\"login\",result=\"allow\"} 1"));
  EXPECT_TRUE(absl::StrContains(MetricsText(), "turnpike_auth_hash_duration_seconds_count 1"));
}

TEST_F(SessionServiceTest, WrongUserAndWrongPasswordReadTheSame) {
  const v1::Answer unknown = StartPlain(Submission(), "bob@local.example", kPassword);
  const v1::Answer wrong = StartPlain(Submission(), "ann@local.example", "wrong");
  EXPECT_EQ(wrong.verdict().reply().code(), 535);
  EXPECT_EQ(wrong.verdict().reply().enhanced_code(), "5.7.8");
  EXPECT_EQ(wrong.verdict().SerializeAsString(), unknown.verdict().SerializeAsString());
}

TEST_F(SessionServiceTest, ClearTextWithoutTlsIsUnknown) {
  v1::Question question = Submission();
  question.mutable_facts()->set_tls(false);
  EXPECT_EQ(StartPlain(question, "ann@local.example", kPassword).verdict().reply().code(), 504);
}

TEST_F(SessionServiceTest, MechanismThatIsNotOfferedIsUnknown) {
  EXPECT_EQ(Start(Submission(), "CRAM-MD5").verdict().reply().code(), 504);
  EXPECT_EQ(Start(Submission(), "GSSAPI").verdict().reply().code(), 504);
  EXPECT_EQ(
      StartPlain(Question("odmr", v1::LISTENER_ROLE_ODMR, true), "ann@local.example", kPassword)
          .verdict()
          .reply()
          .code(),
      535);
}

TEST_F(SessionServiceTest, CancelledAndUnknownExchangesDoNotGoOn) {
  ASSERT_TRUE(Start(Odmr(), "CRAM-MD5").has_challenge());
  v1::Question cancel = Odmr();
  cancel.mutable_auth_cancel();
  EXPECT_EQ(Ask(cancel).verdict().reply().code(), 501);
  EXPECT_EQ(Respond(Odmr(), "gw.example x").verdict().reply().code(), 454);
}

TEST_F(SessionServiceTest, ExchangesOfDifferentSessionsDoNotMeet) {
  v1::Question one = Question("odmr", v1::LISTENER_ROLE_ODMR, false, "one");
  v1::Question two = Question("odmr", v1::LISTENER_ROLE_ODMR, false, "two");
  const std::string first = Start(one, "CRAM-MD5").challenge().challenge();
  const std::string second = Start(two, "CRAM-MD5").challenge().challenge();
  EXPECT_NE(first, second);
  const std::string digest = CramMd5Digest(MakeCramMd5States(kPassword), second);
  EXPECT_EQ(Respond(one, absl::StrCat("gw.example ", digest)).verdict().reply().code(), 535);
  EXPECT_TRUE(Respond(two, absl::StrCat("gw.example ", digest)).has_success());
}

TEST_F(SessionServiceTest, TooManyExchangesAreAnsweredTryAgain) {
  for (const char* session : {"one", "two"}) {
    ASSERT_TRUE(
        Start(Question("odmr", v1::LISTENER_ROLE_ODMR, false, session), "LOGIN").has_verdict());
    ASSERT_TRUE(Start(Question("odmr", v1::LISTENER_ROLE_ODMR, false, session), "CRAM-MD5")
                    .has_challenge());
  }
  EXPECT_EQ(Start(Odmr(), "CRAM-MD5").verdict().reply().code(), 454);
}

TEST_F(SessionServiceTest, VerdictsOnSendersAndRecipients) {
  EXPECT_EQ(Mail(Submission(), "ann@local.example"), 530);
  v1::Question question = Submission();
  question.mutable_facts()->mutable_identity()->set_kind(v1::Identity::KIND_ACCOUNT);
  question.mutable_facts()->mutable_identity()->set_name("ann@local.example");
  EXPECT_EQ(Mail(question, "ann@local.example"), 0);
  EXPECT_EQ(Mail(question, "bob@local.example"), 553);
  question = Question("mx", v1::LISTENER_ROLE_SMTP, false);
  question.mutable_rcpt()->set_address("any@gw.example");
  const v1::Verdict verdict = Ask(question).verdict();
  EXPECT_TRUE(verdict.accepted());
  EXPECT_EQ(verdict.recipient_class(), v1::RECIPIENT_CLASS_GATEWAY);
  EXPECT_EQ(verdict.queue(), "gw.example");
  EXPECT_TRUE(verdict.scope().any_client() && verdict.scope().any_sender() &&
              verdict.scope().any_recipient_in_domain());
  question.mutable_rcpt()->set_address("any@far.example");
  EXPECT_EQ(Ask(question).verdict().rule(), "AU-24");
  EXPECT_TRUE(absl::StrContains(MetricsText(), "turnpike_auth_refusals_total{rule=\"AU-24\"} 1"));
}

TEST_F(SessionServiceTest, QuestionThatIsNotKnownIsAnsweredAllTheSame) {
  EXPECT_EQ(Ask(Submission()).verdict().reply().code(), 451);
}

TEST_F(SessionServiceTest, EndedStreamsAreUnavailable) {
  EXPECT_EQ(Mail(Submission(), ""), 530);
  service_->EndStreams();
  v1::Question question = Submission();
  question.mutable_mail();
  EXPECT_TRUE(absl::IsUnavailable(TryAsk(question).status()));
}

// [PL-31]
TEST_F(SessionServiceTest, OtherConfigurationAnswersTheNextQuestion) {
  EXPECT_TRUE(StartPlain(Submission(), "ann@local.example", kPassword).has_success());
  config::v1::Config config = MakeConfig();
  config.mutable_accounts(0)->set_address("bob@local.example");
  service_->Reconfigure(std::make_shared<const SessionParts>(PartsOf(config)));
  EXPECT_EQ(StartPlain(Submission(), "ann@local.example", kPassword).verdict().reply().code(), 535);
  EXPECT_TRUE(StartPlain(Submission(), "bob@local.example", kPassword).has_success());
  EXPECT_EQ(rule_changes_, 1);
}

TEST_F(SessionServiceTest, ExchangeInProgressGoesOnByWhatItBeganWith) {
  v1::Question question = Submission();
  EXPECT_TRUE(Start(question, "LOGIN").has_challenge());
  EXPECT_TRUE(Respond(question, "ann@local.example").has_challenge());
  config::v1::Config config = MakeConfig();
  config.clear_accounts();
  service_->Reconfigure(std::make_shared<const SessionParts>(PartsOf(config)));
  EXPECT_TRUE(Respond(question, kPassword).has_success());
}

}  // namespace
}  // namespace turnpike::auth
