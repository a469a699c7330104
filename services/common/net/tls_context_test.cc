#include "services/common/net/tls_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <fstream>
#include <string>

#include "services/common/net/testing/test_certificate.h"

namespace turnpike::net {
namespace {

using ::testing::HasSubstr;

std::string WriteFile(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

TEST(TlsContextTest, SpeaksTls12AndLaterOnly) {
  const auto files = testing::MakeCertificate("good", "mx.example.org");
  const auto server = TlsContext::ForServer(
      {.certificate_file = files.certificate_file, .key_file = files.key_file});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(SSL_CTX_get_min_proto_version((*server)->native()), TLS1_2_VERSION);
  const auto client = TlsContext::ForUnverifyingClient();
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(SSL_CTX_get_min_proto_version((*client)->native()), TLS1_2_VERSION);
  EXPECT_FALSE((*client)->verifies_peer());
}

TEST(TlsContextTest, OffersNoCipherWithoutAuthenticationOrEncryption) {
  const auto client = TlsContext::ForUnverifyingClient();
  ASSERT_TRUE(client.ok()) << client.status();
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers((*client)->native());
  ASSERT_GT(sk_SSL_CIPHER_num(ciphers), 5);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    EXPECT_NE(SSL_CIPHER_get_auth_nid(cipher), NID_auth_null) << SSL_CIPHER_get_name(cipher);
    EXPECT_GE(SSL_CIPHER_get_bits(cipher, nullptr), 128) << SSL_CIPHER_get_name(cipher);
  }
}

TEST(TlsContextTest, VerifyingClientHasTheSystemsAuthorities) {
  const auto client = TlsContext::ForVerifyingClient("");
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE((*client)->verifies_peer());
}

TEST(TlsContextTest, MissingFileIsNotFoundByItsName) {
  const auto files = testing::MakeCertificate("good", "mx.example.org");
  const auto no_certificate =
      TlsContext::ForServer({.certificate_file = "/no/such.crt", .key_file = files.key_file});
  EXPECT_EQ(no_certificate.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(no_certificate.status().message()), HasSubstr("/no/such.crt"));
  const auto no_key = TlsContext::ForServer(
      {.certificate_file = files.certificate_file, .key_file = "/no/such.key"});
  EXPECT_THAT(std::string(no_key.status().message()), HasSubstr("/no/such.key"));
  EXPECT_EQ(TlsContext::ForVerifyingClient("/no/such.pem").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(TlsContextTest, FileWithSomethingElseIsInvalidByItsName) {
  const auto files = testing::MakeCertificate("good", "mx.example.org");
  const std::string junk = WriteFile("junk.pem", "not PEM\n");
  const auto bad_certificate =
      TlsContext::ForServer({.certificate_file = junk, .key_file = files.key_file});
  EXPECT_EQ(bad_certificate.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad_certificate.status().message()), HasSubstr(junk));
  const auto bad_key =
      TlsContext::ForServer({.certificate_file = files.certificate_file, .key_file = junk});
  EXPECT_EQ(bad_key.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad_key.status().message()), HasSubstr(junk));
  EXPECT_EQ(TlsContext::ForVerifyingClient(junk).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TlsContextTest, KeyOfAnotherCertificateIsInvalid) {
  const auto files = testing::MakeCertificate("good", "mx.example.org");
  const auto other = testing::MakeCertificate("other", "mx.example.org");
  const auto context = TlsContext::ForServer(
      {.certificate_file = files.certificate_file, .key_file = other.key_file});
  EXPECT_EQ(context.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(context.status().message()), HasSubstr(other.key_file));
}

}  // namespace
}  // namespace turnpike::net
