// Streams by TLS.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/stream.h"
#include "services/common/net/testing/run.h"
#include "services/common/net/testing/socket_pair.h"
#include "services/common/net/testing/test_certificate.h"
#include "services/common/net/tls_context.h"

namespace turnpike::net {
namespace {

using testing::RunToEnd;
using Context = std::shared_ptr<const TlsContext>;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

Context Valid(absl::StatusOr<Context> context) {
  EXPECT_TRUE(context.ok()) << context.status();
  return context.ok() ? *std::move(context) : nullptr;
}

asio::awaitable<void> ShakeHandsAsServer(Stream* stream, Context context, absl::Status* result,
                                         absl::Time deadline = Soon()) {
  *result = co_await stream->StartTlsAsServer(std::move(context), deadline);
}

asio::awaitable<void> ShakeHandsAsClient(Stream* stream, Context context, TlsPeer peer,
                                         absl::Status* result) {
  *result = co_await stream->StartTlsAsClient(std::move(context), std::move(peer), Soon());
}

// A DANE-EE record with the SHA-256 digest of a PEM file's certificate.
TlsaRecord TlsaOf(const std::string& certificate_file) {
  FILE* file = fopen(certificate_file.c_str(), "r");
  X509* certificate = PEM_read_X509(file, nullptr, nullptr, nullptr);
  fclose(file);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EXPECT_EQ(X509_digest(certificate, EVP_sha256(), digest, &size), 1);
  X509_free(certificate);
  return {.usage = 3,
          .selector = 0,
          .matching_type = 1,
          .data = std::string(reinterpret_cast<char*>(digest), size)};
}

asio::awaitable<void> Write(Stream* stream, std::string bytes) {
  const absl::Status status = co_await stream->Write(bytes, Soon());
  EXPECT_TRUE(status.ok()) << status;
}

// What each Read brought, until the end.
asio::awaitable<void> ReadAll(Stream* stream, std::vector<std::string>* reads, absl::Status* end) {
  char buffer[20'000];
  while (true) {
    const absl::StatusOr<size_t> count = co_await stream->Read(absl::MakeSpan(buffer), Soon());
    *end = count.status();
    if (!count.ok() || *count == 0) co_return;
    reads->emplace_back(buffer, *count);
  }
}

asio::awaitable<void> WriteAndCloseGracefully(Stream* stream, std::string bytes) {
  co_await Write(stream, std::move(bytes));
  co_await stream->CloseGracefully();
}

asio::awaitable<void> WriteAndClose(Stream* stream, std::string bytes) {
  co_await Write(stream, std::move(bytes));
  stream->Close();
}

class StreamTlsTest : public ::testing::Test {
 protected:
  StreamTlsTest()
      : certificate_(testing::MakeCertificate("server", "mx.example.org")),
        server_context_(
            Valid(TlsContext::ForServer({.certificate_file = certificate_.certificate_file,
                                         .key_file = certificate_.key_file}))),
        client_context_(Valid(TlsContext::ForUnverifyingClient())) {
    auto [server, client] = testing::ConnectedSockets(context_);
    server_ = std::make_unique<Stream>(std::move(server));
    client_ = std::make_unique<Stream>(std::move(client));
  }

  void ShakeHands() {
    absl::Status at_server;
    absl::Status at_client;
    RunToEnd(context_, ShakeHandsAsServer(server_.get(), server_context_, &at_server),
             ShakeHandsAsClient(client_.get(), client_context_, {.server_name = "mx.example.org"},
                                &at_client));
    ASSERT_TRUE(at_server.ok()) << at_server;
    ASSERT_TRUE(at_client.ok()) << at_client;
  }

  // The client's result of a handshake with this trust and name.
  absl::Status Verify(const std::string& authorities_file, const std::string& name) {
    absl::Status at_server;
    absl::Status at_client;
    Context context = Valid(TlsContext::ForVerifyingClient(authorities_file));
    RunToEnd(context_, ShakeHandsAsServer(server_.get(), server_context_, &at_server),
             ShakeHandsAsClient(client_.get(), context, {.server_name = name}, &at_client));
    return at_client;
  }

  // The same with the peer's TLSA records.
  absl::Status VerifyByDane(TlsPeer peer) {
    absl::Status at_server;
    absl::Status at_client;
    Context context = Valid(TlsContext::ForDaneClient());
    RunToEnd(context_, ShakeHandsAsServer(server_.get(), server_context_, &at_server),
             ShakeHandsAsClient(client_.get(), context, std::move(peer), &at_client));
    return at_client;
  }

  // A second connection between the same two.
  void Reconnect() {
    auto [server, client] = testing::ConnectedSockets(context_);
    server_ = std::make_unique<Stream>(std::move(server));
    client_ = std::make_unique<Stream>(std::move(client));
  }

  // Handshakes under a session key, and reads what the server sends with its tickets.
  void ShakeHandsAndRead(const std::string& session_key) {
    absl::Status at_server;
    absl::Status at_client;
    RunToEnd(context_, ShakeHandsAsServer(server_.get(), server_context_, &at_server),
             ShakeHandsAsClient(client_.get(), client_context_,
                                {.server_name = "mx.example.org", .session_key = session_key},
                                &at_client));
    ASSERT_TRUE(at_client.ok()) << at_client;
    std::vector<std::string> reads;
    absl::Status end;
    RunToEnd(context_, WriteAndCloseGracefully(server_.get(), "220 mx"),
             ReadAll(client_.get(), &reads, &end));
  }

  asio::io_context context_;
  const testing::TestCertificate certificate_;
  const Context server_context_;
  const Context client_context_;
  std::unique_ptr<Stream> server_;
  std::unique_ptr<Stream> client_;
};

std::string Joined(const std::vector<std::string>& reads) {
  std::string all;
  for (const std::string& read : reads) all += read;
  return all;
}

TEST_F(StreamTlsTest, CarriesMuchAndReportsTheEnd) {
  ShakeHands();
  const std::string much(5'000'000, 'm');
  std::vector<std::string> reads;
  absl::Status end;
  RunToEnd(context_, WriteAndCloseGracefully(server_.get(), much),
           ReadAll(client_.get(), &reads, &end));
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_EQ(Joined(reads), much);
}

TEST_F(StreamTlsTest, TlsaRecordDescribesTheCertificate) {
  const TlsaRecord record = TlsaOf(certificate_.certificate_file);
  // DANE-EE: the name does not count.
  const absl::Status status = VerifyByDane({.server_name = "mx.other.example", .tlsa = {record}});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(client_->tls_facts().peer_verified);
}

TEST_F(StreamTlsTest, OneOfSeveralTlsaRecordsIsEnough) {
  TlsaRecord other = TlsaOf(certificate_.certificate_file);
  other.data[0] = static_cast<char>(other.data[0] ^ 1);
  const absl::Status status = VerifyByDane(
      {.server_name = "mx.example.org", .tlsa = {other, TlsaOf(certificate_.certificate_file)}});
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(StreamTlsTest, OtherCertificateThanTheTlsaRecordsIsRefused) {
  TlsaRecord other = TlsaOf(certificate_.certificate_file);
  other.data[0] = static_cast<char>(other.data[0] ^ 1);
  EXPECT_EQ(VerifyByDane({.server_name = "mx.example.org", .tlsa = {other}}).code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(StreamTlsTest, DaneWithoutAUsableRecordIsAnError) {
  absl::Status result;
  RunToEnd(context_, ShakeHandsAsClient(client_.get(), Valid(TlsContext::ForDaneClient()),
                                        {.server_name = "mx.example.org"}, &result));
  EXPECT_EQ(result.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StreamTlsTest, SessionIsResumedUnderTheSameKeyOnly) {
  ShakeHandsAndRead("mx [192.0.2.1]:25");
  EXPECT_FALSE(client_->tls_facts().is_resumed);
  Reconnect();
  ShakeHandsAndRead("mx [192.0.2.2]:25");
  EXPECT_FALSE(client_->tls_facts().is_resumed);
  Reconnect();
  ShakeHandsAndRead("mx [192.0.2.1]:25");
  EXPECT_TRUE(client_->tls_facts().is_resumed);
  Reconnect();
  ShakeHandsAndRead("");
  EXPECT_FALSE(client_->tls_facts().is_resumed);
}

TEST_F(StreamTlsTest, BothSidesKnowTheSameFacts) {
  EXPECT_FALSE(server_->has_tls());
  EXPECT_EQ(server_->tls_facts().protocol, "");
  ShakeHands();
  EXPECT_TRUE(server_->has_tls());
  const TlsFacts& server = server_->tls_facts();
  const TlsFacts& client = client_->tls_facts();
  EXPECT_EQ(server.protocol, "TLSv1.3");
  EXPECT_EQ(client.protocol, "TLSv1.3");
  EXPECT_EQ(server.cipher, client.cipher);
  EXPECT_EQ(server.exporter_binding.size(), 32u);
  EXPECT_EQ(server.exporter_binding, client.exporter_binding);
  EXPECT_EQ(server.server_end_point_binding.size(), 32u);
  EXPECT_EQ(server.server_end_point_binding, client.server_end_point_binding);
  EXPECT_EQ(server.peer_subject, "");
  EXPECT_EQ(client.peer_subject, "CN=mx.example.org");
  EXPECT_FALSE(client.peer_verified);
}

TEST_F(StreamTlsTest, TakesTheHandshakeThatIsInTheSocketAlready) {
  absl::Status at_server;
  absl::Status at_client;
  struct Steps {
    static asio::awaitable<void> Later(Stream* stream, Context context, absl::Status* result) {
      asio::steady_timer timer(stream->executor());
      timer.expires_after(std::chrono::milliseconds(50));
      co_await timer.async_wait(asio::use_awaitable);
      co_await ShakeHandsAsServer(stream, std::move(context), result);
    }
  };
  RunToEnd(context_, ShakeHandsAsClient(client_.get(), client_context_, {}, &at_client),
           Steps::Later(server_.get(), server_context_, &at_server));
  EXPECT_TRUE(at_server.ok()) << at_server;
  EXPECT_TRUE(at_client.ok()) << at_client;
}

TEST_F(StreamTlsTest, ClearTextIsNeverTakenForTls) {
  absl::Status result;
  RunToEnd(context_, Write(client_.get(), "MAIL FROM:<eve@example.org>\r\n"),
           ShakeHandsAsServer(server_.get(), server_context_, &result));
  EXPECT_EQ(result.code(), absl::StatusCode::kFailedPrecondition) << result;
  EXPECT_TRUE(server_->has_tls());
  std::vector<std::string> reads;
  absl::Status end;
  RunToEnd(context_, ReadAll(server_.get(), &reads, &end));
  EXPECT_TRUE(reads.empty());
  EXPECT_FALSE(end.ok());
}

TEST_F(StreamTlsTest, HandshakeEndsAtItsDeadlineWhenThePeerIsSilent) {
  absl::Status result;
  RunToEnd(context_, ShakeHandsAsServer(server_.get(), server_context_, &result,
                                        absl::Now() + absl::Milliseconds(50)));
  EXPECT_EQ(result.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StreamTlsTest, HandshakeWithAPeerThatHangsUpIsUnavailable) {
  absl::Status result;
  client_->Close();
  RunToEnd(context_, ShakeHandsAsServer(server_.get(), server_context_, &result));
  EXPECT_EQ(result.code(), absl::StatusCode::kUnavailable) << result;
}

TEST_F(StreamTlsTest, VerifiesTheNameAndTheAuthority) {
  EXPECT_TRUE(Verify(certificate_.certificate_file, "mx.example.org").ok());
  EXPECT_TRUE(client_->tls_facts().peer_verified);
}

TEST_F(StreamTlsTest, VerifiesAnAddress) {
  EXPECT_TRUE(Verify(certificate_.certificate_file, "127.0.0.1").ok());
}

TEST_F(StreamTlsTest, WrongNameIsUnauthenticated) {
  EXPECT_EQ(Verify(certificate_.certificate_file, "mx.example.com").code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(StreamTlsTest, UnknownAuthorityIsUnauthenticated) {
  const auto other = testing::MakeCertificate("other", "mx.example.org");
  EXPECT_EQ(Verify(other.certificate_file, "mx.example.org").code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(StreamTlsTest, VerifyingWithoutANameIsInvalid) {
  absl::Status result;
  RunToEnd(context_,
           ShakeHandsAsClient(client_.get(),
                              Valid(TlsContext::ForVerifyingClient(certificate_.certificate_file)),
                              {}, &result));
  EXPECT_EQ(result.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StreamTlsTest, TruncationIsNotAnOrderlyEnd) {
  ShakeHands();
  std::vector<std::string> reads;
  absl::Status end;
  RunToEnd(context_, WriteAndClose(server_.get(), "cut"), ReadAll(client_.get(), &reads, &end));
  EXPECT_EQ(Joined(reads), "cut");
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable) << end;
}

// A Read never brings more than one record, so the reads show the records.
TEST_F(StreamTlsTest, WritesOneLineInARecordWhereThatIsAsked) {
  ShakeHands();
  server_->set_one_line_per_record(true);
  std::string text;
  std::vector<std::string> lines;
  for (int i = 0; i < 20'000; ++i) {
    lines.push_back(absl::StrCat("line ", i, "\r\n"));
    text += lines.back();
  }
  lines.push_back("no end of line");
  text += lines.back();
  std::vector<std::string> reads;
  absl::Status end;
  RunToEnd(context_, WriteAndCloseGracefully(server_.get(), text),
           ReadAll(client_.get(), &reads, &end));
  EXPECT_TRUE(end.ok()) << end;
  EXPECT_EQ(reads, lines);
}

TEST_F(StreamTlsTest, GathersLinesInLargeRecordsOtherwise) {
  ShakeHands();
  std::string text;
  for (int i = 0; i < 20'000; ++i) absl::StrAppend(&text, "line ", i, "\r\n");
  std::vector<std::string> reads;
  absl::Status end;
  RunToEnd(context_, WriteAndCloseGracefully(server_.get(), text),
           ReadAll(client_.get(), &reads, &end));
  EXPECT_EQ(Joined(reads), text);
  EXPECT_LE(reads.size(), text.size() / (16 * 1024) + 1);
}

TEST_F(StreamTlsTest, WriteEndsAtItsDeadlineWhenThePeerDoesNotRead) {
  ShakeHands();
  absl::Status result;
  struct Steps {
    static asio::awaitable<void> Flood(Stream* stream, absl::Status* result) {
      const std::string bytes(1 << 20, 'x');
      do {
        *result = co_await stream->Write(bytes, absl::Now() + absl::Milliseconds(50));
      } while (result->ok());
    }
  };
  RunToEnd(context_, Steps::Flood(server_.get(), &result));
  EXPECT_EQ(result.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StreamTlsTest, BothSidesMayTalkAtOnce) {
  ShakeHands();
  const std::string much(2'000'000, 'm');
  struct Steps {
    // Reads as much as is to come, without waiting for the end.
    static asio::awaitable<void> Read(Stream* stream, size_t bytes, std::string* all) {
      char buffer[20'000];
      while (all->size() < bytes) {
        const absl::StatusOr<size_t> count = co_await stream->Read(absl::MakeSpan(buffer), Soon());
        EXPECT_TRUE(count.ok()) << count.status();
        if (!count.ok() || *count == 0) co_return;
        all->append(buffer, *count);
      }
    }
  };
  std::string client_all;
  std::string server_all;
  RunToEnd(context_, Write(server_.get(), much), Write(client_.get(), much),
           Steps::Read(client_.get(), much.size(), &client_all),
           Steps::Read(server_.get(), much.size(), &server_all));
  EXPECT_EQ(client_all, much);
  EXPECT_EQ(server_all, much);
}

}  // namespace
}  // namespace turnpike::net
