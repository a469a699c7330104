#include "services/common/credentials/verifiers.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

constexpr char kArgon2[] =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
    "HhOk2Ke1PK7wQu4zIqVqsvJnVmqTUWHcM3MbXmRGcKk";

std::string Scram(absl::string_view iterations) {
  const std::string key = ToBase64(std::string(32, 'k'));
  return absl::StrCat("SCRAM-SHA-256$", iterations, ":", ToBase64("0123456789abcdef"), "$", key,
                      ":", key);
}

TEST(VerifiersTest, PasswordServesScramAndCramMd5Too) {
  const absl::StatusOr<Verifiers> verifiers = ParseVerifiers("{PLAIN}{PLAIN} pass word ");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_EQ(verifiers->password, "{PLAIN} pass word ");
  EXPECT_TRUE(verifiers->has_scram(HashKind::kSha256));
  EXPECT_TRUE(verifiers->cram_md5.has_value());
}

TEST(VerifiersTest, Argon2ServesClearTextMechanismsOnly) {
  const absl::StatusOr<Verifiers> verifiers = ParseVerifiers(kArgon2);
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_EQ(verifiers->argon2, kArgon2);
  EXPECT_FALSE(verifiers->has_scram(HashKind::kSha256));
  EXPECT_FALSE(verifiers->cram_md5.has_value());
}

TEST(VerifiersTest, ScramIsReadAsPostgresqlKeepsIt) {
  const absl::StatusOr<Verifiers> verifiers = ParseVerifiers(Scram("4096"));
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_EQ(verifiers->scram_sha256->iterations, 4096);
  EXPECT_EQ(verifiers->scram_sha256->salt, "0123456789abcdef");
  EXPECT_EQ(verifiers->scram_sha256->stored_key, std::string(32, 'k'));
}

// [RFC7677 3]; the keys are those that its exchange shows to be right (sasl_scram_test.cc).
TEST(VerifiersTest, ScramKeysAreMadeFromThePassword) {
  const std::string salt = *FromBase64("W22ZaJ0SNY7soEsUEjb6gQ==");
  const ScramVerifier verifier = MakeScramVerifier(HashKind::kSha256, "pencil", salt, 4096);
  EXPECT_EQ(ToBase64(verifier.stored_key), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
  EXPECT_EQ(ToBase64(verifier.server_key), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

// [RFC5802 5]
TEST(VerifiersTest, ScramWithSha1IsReadAsItIsWritten) {
  const std::string salt = *FromBase64("QSXCR+Q6sek8bf92");
  const ScramVerifier made = MakeScramVerifier(HashKind::kSha1, "pencil", salt, 4096);
  EXPECT_EQ(ToBase64(made.stored_key), "6dlGYMOdZcOPutkcNY8U2g7vK9Y=");
  EXPECT_EQ(ToBase64(made.server_key), "D+CSWLOshSulAsxiupA+qs2/fTE=");
  const absl::StatusOr<Verifiers> read = ParseVerifiers(FormatScramVerifier(made));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(read->scram_sha1.has_value());
  EXPECT_EQ(read->scram_sha1->stored_key, made.stored_key);
  EXPECT_EQ(read->scram_sha1->server_key, made.server_key);
  EXPECT_TRUE(read->has_scram(HashKind::kSha1));
  EXPECT_FALSE(read->has_scram(HashKind::kSha256));
}

TEST(VerifiersTest, OneVerifierALineForDifferentMechanisms) {
  const std::string cram = absl::StrCat("{CRAM-MD5}", std::string(64, 'a'));
  const absl::StatusOr<Verifiers> verifiers =
      ParseVerifiers(absl::StrCat(kArgon2, "\r\n", Scram("5000"), "\n\n", cram, "\n"));
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_TRUE(verifiers->argon2.has_value());
  EXPECT_TRUE(verifiers->scram_sha256.has_value());
  EXPECT_TRUE(verifiers->cram_md5.has_value());
  EXPECT_FALSE(verifiers->password.has_value());
}

TEST(VerifiersTest, BadTextsAreRefusedWithoutRepeatingThem) {
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("hunter2"), std::string("{PLAIN}"),
        std::string("{SHA512}hunter2"), std::string("{CRAM-MD5}hunter2"),
        std::string("$argon2id$hunter2"), std::string("$2y$10$hunter2"),
        std::string("SCRAM-SHA-256$hunter2"), Scram("4095"), Scram("10000001"), Scram("x"),
        std::string("{PLAIN}hunter2\n{PLAIN}hunter2"),
        absl::StrCat("{PLAIN}", std::string(1025, 'x')),
        absl::StrCat(kArgon2, std::string(60, 'A')),
        std::string("$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo")}) {
    const absl::Status status = ParseVerifiers(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_FALSE(absl::StrContains(status.message(), "hunter2")) << status;
  }
}

}  // namespace
}  // namespace turnpike::auth
