// Taking mail: what is said, what is stored, and what is not.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/message_id.h"
#include "services/smtp-frontend/testing/test_frontend.h"
#include "services/smtp-frontend/testing/test_peer.h"

namespace turnpike::frontend {
namespace {

using testing::Eventually;
using testing::TestFrontend;
using testing::TestPeer;

constexpr absl::string_view kContent = "Subject: one\r\n\r\nline\r\n";

std::string Code(const std::string& reply) { return reply.substr(0, 3); }

// Greeting, EHLO, MAIL and one RCPT, all accepted.
void BeginMessage(TestPeer& peer, absl::string_view recipient = "a@gw.example") {
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO client.example")), "250");
  EXPECT_EQ(peer.Ask("MAIL FROM:<s@else.example>"), "250 2.1.0 Sender OK");
  EXPECT_EQ(peer.Ask(absl::StrCat("RCPT TO:<", recipient, ">")), "250 2.1.5 Recipient OK");
}

TEST(MailTest, MessageIsStoredBeforeItIsAnswered) {
  TestFrontend frontend;
  frontend.spool().HoldAnswers();
  TestPeer peer(frontend.AddressOf("mx"));
  BeginMessage(peer);
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  peer.Send(absl::StrCat(kContent, ".\r\n"));
  ASSERT_TRUE(Eventually([&] { return frontend.spool().messages().size() == 1; }));
  EXPECT_TRUE(peer.IsSilentFor(100));
  frontend.spool().ReleaseAnswers();
  const spool::v1::NewMessage message = frontend.spool().messages()[0];
  const std::string id = base::MessageId::FromBytes(message.message_id())->ToString();
  EXPECT_EQ(peer.ReadReply(), absl::StrCat("250 2.0.0 ", id, " stored"));
  EXPECT_EQ(Code(peer.Ask("QUIT")), "221");
  EXPECT_TRUE(peer.IsAtEnd());

  const std::string& stored = message.inline_content();
  EXPECT_TRUE(absl::StartsWith(stored, "Received: from client.example ([127.0.0.1])\r\n"));
  EXPECT_TRUE(absl::StrContains(stored, absl::StrCat("id ", id, " for <a@gw.example>;")));
  EXPECT_TRUE(absl::EndsWith(stored, absl::StrCat("+0000\r\n", kContent)));
  EXPECT_EQ(message.client().address(), "127.0.0.1");
  EXPECT_EQ(message.client().helo(), "client.example");
  EXPECT_EQ(message.client().protocol(), "ESMTP");
  EXPECT_EQ(message.client().listener(), "mx");
  EXPECT_TRUE(message.deliveries(0).hold());
  EXPECT_EQ(message.deliveries(0).queue().name(), "gw.example");
  EXPECT_EQ(frontend.Metric("turnpike_smtp_messages_received_total",
                            "authorized_by=\"recipient\",listener=\"mx\""),
            1);
}

TEST(MailTest, StoreThatDoesNotTakeItIsNeverA250) {
  const std::vector<std::pair<absl::Status, std::string>> cases = {
      {absl::UnavailableError("away"), "451 4.3.0 Temporary failure, try again later"},
      {absl::DeadlineExceededError("slow"), "451 4.3.0 Temporary failure, try again later"},
      {absl::ResourceExhaustedError("full"), "452 4.3.1 Insufficient storage"},
      {absl::InvalidArgumentError("bug"), "451 4.3.0 Temporary failure, try again later"},
      {absl::AbortedError("chunks"), "451 4.3.0 Temporary failure, try again later"},
  };
  TestFrontend frontend;
  for (const auto& [status, reply] : cases) {
    frontend.spool().SetEnqueueStatus(status);
    TestPeer peer(frontend.AddressOf("mx"));
    BeginMessage(peer);
    EXPECT_EQ(Code(peer.Ask("DATA")), "354");
    EXPECT_EQ(peer.Ask(absl::StrCat(kContent, ".")), reply);
    // The session goes on, and so does the store.
    frontend.spool().SetEnqueueStatus(absl::OkStatus());
    EXPECT_EQ(Code(peer.Ask("MAIL FROM:<>")), "250");
    EXPECT_EQ(Code(peer.Ask("RCPT TO:<b@gw.example>")), "250");
    EXPECT_EQ(Code(peer.Ask("DATA")), "354");
    EXPECT_EQ(Code(peer.Ask(absl::StrCat(kContent, "."))), "250");
  }
  EXPECT_EQ(frontend.spool().messages().size(), cases.size());
}

TEST(MailTest, RefusedRecipientIsNotStored) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  BeginMessage(peer);
  EXPECT_EQ(peer.Ask("RCPT TO:<x@elsewhere.example>"), "550 5.7.1 Relaying denied");
  EXPECT_EQ(Code(peer.Ask("RCPT TO:<b@local.example>")), "250");
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  EXPECT_EQ(Code(peer.Ask(absl::StrCat(kContent, "."))), "250");
  const spool::v1::NewMessage message = frontend.spool().messages()[0];
  ASSERT_EQ(message.deliveries_size(), 2);
  EXPECT_EQ(message.deliveries(1).queue().name(), "local.example");
  EXPECT_FALSE(message.deliveries(1).hold());
  EXPECT_EQ(frontend.Metric("turnpike_smtp_rejections_total",
                            "class=\"5xx\",reason=\"relay_denied\",stage=\"rcpt\""),
            1);
}

TEST(MailTest, PolicyThatIsAwayIsATemporaryFailureAndTheSessionGoesOn) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
  frontend.policy().SetRule([](const auth::v1::Question&) {
    return absl::StatusOr<auth::v1::Answer>(absl::UnavailableError("away"));
  });
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN AGd3LmV4YW1wbGUAc2VjcmV0")), "454");
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@else.example>")), "451");
  frontend.policy().SetRule(nullptr);
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<s@else.example>")), "250");
  frontend.policy().SetRule([](const auth::v1::Question&) {
    return absl::StatusOr<auth::v1::Answer>(absl::DeadlineExceededError("slow"));
  });
  EXPECT_EQ(Code(peer.Ask("RCPT TO:<a@gw.example>")), "451");
  frontend.policy().SetRule(nullptr);
  EXPECT_EQ(Code(peer.Ask("RCPT TO:<a@gw.example>")), "250");
}

TEST(MailTest, SessionThatBeginsWithoutAPolicyIsGreetedAllTheSame) {
  TestFrontend frontend;
  frontend.policy().SetRule([](const auth::v1::Question&) {
    return absl::StatusOr<auth::v1::Answer>(absl::UnavailableError("away"));
  });
  TestPeer peer(frontend.AddressOf("mx"));
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
  EXPECT_EQ(Code(peer.Ask("AUTH PLAIN AGd3LmV4YW1wbGUAc2VjcmV0")), "454");
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<>")), "451");
}

TEST(MailTest, PolicyMayRefuseAConnection) {
  TestFrontend frontend;
  frontend.policy().SetRule([](const auth::v1::Question& question) {
    std::optional<absl::StatusOr<auth::v1::Answer>> answer;
    if (!question.has_connect()) return answer;
    auth::v1::Answer refusal;
    refusal.mutable_verdict()->mutable_reply()->set_code(554);
    refusal.mutable_verdict()->mutable_reply()->set_text("Go away");
    answer = refusal;
    return answer;
  });
  TestPeer peer(frontend.AddressOf("mx"));
  EXPECT_EQ(peer.ReadReply(), "554 Go away");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "503");
  EXPECT_EQ(Code(peer.Ask("QUIT")), "221");
}

TEST(MailTest, RefusedConnectionIsClosedIfThePolicySaysSo) {
  TestFrontend frontend;
  frontend.policy().SetRule([](const auth::v1::Question& question) {
    std::optional<absl::StatusOr<auth::v1::Answer>> answer;
    if (!question.has_connect()) return answer;
    auth::v1::Answer refusal;
    refusal.mutable_verdict()->mutable_reply()->set_code(554);
    refusal.mutable_verdict()->mutable_reply()->set_text("Go away");
    refusal.mutable_verdict()->set_close(true);
    answer = refusal;
    return answer;
  });
  TestPeer peer(frontend.AddressOf("mx"));
  EXPECT_EQ(peer.ReadReply(), "554 Go away");
  EXPECT_TRUE(peer.IsAtEnd());
}

TEST(MailTest, LargeMessageIsPassedOnInPiecesAndArrivesWhole) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  std::string content = "Subject: large\r\n\r\n";
  for (int i = 0; content.size() < 3'000'000; ++i) {
    absl::StrAppend(&content, i, std::string(i % 900, 'x'), "\r\n");
  }
  BeginMessage(peer);
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  peer.Send(content);
  EXPECT_EQ(Code(peer.Ask(".")), "250");
  EXPECT_TRUE(absl::EndsWith(frontend.spool().messages()[0].inline_content(), content));
}

TEST(MailTest, LargeMessageOnAFullStoreIsRefusedAtItsEnd) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  BeginMessage(peer);
  frontend.spool().SetEnqueueStatus(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  for (int i = 0; i < 1000; ++i) peer.Send(std::string(900, 'x') + "\r\n");
  EXPECT_EQ(Code(peer.Ask(".")), "452");
  EXPECT_EQ(Code(peer.Ask("QUIT")), "221");
  EXPECT_TRUE(frontend.spool().messages().empty());
}

TEST(MailTest, ChunksOfAnySizeBecomeOneMessage) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  BeginMessage(peer);
  std::string content = "Subject: chunks\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) absl::StrAppend(&content, "line ", i, "\r\n");
  size_t sent = 0;
  for (size_t size = 1; sent < content.size(); size = size * 3 + 1) {
    const std::string chunk = content.substr(sent, size);
    peer.Send(absl::StrCat("BDAT ", chunk.size(), "\r\n", chunk));
    EXPECT_EQ(Code(peer.ReadReply()), "250");
    sent += chunk.size();
  }
  EXPECT_EQ(Code(peer.Ask("BDAT 0 LAST")), "250");
  EXPECT_TRUE(absl::EndsWith(frontend.spool().messages()[0].inline_content(), content));
}

TEST(MailTest, PipelinedTransactionsAreAnsweredInOrder) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  EXPECT_EQ(Code(peer.ReadReply()), "220");
  EXPECT_EQ(Code(peer.Ask("EHLO c")), "250");
  std::string all;
  for (int i = 0; i < 50; ++i) {
    absl::StrAppend(&all, "MAIL FROM:<s", i, "@else.example>\r\nRCPT TO:<a@gw.example>\r\n",
                    "BDAT ", kContent.size(), " LAST\r\n", kContent);
  }
  peer.Send(all + "QUIT\r\n");
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(peer.ReadReply(), "250 2.1.0 Sender OK");
    EXPECT_EQ(peer.ReadReply(), "250 2.1.5 Recipient OK");
    EXPECT_TRUE(absl::EndsWith(peer.ReadReply(), " stored"));
  }
  EXPECT_EQ(Code(peer.ReadReply()), "221");
  ASSERT_EQ(frontend.spool().messages().size(), 50u);
  EXPECT_EQ(frontend.spool().messages()[49].envelope().return_path(), "s49@else.example");
}

TEST(MailTest, LoopIsRefused) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  BeginMessage(peer);
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  for (int i = 0; i < 51; ++i) peer.Send("Received: from a by b\r\n");
  EXPECT_EQ(peer.Ask("\r\nbody\r\n.").substr(0, 9), "554 5.4.6");
  EXPECT_TRUE(frontend.spool().messages().empty());
}

TEST(MailTest, HangUpAtAnyOctetStoresNothingAndHarmsNobody) {
  TestFrontend frontend;
  const std::string dialogue =
      "EHLO c\r\nMAIL FROM:<s@else.example>\r\nRCPT TO:<a@gw.example>\r\nDATA\r\n"
      "Subject: x\r\n\r\ntext\r\n.\r\n";
  for (size_t length = 0; length < dialogue.size(); ++length) {
    TestPeer peer(frontend.AddressOf("mx"));
    peer.Send(dialogue.substr(0, length));
    if (length % 2 == 0) {
      peer.Reset();
    } else {
      peer.CloseWriting();
      EXPECT_TRUE(!absl::StrContains(peer.ReadTo("never"), "stored")) << length;
    }
  }
  ASSERT_TRUE(Eventually([&] { return frontend.server().session_count() == 0; }));
  EXPECT_TRUE(frontend.spool().messages().empty());
  TestPeer peer(frontend.AddressOf("mx"));
  peer.Send(dialogue + "QUIT\r\n");
  EXPECT_TRUE(absl::StrContains(peer.ReadTo("221 2.0.0 Bye"), "stored"));
}

TEST(MailTest, HangUpWithinALargeMessageLeavesNothingInTheSpool) {
  TestFrontend frontend;
  for (int pieces : {1, 300, 600}) {
    TestPeer peer(frontend.AddressOf("mx"));
    BeginMessage(peer);
    EXPECT_EQ(Code(peer.Ask("DATA")), "354");
    for (int i = 0; i < pieces; ++i) peer.Send(std::string(998, 'x') + "\r\n");
    peer.Reset();
  }
  ASSERT_TRUE(Eventually([&] { return frontend.server().session_count() == 0; }));
  EXPECT_TRUE(frontend.spool().messages().empty());
  EXPECT_EQ(frontend.Metric("turnpike_smtp_connections_lost_total", "stage=\"data\""), 3);
}

TEST(MailTest, ResetForgetsTheTransaction) {
  TestFrontend frontend;
  TestPeer peer(frontend.AddressOf("mx"));
  BeginMessage(peer);
  EXPECT_EQ(Code(peer.Ask("RSET")), "250");
  EXPECT_EQ(Code(peer.Ask("DATA")), "503");
  EXPECT_EQ(Code(peer.Ask("MAIL FROM:<t@else.example>")), "250");
  EXPECT_EQ(Code(peer.Ask("RCPT TO:<b@gw.example>")), "250");
  EXPECT_EQ(Code(peer.Ask("DATA")), "354");
  EXPECT_EQ(Code(peer.Ask(absl::StrCat(kContent, "."))), "250");
  const spool::v1::NewMessage message = frontend.spool().messages()[0];
  EXPECT_EQ(message.envelope().return_path(), "t@else.example");
  ASSERT_EQ(message.deliveries_size(), 1);
  EXPECT_EQ(message.deliveries(0).recipients_size(), 1);
}

}  // namespace
}  // namespace turnpike::frontend
