#include "services/auth-service/client/caching_policy.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/auth-service/client/fake_policy.h"

namespace turnpike::auth {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class CachingPolicyTest : public ::testing::Test {
 protected:
  // Every answer to MAIL and RCPT says this scope from now on, and its rule is a running number.
  void Answer(const v1::Scope& scope) {
    fake_->SetRule(
        [this, scope](const v1::Question& question) -> std::optional<absl::StatusOr<v1::Answer>> {
          v1::Answer answer;
          if (question.has_connect()) {
            answer.mutable_offer()->add_mechanisms(absl::StrCat(++asked_));
            *answer.mutable_offer()->mutable_lifetime_duration() = scope.lifetime_duration();
          } else {
            answer.mutable_verdict()->set_rule(absl::StrCat(++asked_));
            *answer.mutable_verdict()->mutable_scope() = scope;
          }
          return answer;
        });
  }

  static v1::Scope Scope(bool any_client, bool any_sender, bool any_recipient_in_domain) {
    v1::Scope scope;
    scope.mutable_lifetime_duration()->set_seconds(60);
    scope.set_any_client(any_client);
    scope.set_any_sender(any_sender);
    scope.set_any_recipient_in_domain(any_recipient_in_domain);
    return scope;
  }

  static v1::Question Mail(const std::string& client, const std::string& return_path) {
    v1::Question question;
    question.mutable_facts()->set_client_address(client);
    question.mutable_facts()->set_listener("mx");
    question.mutable_mail()->set_return_path(return_path);
    return question;
  }

  static v1::Question Rcpt(const std::string& client, const std::string& return_path,
                           const std::string& address) {
    v1::Question question;
    question.mutable_facts()->set_client_address(client);
    question.mutable_facts()->set_listener("mx");
    question.mutable_rcpt()->set_return_path(return_path);
    question.mutable_rcpt()->set_address(address);
    return question;
  }

  // The number of the answer: equal numbers are one answer.
  int Ask(const v1::Question& question) {
    int number = 0;
    policy_.Ask(question, absl::InfiniteFuture(), [&number](absl::StatusOr<v1::Answer> answer) {
      ASSERT_TRUE(answer.ok());
      number =
          std::stoi(answer->has_offer() ? answer->offer().mechanisms(0) : answer->verdict().rule());
    });
    return number;
  }

  int asked_ = 0;
  base::ManualClock clock_{kStart};
  FakePolicy* fake_ = new FakePolicy;
  const std::shared_ptr<std::atomic<uint64_t>> rules_version_ =
      std::make_shared<std::atomic<uint64_t>>(0);
  CachingPolicy policy_{std::unique_ptr<Policy>(fake_),
                        clock_,
                        {.entries_max = 100, .rules_version = rules_version_}};
};

// [PL-31]
TEST_F(CachingPolicyTest, AllIsForgottenWhenTheRulesChange) {
  Answer(Scope(true, true, true));
  const int before = Ask(Mail("192.0.2.1", "a@x.example"));
  EXPECT_EQ(Ask(Mail("192.0.2.1", "a@x.example")), before);
  ++*rules_version_;
  const int after = Ask(Mail("192.0.2.1", "a@x.example"));
  EXPECT_NE(after, before);
  EXPECT_EQ(Ask(Mail("192.0.2.1", "a@x.example")), after);
}

TEST_F(CachingPolicyTest, VerdictWithoutScopeIsNotRemembered) {
  Answer({});
  EXPECT_EQ(Ask(Mail("192.0.2.1", "a@example.org")), 1);
  EXPECT_EQ(Ask(Mail("192.0.2.1", "a@example.org")), 2);
}

TEST_F(CachingPolicyTest, VerdictHoldsForItsLifetime) {
  Answer(Scope(false, false, false));
  EXPECT_EQ(Ask(Mail("192.0.2.1", "a@example.org")), 1);
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(Ask(Mail("192.0.2.1", "a@example.org")), 1);
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Ask(Mail("192.0.2.1", "a@example.org")), 2);
}

TEST_F(CachingPolicyTest, NarrowScopeHoldsForSameClientSenderAndRecipientOnly) {
  Answer(Scope(false, false, false));
  const int first = Ask(Rcpt("192.0.2.1", "a@example.org", "b@example.net"));
  EXPECT_EQ(Ask(Rcpt("192.0.2.1", "a@example.org", "b@example.net")), first);
  EXPECT_NE(Ask(Rcpt("192.0.2.2", "a@example.org", "b@example.net")), first);
  EXPECT_NE(Ask(Rcpt("192.0.2.1", "c@example.org", "b@example.net")), first);
  EXPECT_NE(Ask(Rcpt("192.0.2.1", "a@example.org", "c@example.net")), first);
}

TEST_F(CachingPolicyTest, WideScopeHoldsForAnyClientSenderAndRecipientInDomain) {
  Answer(Scope(true, true, true));
  const int first = Ask(Rcpt("192.0.2.1", "a@example.org", "b@example.net"));
  EXPECT_EQ(Ask(Rcpt("192.0.2.2", "", "other.one+tag@example.net")), first);
  EXPECT_NE(Ask(Rcpt("192.0.2.1", "a@example.org", "b@sub.example.net")), first);
}

TEST_F(CachingPolicyTest, OtherListenerRoleOrIdentityIsAnotherMatter) {
  Answer(Scope(true, true, true));
  v1::Question question = Rcpt("192.0.2.1", "a@example.org", "b@example.net");
  EXPECT_EQ(Ask(question), 1);
  question.mutable_facts()->set_listener("submission");
  EXPECT_EQ(Ask(question), 2);
  question.mutable_facts()->mutable_identity()->set_kind(v1::Identity::KIND_ACCOUNT);
  question.mutable_facts()->mutable_identity()->set_name("a@example.org");
  EXPECT_EQ(Ask(question), 3);
  question.mutable_facts()->mutable_identity()->set_name("b@example.org");
  EXPECT_EQ(Ask(question), 4);
  question.mutable_facts()->set_role(v1::LISTENER_ROLE_SUBMISSION);
  EXPECT_EQ(Ask(question), 5);
}

TEST_F(CachingPolicyTest, SenderDomainScopeIsNotUsedForNullSenderOrOtherDomain) {
  v1::Scope scope = Scope(true, false, false);
  scope.set_any_sender_in_domain(true);
  Answer(scope);
  const int first = Ask(Mail("192.0.2.1", "a@example.org"));
  EXPECT_EQ(Ask(Mail("192.0.2.9", "b@example.org")), first);
  EXPECT_NE(Ask(Mail("192.0.2.1", "")), first);
  EXPECT_NE(Ask(Mail("192.0.2.1", "a@example.com")), first);
}

TEST_F(CachingPolicyTest, DomainVerdictIsNotUsedForRoutingLocalParts) {
  Answer(Scope(true, true, true));
  const int first = Ask(Rcpt("192.0.2.1", "", "b@example.net"));
  for (const char* address :
       {"b%example.com@example.net", "example.com!b@example.net", "\"b@example.com\"@example.net",
        "host::b@example.net", "postmaster", "b@example.com@example.net", "@example.net"}) {
    EXPECT_NE(Ask(Rcpt("192.0.2.1", "", address)), first) << address;
    EXPECT_EQ(Ask(Rcpt("192.0.2.1", "", address)), asked_) << address;
  }
  EXPECT_EQ(Ask(Rcpt("192.0.2.1", "", "c@example.net")), first);
}

TEST_F(CachingPolicyTest, OfferHoldsForTheListener) {
  Answer(Scope(false, false, false));
  v1::Question question = Mail("192.0.2.1", "");
  question.mutable_connect();
  EXPECT_EQ(Ask(question), 1);
  question.mutable_facts()->set_client_address("192.0.2.2");
  EXPECT_EQ(Ask(question), 1);
  question.mutable_facts()->set_listener("odmr");
  EXPECT_EQ(Ask(question), 2);
}

TEST_F(CachingPolicyTest, AuthIsAlwaysAsked) {
  v1::Question question;
  question.mutable_auth_start()->set_mechanism("PLAIN");
  for (int i = 0; i < 2; ++i) {
    policy_.Ask(question, absl::InfiniteFuture(), [](absl::StatusOr<v1::Answer>) {});
  }
  EXPECT_EQ(fake_->questions().size(), 2u);
}

TEST_F(CachingPolicyTest, ErrorIsPassedOnAndNotRemembered) {
  fake_->SetRule([](const v1::Question&) { return absl::UnavailableError("away"); });
  for (int i = 0; i < 2; ++i) {
    policy_.Ask(Mail("192.0.2.1", "a@example.org"), absl::InfiniteFuture(),
                [](absl::StatusOr<v1::Answer> answer) {
                  EXPECT_TRUE(absl::IsUnavailable(answer.status()));
                });
  }
  EXPECT_EQ(fake_->questions().size(), 2u);
}

TEST_F(CachingPolicyTest, EntriesAreBoundedAndThoseInUseStay) {
  Answer(Scope(false, false, false));
  const int first = Ask(Mail("192.0.2.1", "often@example.org"));
  for (int i = 0; i < 1000; ++i) {
    Ask(Mail("192.0.2.1", absl::StrCat(i, "@example.org")));
    EXPECT_EQ(Ask(Mail("192.0.2.1", "often@example.org")), first);
  }
  EXPECT_NE(Ask(Mail("192.0.2.1", "0@example.org")), 2);
}

TEST_F(CachingPolicyTest, QuestionsInFlightFailWhenThePolicyIsDestroyed) {
  bool called = false;
  {
    auto fake = std::make_unique<FakePolicy>();
    fake->SetHoldAnswers(true);
    CachingPolicy policy(std::move(fake), clock_);
    policy.Ask(Mail("192.0.2.1", ""), absl::InfiniteFuture(),
               [&called](absl::StatusOr<v1::Answer> answer) {
                 called = true;
                 EXPECT_TRUE(absl::IsCancelled(answer.status()));
               });
    EXPECT_FALSE(called);
  }
  EXPECT_TRUE(called);
}

TEST_F(CachingPolicyTest, HitsAndMissesAreCounted) {
  Answer(Scope(true, true, true));
  Ask(Mail("192.0.2.1", ""));
  Ask(Mail("192.0.2.1", ""));
  Ask(Mail("192.0.2.1", ""));
  EXPECT_EQ(policy_.stats().hits, 2u);
  EXPECT_EQ(policy_.stats().misses, 1u);
}

}  // namespace
}  // namespace turnpike::auth
