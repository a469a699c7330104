// The client against a peer that follows a script, over loopback. The rules of the dialogue itself
// are tested with the engine.
#include "services/common/net/smtp_client.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "services/common/net/sasl_client.h"
#include "services/common/net/testing/run.h"
#include "services/common/net/testing/scripted_peer.h"
#include "services/common/net/testing/socket_pair.h"
#include "services/common/net/testing/test_certificate.h"
#include "services/common/net/tls_context.h"

namespace turnpike::net {
namespace {

using Cause = SmtpSessionEnd::Cause;
using Outcomes = std::vector<smtp::RecipientOutcome>;
using smtp::Disposition;
using smtp::Stage;
using testing::PlayScript;
using testing::RunToEnd;

constexpr char kHello[] =
    "S: 220 mx.example.com ESMTP\n"
    "C: EHLO gate.example.org\n"
    "S: 250-mx.example.com\n"
    "S: 250-PIPELINING\n"
    "S: 250 8BITMIME\n";

smtp::OutgoingMessage Message(const std::vector<std::string>& recipients) {
  smtp::OutgoingMessage message;
  message.return_path = *smtp::Path::Parse("ann@example.org", {});
  for (const std::string& recipient : recipients) {
    message.recipients.push_back({.path = *smtp::Path::Parse(recipient, {}), .parameters = {}});
  }
  return message;
}

// --- Steps. They capture nothing.

asio::awaitable<void> Open(SmtpClient* client) {
  const std::optional<SmtpSessionEnd> end = co_await client->Open();
  EXPECT_EQ(end.has_value(), client->end().has_value());
}

asio::awaitable<void> OpenAndSend(SmtpClient* client, SmtpTransaction transaction,
                                  Outcomes* outcomes) {
  co_await Open(client);
  *outcomes = co_await client->Send(std::move(transaction));
}

asio::awaitable<void> OpenSendAndQuit(Stream* stream, SmtpClient* client,
                                      SmtpTransaction transaction, Outcomes* outcomes) {
  co_await OpenAndSend(client, std::move(transaction), outcomes);
  co_await client->Quit();
  stream->Close();
}

asio::awaitable<void> OpenAndQuit(Stream* stream, SmtpClient* client) {
  co_await Open(client);
  co_await client->Quit();
  stream->Close();
}

class SmtpClientTest : public ::testing::Test {
 protected:
  SmtpClientTest() {
    auto [server, client] = testing::ConnectedSockets(context_);
    peer_ = std::make_unique<Stream>(std::move(server));
    stream_ = std::make_unique<Stream>(std::move(client));
    options_.engine.host_name = "gate.example.org";
  }

  SmtpClient& client() {
    if (client_ == nullptr) client_ = std::make_unique<SmtpClient>(*stream_, options_);
    return *client_;
  }

  // Opens a session with a peer that follows `script`.
  Cause OpenAgainst(const std::string& script) {
    RunToEnd(context_, OpenAndQuit(stream_.get(), &client()), PlayScript(peer_.get(), script));
    return client().end()->cause;
  }

  // Sends one message after kHello.
  Outcomes SendAgainst(const std::string& script, SmtpTransaction transaction) {
    Outcomes outcomes;
    RunToEnd(context_, OpenSendAndQuit(stream_.get(), &client(), std::move(transaction), &outcomes),
             PlayScript(peer_.get(), kHello + script, nullptr, &heard_));
    return outcomes;
  }

  void UseTls(SmtpTls tls, bool verify, const std::string& name) {
    const auto files = testing::MakeCertificate("smtp", "mx.example.com");
    server_context_ = *TlsContext::ForServer(
        {.certificate_file = files.certificate_file, .key_file = files.key_file});
    options_.tls = tls;
    options_.tls_context = verify ? *TlsContext::ForVerifyingClient(files.certificate_file)
                                  : *TlsContext::ForUnverifyingClient();
    options_.tls_peer.server_name = name;
  }

  asio::io_context context_;
  std::unique_ptr<Stream> peer_;
  std::unique_ptr<Stream> stream_;
  SmtpClientOptions options_;
  std::unique_ptr<SmtpClient> client_;
  std::shared_ptr<const TlsContext> server_context_;
  std::string heard_;
};

// --- The session

TEST_F(SmtpClientTest, OpensAndQuits) {
  EXPECT_EQ(OpenAgainst(absl::StrCat(kHello, "C: QUIT\nS: 221 Bye\n")), Cause::kQuit);
  EXPECT_TRUE(client().engine().capabilities().eight_bit_mime);
}

TEST_F(SmtpClientTest, RefusingGreetingEndsTheSessionWithItsWords) {
  EXPECT_EQ(OpenAgainst("S: 554 5.7.1 Not you\nEND\n"), Cause::kRefused);
  EXPECT_EQ(client().end()->reply.ToString(), "554 5.7.1 Not you");
}

TEST_F(SmtpClientTest, SilentPeerEndsTheSessionAtTheTimeout) {
  options_.timeouts.greeting = absl::Milliseconds(50);
  EXPECT_EQ(OpenAgainst("END\n"), Cause::kTimeout);
}

TEST_F(SmtpClientTest, ReplyThatComesDropByDropDoesNotMoveItsDeadline) {
  options_.timeouts.greeting = absl::Milliseconds(150);
  const absl::Time before = absl::Now();
  RunToEnd(context_, Open(&client()),
           PlayScript(peer_.get(),
                      "S: 220-slow\nPAUSE\nS: 220-slow\n"
                      "PAUSE\nS: 220-slow\nPAUSE\n"));
  EXPECT_EQ(client().end()->cause, Cause::kTimeout);
  EXPECT_LT(absl::Now() - before, absl::Seconds(5));
}

TEST_F(SmtpClientTest, PeerThatHangsUpIsDisconnected) {
  EXPECT_EQ(OpenAgainst("S: 220 mx\nRESET\n"), Cause::kDisconnected);
}

TEST_F(SmtpClientTest, PeerThatDoesNotSpeakSmtpIsAProtocolError) {
  EXPECT_EQ(OpenAgainst("S: HTTP/1.1 200 OK\n"), Cause::kProtocolError);
}

TEST_F(SmtpClientTest, ServiceClosingEndsTheSession) {
  EXPECT_EQ(OpenAgainst("S: 220 mx\nC: EHLO *\nS: 421 4.3.2 Closing\n"), Cause::kServiceClosing);
}

TEST_F(SmtpClientTest, ReversedSessionWaitsForThePeersGreetingAndUsesNoStartTls) {
  UseTls(SmtpTls::kOpportunistic, false, "");
  options_.engine.is_reversed = true;
  EXPECT_EQ(OpenAgainst("S: 220 customer\nC: EHLO gate.example.org\nS: 250-customer\n"
                        "S: 250 STARTTLS\nC: QUIT\nS: 221 Bye\n"),
            Cause::kQuit);
}

// --- TLS

TEST_F(SmtpClientTest, StartsTlsWhereItIsOfferedAndSaysHelloAgain) {
  UseTls(SmtpTls::kOpportunistic, false, "");
  RunToEnd(context_, OpenAndQuit(stream_.get(), &client()),
           PlayScript(peer_.get(),
                      "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
                      "S: 220 Go\nTLS\nC: EHLO gate.example.org\nS: 250-mx\nS: 250 DSN\n"
                      "C: QUIT\nS: 221 Bye\n",
                      server_context_));
  EXPECT_EQ(client().end()->cause, Cause::kQuit);
  EXPECT_TRUE(stream_->has_tls());
  EXPECT_TRUE(client().engine().capabilities().dsn);
  EXPECT_FALSE(client().engine().capabilities().start_tls);
}

TEST_F(SmtpClientTest, GoesOnInClearWhenTlsIsOnlyWishedFor) {
  UseTls(SmtpTls::kOpportunistic, false, "");
  EXPECT_EQ(OpenAgainst("S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
                        "S: 454 4.7.0 Not now\nC: QUIT\nS: 221 Bye\n"),
            Cause::kQuit);
}

TEST_F(SmtpClientTest, RequiredTlsThatIsNotOfferedEndsTheSession) {
  UseTls(SmtpTls::kRequired, false, "");
  EXPECT_EQ(OpenAgainst(absl::StrCat(kHello, "C: QUIT\nS: 221 Bye\n")), Cause::kTlsNotOffered);
}

TEST_F(SmtpClientTest, RequiredTlsThatIsRefusedEndsTheSession) {
  UseTls(SmtpTls::kRequired, false, "");
  EXPECT_EQ(OpenAgainst("S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
                        "S: 454 4.7.0 Not now\nC: QUIT\nS: 221 Bye\n"),
            Cause::kTlsRefused);
  EXPECT_EQ(client().end()->reply.code(), 454);
}

TEST_F(SmtpClientTest, WhatStandsBehindTheReplyToStartTlsIsAProtocolError) {
  UseTls(SmtpTls::kOpportunistic, false, "");
  EXPECT_EQ(OpenAgainst("S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
                        "S- 220 Go\\r\\n250 injected\\r\\n\n"),
            Cause::kProtocolError);
}

TEST_F(SmtpClientTest, CertificateForAnotherNameEndsTheSession) {
  UseTls(SmtpTls::kRequired, true, "other.example.com");
  struct Steps {
    static asio::awaitable<void> Peer(Stream* stream, std::shared_ptr<const TlsContext> context) {
      co_await stream->Write("220 mx\r\n", absl::InfiniteFuture());
      char buffer[100];
      co_await stream->Read(absl::MakeSpan(buffer), absl::InfiniteFuture());
      co_await stream->Write("250-mx\r\n250 STARTTLS\r\n", absl::InfiniteFuture());
      co_await stream->Read(absl::MakeSpan(buffer), absl::InfiniteFuture());
      co_await stream->Write("220 Go\r\n", absl::InfiniteFuture());
      const absl::Status status =
          co_await stream->StartTlsAsServer(context, absl::Now() + absl::Seconds(20));
      EXPECT_FALSE(status.ok());
    }
  };
  RunToEnd(context_, Open(&client()), Steps::Peer(peer_.get(), server_context_));
  EXPECT_EQ(client().end()->cause, Cause::kTlsFailed);
}

TEST_F(SmtpClientTest, ImplicitTlsComesBeforeTheGreeting) {
  UseTls(SmtpTls::kImplicit, true, "mx.example.com");
  RunToEnd(context_, OpenAndQuit(stream_.get(), &client()),
           PlayScript(peer_.get(), absl::StrCat("TLS\n", kHello, "C: QUIT\nS: 221 Bye\n"),
                      server_context_));
  EXPECT_EQ(client().end()->cause, Cause::kQuit);
  EXPECT_TRUE(stream_->tls_facts().peer_verified);
}

// --- AUTH

class FakeSasl : public SaslClient {
 public:
  std::optional<std::string> Choose(const std::vector<std::string>& offered,
                                    const TlsFacts* tls) override {
    EXPECT_EQ(tls, nullptr);
    for (const std::string& mechanism : offered) {
      if (mechanism == "X-TEST") return mechanism;
    }
    return std::nullopt;
  }
  absl::StatusOr<std::optional<std::string>> Begin() override { return initial; }
  absl::StatusOr<std::string> Respond(absl::string_view challenge) override {
    if (challenge == "bad") return absl::UnauthenticatedError("the server is an impostor");
    return absl::StrCat("re:", challenge);
  }
  absl::Status Finish() override { return finish; }

  std::optional<std::string> initial;
  absl::Status finish;
};

constexpr char kAuthHello[] = "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH CRAM-MD5 X-TEST\n";

TEST_F(SmtpClientTest, AuthenticatesByChallengeAndResponse) {
  FakeSasl sasl;
  sasl.initial = "me";
  options_.sasl = &sasl;
  EXPECT_EQ(OpenAgainst(absl::StrCat(kAuthHello,
                                     "C: AUTH X-TEST bWU=\nS: 334 YQ==\nC: cmU6YQ==\n"
                                     "S: 235 2.7.0 Welcome\nC: QUIT\nS: 221 Bye\n")),
            Cause::kQuit);
}

TEST_F(SmtpClientTest, LongInitialResponseWaitsForTheFirstChallenge) {
  FakeSasl sasl;
  sasl.initial = std::string(600, 'a');
  options_.sasl = &sasl;
  EXPECT_EQ(OpenAgainst(absl::StrCat(kAuthHello,
                                     "C: AUTH X-TEST\nS: 334 \nC: YWFhYWFh*\n"
                                     "S: 235 2.7.0 Welcome\nC: QUIT\nS: 221 Bye\n")),
            Cause::kQuit);
}

TEST_F(SmtpClientTest, WrongPasswordEndsTheSessionWithThePeersWords) {
  FakeSasl sasl;
  options_.sasl = &sasl;
  EXPECT_EQ(OpenAgainst(
                absl::StrCat(kAuthHello, "C: AUTH X-TEST\nS: 535 5.7.8 No\nC: QUIT\nS: 221 Bye\n")),
            Cause::kAuthFailed);
  EXPECT_EQ(client().end()->reply.ToString(), "535 5.7.8 No");
}

TEST_F(SmtpClientTest, ServerThatCannotProveItselfIsLeft) {
  FakeSasl sasl;
  options_.sasl = &sasl;
  EXPECT_EQ(OpenAgainst(absl::StrCat(kAuthHello,
                                     "C: AUTH X-TEST\nS: 334 YmFk\nC: *\n"
                                     "S: 501 5.7.0 Cancelled\nC: QUIT\nS: 221 Bye\n")),
            Cause::kAuthFailed);
}

TEST_F(SmtpClientTest, SuccessWithoutTheServersProofIsAFailure) {
  FakeSasl sasl;
  sasl.finish = absl::UnauthenticatedError("no signature");
  options_.sasl = &sasl;
  EXPECT_EQ(OpenAgainst(absl::StrCat(kAuthHello,
                                     "C: AUTH X-TEST\nS: 235 2.7.0 Sure\nC: QUIT\nS: 221 Bye\n")),
            Cause::kAuthFailed);
}

TEST_F(SmtpClientTest, NoAcceptableMechanismEndsTheSession) {
  FakeSasl sasl;
  options_.sasl = &sasl;
  EXPECT_EQ(OpenAgainst(absl::StrCat(kHello, "C: QUIT\nS: 221 Bye\n")), Cause::kAuthNotOffered);
}

// --- Messages

TEST_F(SmtpClientTest, SendsAMessageWithDotsStuffed) {
  const Outcomes outcomes = SendAgainst(
      "C: MAIL FROM:<ann@example.org>\nC: RCPT TO:<bob@example.com>\n"
      "S: 250 OK\nS: 250 OK\nC: DATA\nS: 354 Go\n"
      "C: Subject: x\nC: \nC: ..dot\nC: end\nC: .\nS: 250 2.0.0 Taken\nC: QUIT\nS: 221 Bye\n",
      {.message = Message({"bob@example.com"}), .content = "Subject: x\r\n\r\n.dot\r\nend\r\n"});
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].disposition, Disposition::kDelivered);
  EXPECT_EQ(outcomes[0].reply.ToString(), "250 2.0.0 Taken");
}

TEST_F(SmtpClientTest, ReportsEachRecipientOfAPipelinedEnvelope) {
  const Outcomes outcomes = SendAgainst(
      "C: MAIL FROM:<ann@example.org>\nC: RCPT TO:<a@example.com>\nC: RCPT TO:<b@example.com>\n"
      "C: RCPT TO:<c@example.com>\nC: DATA\n"
      "S: 250 OK\nS: 250 OK\nS: 550 5.1.1 Who\nS: 452 4.5.3 Later\nS: 354 Go\n"
      "C: x\nC: .\nS: 250 OK\nC: QUIT\nS: 221 Bye\n",
      {.message = Message({"a@example.com", "b@example.com", "c@example.com"}),
       .content = "x\r\n"});
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(outcomes[0].disposition, Disposition::kDelivered);
  EXPECT_EQ(outcomes[1].disposition, Disposition::kPermanentFailure);
  EXPECT_EQ(outcomes[1].stage, Stage::kRecipient);
  EXPECT_EQ(outcomes[2].disposition, Disposition::kTransientFailure);
}

TEST_F(SmtpClientTest, SendsOneMessageAfterAnother) {
  struct Steps {
    static asio::awaitable<void> Client(Stream* stream, SmtpClient* client) {
      co_await Open(client);
      for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(client->can_send());
        SmtpTransaction transaction{.message = Message({"a@example.com"}), .content = "x\r\n"};
        const Outcomes outcomes = co_await client->Send(std::move(transaction));
        EXPECT_EQ(outcomes.at(0).disposition,
                  i == 1 ? Disposition::kPermanentFailure : Disposition::kDelivered);
      }
      co_await client->Quit();
      stream->Close();
    }
  };
  const std::string envelope = "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 OK\n";
  const std::string taken = "S: 250 OK\nS: 354 Go\nC: x\nC: .\nS: 250 OK\n";
  const std::string refused = "S: 550 5.1.1 Who\nS: 503 No recipients\nC: RSET\n";
  RunToEnd(context_, Steps::Client(stream_.get(), &client()),
           PlayScript(peer_.get(), absl::StrCat(kHello, envelope, taken, envelope, refused,
                                                "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 Reset\n"
                                                "S: 250 OK\n",
                                                taken, "C: QUIT\nS: 221 Bye\n")));
  EXPECT_EQ(client().end()->cause, Cause::kQuit);
}

asio::awaitable<absl::Status> NoteAndAllow(std::string* fates) {
  *fates += '.';
  co_return absl::OkStatus();
}

// Begins `count` messages one behind the other, then leaves. `fates`: a letter for each outcome, as
// they become known.
asio::awaitable<void> BeginAllAndQuit(Stream* stream, SmtpClient* client, int count,
                                      std::string* fates) {
  co_await Open(client);
  for (int i = 0; i < count && client->can_send(); ++i) {
    SmtpTransaction transaction{.message = Message({"a@example.com"}), .content = "x\r\n"};
    transaction.before_end_of_data = [fates] { return NoteAndAllow(fates); };
    SmtpClient::OnOutcomes on_outcomes = [fates](Outcomes outcomes) {
      *fates += outcomes.at(0).disposition == Disposition::kDelivered          ? 'd'
                : outcomes.at(0).disposition == Disposition::kUnknown          ? 'u'
                : outcomes.at(0).disposition == Disposition::kPermanentFailure ? 'p'
                                                                               : 't';
    };
    co_await client->Begin(std::move(transaction), std::move(on_outcomes));
  }
  co_await client->Finish();
  *fates += '|';
  co_await client->Quit();
  stream->Close();
}

TEST_F(SmtpClientTest, NextEnvelopeGoesBehindAnUnansweredEndOfData) {
  const std::string envelope = "C: MAIL *\nC: RCPT *\nC: DATA\n";
  const std::string go = "S: 250 OK\nS: 250 OK\nS: 354 Go\nC: x\nC: .\n";
  std::string fates;
  RunToEnd(context_, BeginAllAndQuit(stream_.get(), &client(), 3, &fates),
           PlayScript(peer_.get(), absl::StrCat(kHello, envelope, go, envelope, "S: 250 Taken\n",
                                                go, envelope, "S: 550 No\n", go,
                                                "PAUSE\nS: 250 Taken\nC: QUIT\nS: 221 Bye\n")));
  // Each outcome is known before the end of data of the next one is let go.
  EXPECT_EQ(fates, ".d.p.d|");
}

TEST_F(SmtpClientTest, WithoutPipeliningTheNextEnvelopeWaitsForTheAnswer) {
  const std::string message =
      "C: MAIL *\nS: 250 OK\nC: RCPT *\nS: 250 OK\nC: DATA\nS: 354 Go\nC: x\nC: .\nPAUSE\n"
      "S: 250 OK\n";
  std::string fates;
  RunToEnd(context_, BeginAllAndQuit(stream_.get(), &client(), 2, &fates),
           PlayScript(peer_.get(), absl::StrCat("S: 220 mx\nC: EHLO *\nS: 250 mx\n", message,
                                                message, "C: QUIT\nS: 221 Bye\n")));
  EXPECT_EQ(fates, ".d.d|");
}

TEST_F(SmtpClientTest, OnlyTheMessageThatIsAllSentIsUnknownWhenTheConnectionIsLost) {
  const std::string envelope = "C: MAIL *\nC: RCPT *\nC: DATA\n";
  std::string fates;
  RunToEnd(context_, BeginAllAndQuit(stream_.get(), &client(), 3, &fates),
           PlayScript(peer_.get(), absl::StrCat(kHello, envelope,
                                                "S: 250 OK\nS: 250 OK\nS: 354 Go\nC: x\nC: .\n",
                                                envelope, "RESET\n")));
  EXPECT_EQ(fates, ".ut|");
  EXPECT_EQ(client().end()->cause, Cause::kDisconnected);
}

TEST_F(SmtpClientTest, RefusalBehindAnUnansweredEndOfDataIsToldInItsTurn) {
  const std::string envelope = "C: MAIL *\nC: RCPT *\nC: DATA\n";
  const std::string go = "S: 250 OK\nS: 250 OK\nS: 354 Go\nC: x\nC: .\n";
  std::string fates;
  RunToEnd(context_, BeginAllAndQuit(stream_.get(), &client(), 3, &fates),
           PlayScript(peer_.get(),
                      absl::StrCat(kHello, envelope, go, envelope,
                                   "S: 250 Taken\nS: 250 OK\nS: 550 Who\nS: 503 Nobody\nC: RSET\n",
                                   envelope, "S: 250 Reset\n", go,
                                   "S: 250 Taken\nC: QUIT\nS: 221 Bye\n")));
  EXPECT_EQ(fates, ".dp.d|");
}

TEST_F(SmtpClientTest, FlushWritesTheEndOfDataAtOnceAndItsAnswerHasItsOwnDeadline) {
  struct Steps {
    static asio::awaitable<void> Client(Stream* stream, SmtpClient* client, std::string* fates) {
      co_await Open(client);
      SmtpTransaction transaction{.message = Message({"a@example.com"}), .content = "x\r\n"};
      SmtpClient::OnOutcomes on_outcomes = [fates](Outcomes outcomes) {
        *fates += outcomes.at(0).disposition == Disposition::kUnknown ? 'u' : 'x';
      };
      co_await client->Begin(std::move(transaction), std::move(on_outcomes));
      co_await client->Flush();
      asio::steady_timer timer(stream->executor());
      timer.expires_after(std::chrono::milliseconds(50));
      co_await timer.async_wait(asio::use_awaitable);
      EXPECT_EQ(*fates, "");
      co_await client->Finish();
      stream->Close();
    }
  };
  options_.timeouts.end_of_data = absl::Milliseconds(100);
  std::string fates;
  RunToEnd(context_, Steps::Client(stream_.get(), &client(), &fates),
           PlayScript(peer_.get(), absl::StrCat(kHello,
                                                "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 OK\n"
                                                "S: 250 OK\nS: 354 Go\nC: x\nC: .\nEND\n")));
  EXPECT_EQ(fates, "u");
  EXPECT_EQ(client().end()->cause, Cause::kTimeout);
}

TEST_F(SmtpClientTest, MessageBegunAfterTheEndOfTheSessionIsToldSo) {
  std::string fates;
  RunToEnd(context_, BeginAllAndQuit(stream_.get(), &client(), 2, &fates),
           PlayScript(peer_.get(), absl::StrCat(kHello,
                                                "C: MAIL *\nC: RCPT *\nC: DATA\n"
                                                "S: 421 Closing\nEND\n")));
  EXPECT_EQ(fates, "t|");
  struct Steps {
    static asio::awaitable<void> Client(SmtpClient* client, size_t* count) {
      SmtpTransaction transaction{.message = Message({"a@example.com", "b@example.com"})};
      SmtpClient::OnOutcomes on_outcomes = [count](Outcomes outcomes) { *count = outcomes.size(); };
      co_await client->Begin(std::move(transaction), std::move(on_outcomes));
    }
  };
  size_t count = 0;
  context_.restart();
  RunToEnd(context_, Steps::Client(&client(), &count));
  EXPECT_EQ(count, 2u);
}

// Gives `count` pieces of lines, and waits before each.
class SlowSource : public ContentSource {
 public:
  SlowSource(asio::any_io_executor executor, int count, size_t lines)
      : timer_(executor), count_(count) {
    for (size_t i = 0; i < lines; ++i) absl::StrAppend(&piece_, ".line ", i, "\r\n");
  }
  asio::awaitable<absl::StatusOr<ContentPiece>> Next() override {
    timer_.expires_after(std::chrono::milliseconds(1));
    co_await timer_.async_wait(asio::use_awaitable);
    if (fails && count_ == 1) co_return absl::UnavailableError("the store is away");
    --count_;
    co_return ContentPiece{.bytes = piece_, .is_last = count_ == 0};
  }
  const std::string& piece() const { return piece_; }

  bool fails = false;

 private:
  asio::steady_timer timer_;
  int count_;
  std::string piece_;
};

// Reads a message's content up to its end, without its stuffed dots, and takes it.
asio::awaitable<void> TakeMessage(Stream* stream, std::string* content) {
  struct Steps {
    static asio::awaitable<void> Until(Stream* stream, std::string end, std::string* input) {
      char buffer[65536];
      while (!absl::EndsWith(*input, end)) {
        const auto count =
            co_await stream->Read(absl::MakeSpan(buffer), absl::Now() + absl::Seconds(20));
        if (!count.ok() || *count == 0) co_return;
        input->append(buffer, *count);
      }
    }
  };
  const absl::Time never = absl::InfiniteFuture();
  std::string commands;
  co_await stream->Write("220 mx\r\n", never);
  co_await Steps::Until(stream, "\r\n", &commands);
  co_await stream->Write("250-mx\r\n250 PIPELINING\r\n", never);
  co_await Steps::Until(stream, "DATA\r\n", &commands);
  co_await stream->Write("250 OK\r\n250 OK\r\n354 Go\r\n", never);
  co_await Steps::Until(stream, "\r\n.\r\n", content);
  content->erase(content->size() - 3);
  co_await stream->Write("250 OK\r\n", never);
  co_await Steps::Until(stream, "QUIT\r\n", &commands);
  co_await stream->Write("221 Bye\r\n", never);
  co_await stream->CloseGracefully();
}

TEST_F(SmtpClientTest, SendsContentThatComesInPieces) {
  SlowSource source(context_.get_executor(), 5, 20'000);
  std::string content;
  Outcomes outcomes;
  SmtpTransaction transaction{
      .message = Message({"a@example.com"}), .content = "Subject: first\r\n\r\n", .rest = &source};
  RunToEnd(context_, OpenSendAndQuit(stream_.get(), &client(), std::move(transaction), &outcomes),
           TakeMessage(peer_.get(), &content));
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kDelivered);
  std::string expected = "Subject: first\r\n\r\n";
  for (int i = 0; i < 5; ++i) expected += source.piece();
  absl::StrReplaceAll({{"\r\n.", "\r\n.."}}, &expected);
  EXPECT_TRUE(content == expected) << content.size() << " octets, not " << expected.size();
}

TEST_F(SmtpClientTest, ContentThatCannotBeHadIsNeverGivenAnEnd) {
  SlowSource source(context_.get_executor(), 2, 10);
  source.fails = true;
  const Outcomes outcomes =
      SendAgainst("C: MAIL *\nC: RCPT *\nS: 250 OK\nS: 250 OK\nC: DATA\nS: 354 Go\n",
                  {.message = Message({"a@example.com"}), .content = "", .rest = &source});
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kTransientFailure);
  EXPECT_EQ(outcomes.at(0).stage, Stage::kLocal);
  EXPECT_EQ(client().end()->cause, Cause::kAborted);
}

TEST_F(SmtpClientTest, UsesChunksWhereTheyAreOffered) {
  Outcomes outcomes;
  SmtpTransaction transaction{.message = Message({"a@example.com"}), .content = "one\r\n.two\r\n"};
  RunToEnd(context_, OpenSendAndQuit(stream_.get(), &client(), std::move(transaction), &outcomes),
           PlayScript(peer_.get(),
                      "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250-PIPELINING\nS: 250 CHUNKING\n"
                      "C: MAIL *\nC: RCPT *\nS: 250 OK\nS: 250 OK\nC: BDAT 11 LAST\nC: one\n"
                      "C: .two\nS: 250 OK\nC: QUIT\nS: 221 Bye\n"));
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kDelivered);
}

asio::awaitable<absl::Status> WaitThenAllow(asio::any_io_executor executor, bool* allowed) {
  asio::steady_timer timer(executor);
  timer.expires_after(std::chrono::milliseconds(50));
  co_await timer.async_wait(asio::use_awaitable);
  *allowed = true;
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> Forbid() { co_return absl::UnavailableError("not recorded"); }

TEST_F(SmtpClientTest, EndOfDataWaitsForItsGate) {
  bool allowed = false;
  SmtpTransaction transaction{.message = Message({"a@example.com"}), .content = "x\r\n"};
  transaction.before_end_of_data = [this, &allowed] {
    return WaitThenAllow(context_.get_executor(), &allowed);
  };
  const Outcomes outcomes = SendAgainst(
      "C: MAIL *\nC: RCPT *\nS: 250 OK\nS: 250 OK\nC: DATA\nS: 354 Go\nC: x\nC: .\nS: 250 OK\n"
      "C: QUIT\nS: 221 Bye\n",
      std::move(transaction));
  EXPECT_TRUE(allowed);
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kDelivered);
}

TEST_F(SmtpClientTest, GateThatStaysShutEndsTheSessionWithoutAnEndOfData) {
  SmtpTransaction transaction{.message = Message({"a@example.com"}), .content = "x\r\n"};
  transaction.before_end_of_data = [] { return Forbid(); };
  const Outcomes outcomes =
      SendAgainst("C: MAIL *\nC: RCPT *\nS: 250 OK\nS: 250 OK\nC: DATA\nS: 354 Go\nC: *\nEND\n",
                  std::move(transaction));
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kTransientFailure);
  EXPECT_EQ(client().end()->cause, Cause::kAborted);
  EXPECT_EQ(heard_.find("\n.\n"), std::string::npos);
}

TEST_F(SmtpClientTest, ConnectionLostAfterTheEndOfDataLeavesTheOutcomeUnknown) {
  const Outcomes outcomes = SendAgainst(
      "C: MAIL *\nC: RCPT *\nS: 250 OK\nS: 250 OK\nC: DATA\nS: 354 Go\nC: x\nC: .\nRESET\n",
      {.message = Message({"a@example.com"}), .content = "x\r\n"});
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kUnknown);
  EXPECT_EQ(client().end()->cause, Cause::kDisconnected);
  EXPECT_FALSE(client().can_send());
}

TEST_F(SmtpClientTest, NoAnswerToTheEndOfDataInTimeLeavesTheOutcomeUnknown) {
  options_.timeouts.end_of_data = absl::Milliseconds(50);
  const Outcomes outcomes = SendAgainst(
      "C: MAIL *\nC: RCPT *\nS: 250 OK\nS: 250 OK\nC: DATA\nS: 354 Go\nC: x\nC: .\nEND\n",
      {.message = Message({"a@example.com"}), .content = "x\r\n"});
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kUnknown);
  EXPECT_EQ(client().end()->cause, Cause::kTimeout);
}

TEST_F(SmtpClientTest, ConnectionLostEarlierIsATransientFailure) {
  const Outcomes outcomes = SendAgainst(
      "C: MAIL *\nC: RCPT *\nRESET\n", {.message = Message({"a@example.com"}), .content = "x\r\n"});
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kTransientFailure);
  EXPECT_EQ(outcomes.at(0).stage, Stage::kConnection);
}

TEST_F(SmtpClientTest, EveryRecipientHasAnOutcomeWhenTheSessionIsOverAlready) {
  Outcomes outcomes;
  RunToEnd(context_,
           OpenAndSend(&client(),
                       {.message = Message({"a@example.com", "b@example.com"}), .content = "x\r\n"},
                       &outcomes),
           PlayScript(peer_.get(), "S: 554 No\n"));
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[1].disposition, Disposition::kTransientFailure);
}

TEST_F(SmtpClientTest, HearsTheLastWordsOfAPeerThatHangsUpInTheMiddleOfContent) {
  SlowSource source(context_.get_executor(), 2000, 20'000);
  options_.timeouts.data_block = absl::Seconds(10);
  const Outcomes outcomes = SendAgainst(
      "C: MAIL *\nC: RCPT *\nS: 250 OK\nS: 250 OK\nC: DATA\nS: 354 Go\n"
      "S: 421 4.3.2 Going down\nRESET\n",
      {.message = Message({"a@example.com"}), .content = "", .rest = &source});
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kTransientFailure);
  EXPECT_FALSE(client().can_send());
}

TEST_F(SmtpClientTest, PeerThatStopsReadingEndsTheSessionAtTheTimeout) {
  SlowSource source(context_.get_executor(), 2000, 20'000);
  options_.timeouts.data_block = absl::Milliseconds(100);
  struct Steps {
    static asio::awaitable<void> Peer(Stream* stream, const SmtpClient* client) {
      const absl::Time never = absl::InfiniteFuture();
      char buffer[1000];
      co_await stream->Write("220 mx\r\n", never);
      co_await stream->Read(absl::MakeSpan(buffer), never);
      co_await stream->Write("250 mx\r\n", never);
      for (const char* reply : {"250 OK\r\n", "250 OK\r\n", "354 Go\r\n"}) {
        co_await stream->Read(absl::MakeSpan(buffer), never);
        co_await stream->Write(reply, never);
      }
      asio::steady_timer timer(stream->executor());
      while (!client->end().has_value()) {
        timer.expires_after(std::chrono::milliseconds(10));
        co_await timer.async_wait(asio::use_awaitable);
      }
    }
  };
  Outcomes outcomes;
  SmtpTransaction transaction{
      .message = Message({"a@example.com"}), .content = "", .rest = &source};
  RunToEnd(context_, OpenAndSend(&client(), std::move(transaction), &outcomes),
           Steps::Peer(peer_.get(), &client()));
  EXPECT_EQ(outcomes.at(0).disposition, Disposition::kTransientFailure);
  EXPECT_EQ(client().end()->cause, Cause::kTimeout);
}

// --- ETRN, ATRN

TEST_F(SmtpClientTest, AsksForMailByEtrn) {
  struct Steps {
    static asio::awaitable<void> Client(Stream* stream, SmtpClient* client) {
      co_await Open(client);
      const std::optional<smtp::Reply> reply = co_await client->Etrn("example.org");
      EXPECT_EQ(reply->code(), 253);
      co_await client->Quit();
      stream->Close();
    }
  };
  RunToEnd(context_, Steps::Client(stream_.get(), &client()),
           PlayScript(peer_.get(), absl::StrCat(kHello,
                                                "C: ETRN example.org\nS: 253 OK, 2 pending\n"
                                                "C: QUIT\nS: 221 Bye\n")));
}

TEST_F(SmtpClientTest, TurnsByAtrnAndLeavesTheStreamToTheOtherRole) {
  struct Steps {
    static asio::awaitable<void> Client(Stream* stream, SmtpClient* client) {
      co_await Open(client);
      const std::vector<smtp::DomainName> domains = {*smtp::DomainName::Parse("a.example.org"),
                                                     *smtp::DomainName::Parse("b.example.org")};
      const std::optional<smtp::Reply> reply = co_await client->Atrn(domains);
      EXPECT_EQ(reply->code(), 250);
      EXPECT_FALSE(client->can_send());
      co_await client->Quit();  // says nothing
      co_await stream->Write("220 customer\r\n", absl::InfiniteFuture());
      stream->Close();
    }
  };
  RunToEnd(context_, Steps::Client(stream_.get(), &client()),
           PlayScript(peer_.get(),
                      absl::StrCat(kHello,
                                   "C: ATRN a.example.org,b.example.org\n"
                                   "S: 250 OK now reversing the connection\nC: 220 customer\n")));
  EXPECT_EQ(client().end()->cause, Cause::kTurned);
}

TEST_F(SmtpClientTest, RefusedAtrnLeavesTheSessionAsItWas) {
  struct Steps {
    static asio::awaitable<void> Client(Stream* stream, SmtpClient* client) {
      co_await Open(client);
      std::vector<smtp::DomainName> domains;
      const std::optional<smtp::Reply> reply = co_await client->Atrn(std::move(domains));
      EXPECT_EQ(reply->code(), 453);
      co_await client->Quit();
      stream->Close();
    }
  };
  RunToEnd(context_, Steps::Client(stream_.get(), &client()),
           PlayScript(peer_.get(), absl::StrCat(kHello,
                                                "C: ATRN\nS: 453 You have no mail\n"
                                                "C: QUIT\nS: 221 Bye\n")));
  EXPECT_EQ(client().end()->cause, Cause::kQuit);
}

}  // namespace
}  // namespace turnpike::net
