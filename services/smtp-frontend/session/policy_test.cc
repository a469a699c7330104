// What the policy may want to see or to answer besides senders and recipients: the header section
// of a message, and AUTH where there is none.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/smtp-frontend/testing/test_frontend.h"
#include "services/smtp-frontend/testing/test_peer.h"

namespace turnpike::frontend {
namespace {

using testing::TestFrontend;
using testing::TestPeer;
using MaybeAnswer = std::optional<absl::StatusOr<auth::v1::Answer>>;

std::string Code(const std::string& reply) { return reply.substr(0, 3); }

auth::v1::Answer Refusal(int code, const std::string& enhanced, bool close = false) {
  auth::v1::Answer answer;
  answer.mutable_verdict()->mutable_reply()->set_code(code);
  answer.mutable_verdict()->mutable_reply()->set_enhanced_code(enhanced);
  answer.mutable_verdict()->mutable_reply()->set_text("No");
  answer.mutable_verdict()->set_rule("AU-6");
  answer.mutable_verdict()->set_close(close);
  return answer;
}

// A policy that wants to see headers, from MAIL or from one recipient on, and refuses those with
// the word `evil`.
auth::FakePolicy::Rule WantHeader(bool from_mail) {
  return [from_mail](const auth::v1::Question& question) -> MaybeAnswer {
    auth::v1::Answer answer;
    answer.mutable_verdict()->set_accepted(true);
    if (question.has_mail()) {
      answer.mutable_verdict()->set_wants_header(from_mail);
      return answer;
    }
    if (question.has_rcpt() && absl::StartsWith(question.rcpt().address(), "strict@")) {
      answer.mutable_verdict()->set_wants_header(true);
      answer.mutable_verdict()->set_recipient_class(auth::v1::RECIPIENT_CLASS_GATEWAY);
      answer.mutable_verdict()->set_queue("gw.example");
      return answer;
    }
    if (!question.has_header()) return std::nullopt;
    if (absl::StrContains(question.header().header(), "evil")) return Refusal(550, "5.7.1");
    return answer;
  };
}

std::string Send(TestPeer& peer, const std::string& recipient, const std::string& content) {
  peer.Ask("MAIL FROM:<s@else.example>");
  peer.Ask(absl::StrCat("RCPT TO:<", recipient, ">"));
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  peer.Send(absl::StrCat(content, ".\r\n"));
  return peer.ReadReply();
}

std::vector<std::string> HeadersAsked(TestFrontend& frontend) {
  std::vector<std::string> headers;
  for (const auth::v1::Question& question : frontend.policy().questions()) {
    if (question.has_header()) headers.push_back(question.header().header());
  }
  return headers;
}

TEST(PolicyTest, HeaderIsShownWhereItIsWantedAndNothingElse) {
  TestFrontend frontend;
  frontend.policy().SetRule(WantHeader(/*from_mail=*/true));
  TestPeer peer(frontend.AddressOf("mx"));
  peer.ReadReply();
  peer.Ask("EHLO c");
  EXPECT_EQ(Code(Send(peer, "a@gw.example", "From: a\r\nTo: b\r\n\r\nevil\r\n\r\nbody\r\n")),
            "250");
  EXPECT_EQ(Send(peer, "a@gw.example", "From: evil\r\n\r\nbody\r\n"), "550 5.7.1 No");
  EXPECT_EQ(Code(Send(peer, "a@gw.example", "\r\nevil\r\n")), "250");  // no header at all
  EXPECT_EQ(Code(Send(peer, "a@gw.example", "From: all header\r\n")), "250");
  EXPECT_EQ(HeadersAsked(frontend),
            (std::vector<std::string>{"From: a\r\nTo: b\r\n", "From: evil\r\n", "",
                                      "From: all header\r\n"}));
  EXPECT_EQ(frontend.spool().messages().size(), 3u);
}

TEST(PolicyTest, OneRecipientCanMakeTheHeaderWanted) {
  TestFrontend frontend;
  frontend.policy().SetRule(WantHeader(/*from_mail=*/false));
  TestPeer peer(frontend.AddressOf("mx"));
  peer.ReadReply();
  peer.Ask("EHLO c");
  EXPECT_EQ(Code(Send(peer, "a@gw.example", "From: evil\r\n\r\nx\r\n")), "250");
  EXPECT_EQ(Code(Send(peer, "strict@gw.example", "From: evil\r\n\r\nx\r\n")), "550");
  EXPECT_EQ(Code(Send(peer, "a@gw.example", "From: evil\r\n\r\nx\r\n")), "250");
  EXPECT_EQ(HeadersAsked(frontend).size(), 1u);
}

TEST(PolicyTest, LargeMessageIsJudgedBeforeItsFirstPieceIsPassedOn) {
  TestFrontend frontend;
  frontend.policy().SetRule(WantHeader(/*from_mail=*/true));
  TestPeer peer(frontend.AddressOf("mx"));
  peer.ReadReply();
  peer.Ask("EHLO c");
  std::string body;
  while (body.size() < 2'000'000) body += "0123456789abcdef0123456789abcdef\r\n";
  EXPECT_EQ(Code(Send(peer, "a@gw.example", absl::StrCat("From: evil\r\n\r\n", body))), "550");
  EXPECT_TRUE(frontend.spool().messages().empty());
  EXPECT_EQ(Code(Send(peer, "a@gw.example", absl::StrCat("From: good\r\n\r\n", body))), "250");
  ASSERT_EQ(frontend.spool().messages().size(), 1u);
  EXPECT_EQ(HeadersAsked(frontend).size(), 2u);
}

TEST(PolicyTest, HeaderThatIsTooLongToBeShownIsRefused) {
  TestFrontend frontend;
  frontend.policy().SetRule(WantHeader(/*from_mail=*/true));
  TestPeer peer(frontend.AddressOf("mx"));
  peer.ReadReply();
  peer.Ask("EHLO c");
  std::string field;
  while (field.size() < 64 << 10) absl::StrAppend(&field, "X: ", std::string(900, 'x'), "\r\n");
  EXPECT_EQ(Code(Send(peer, "a@gw.example", absl::StrCat(field, "\r\nbody\r\n"))), "552");
  std::string longer;
  while (longer.size() < 400'000) longer += field;
  EXPECT_EQ(Code(Send(peer, "a@gw.example", absl::StrCat(longer, "\r\nbody\r\n"))), "552");
  EXPECT_TRUE(HeadersAsked(frontend).empty());
  EXPECT_EQ(Code(Send(peer, "a@gw.example", "From: good\r\n\r\n")), "250");
}

TEST(PolicyTest, MessageWhoseHeaderNobodyJudgesIsPutOff) {
  TestFrontend frontend;
  frontend.policy().SetRule([](const auth::v1::Question& question) -> MaybeAnswer {
    if (question.has_header()) return absl::UnavailableError("away");
    return WantHeader(/*from_mail=*/true)(question);
  });
  TestPeer peer(frontend.AddressOf("mx"));
  peer.ReadReply();
  peer.Ask("EHLO c");
  EXPECT_EQ(Code(Send(peer, "a@gw.example", "From: a\r\n\r\nx\r\n")), "451");
  EXPECT_TRUE(frontend.spool().messages().empty());
  EXPECT_EQ(Code(peer.Ask("NOOP")), "250");
}

TEST(PolicyTest, AuthThatIsNotOfferedIsAnsweredByThePolicy) {
  TestFrontend frontend;
  std::atomic<bool> close = false;
  frontend.policy().SetRule([&close](const auth::v1::Question& question) -> MaybeAnswer {
    if (question.has_connect()) {
      auth::v1::Answer answer;
      answer.mutable_offer();
      return answer;
    }
    if (!question.has_auth_start()) return std::nullopt;
    EXPECT_EQ(question.auth_start().mechanism(), "");
    return close ? Refusal(421, "4.7.0", true) : Refusal(500, "5.5.1");
  });
  TestPeer peer(frontend.AddressOf("mx"));
  peer.ReadReply();
  EXPECT_FALSE(absl::StrContains(peer.Ask("EHLO c"), "AUTH"));
  EXPECT_EQ(peer.Ask("AUTH PLAIN AGEAYg=="), "500 5.5.1 No");
  EXPECT_EQ(peer.Ask("AUTH"), "500 5.5.1 No");
  EXPECT_EQ(Code(peer.Ask("NOOP")), "250");
  close = true;
  EXPECT_EQ(peer.Ask("AUTH LOGIN"), "421 4.7.0 No");
  EXPECT_TRUE(peer.IsAtEnd());
}

}  // namespace
}  // namespace turnpike::frontend
