#include "services/common/credentials/verifier_lines.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <string>

#include "absl/status/status.h"
#include "services/common/credentials/cram_md5_states.h"
#include "services/common/credentials/verifiers.h"

namespace turnpike::auth {
namespace {

constexpr char kPassword[] = "correct horse {PLAIN}";

TEST(VerifierLinesTest, Argon2LineIsReadAndVerifiesThePassword) {
  const absl::StatusOr<std::string> line = MakeArgon2Line(kPassword);
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->rfind("$argon2id$v=19$m=19456,t=2,p=1$", 0), 0u) << *line;
  const absl::StatusOr<Verifiers> verifiers = ParseVerifiers(*line);
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  const std::string& phc = *verifiers->argon2;
  EXPECT_EQ(crypto_pwhash_str_verify(phc.c_str(), kPassword, sizeof(kPassword) - 1), 0);
  EXPECT_NE(crypto_pwhash_str_verify(phc.c_str(), "wrong", 5), 0);
}

TEST(VerifierLinesTest, ScramLinesAreReadAndHoldThePasswordsKeys) {
  for (const HashKind hash : {HashKind::kSha256, HashKind::kSha1}) {
    const absl::StatusOr<std::string> line = MakeScramLine(hash, kPassword, 4096);
    ASSERT_TRUE(line.ok()) << line.status();
    const absl::StatusOr<Verifiers> verifiers = ParseVerifiers(*line);
    ASSERT_TRUE(verifiers.ok()) << verifiers.status();
    const ScramVerifier& verifier = *verifiers->scram(hash);
    EXPECT_EQ(verifier.salt.size(), 16u);
    EXPECT_EQ(verifier.iterations, 4096);
    const ScramVerifier made = MakeScramVerifier(hash, kPassword, verifier.salt, 4096);
    EXPECT_EQ(made.stored_key, verifier.stored_key);
    EXPECT_EQ(made.server_key, verifier.server_key);
  }
}

TEST(VerifierLinesTest, ScramLineIsOfThePasswordAsClientsPrepareIt) {
  // [RFC4013 3] the soft hyphen is mapped to nothing, the Roman numeral to letters.
  const absl::StatusOr<std::string> line =
      MakeScramLine(HashKind::kSha256, "I\xc2\xadX\xe2\x85\xa8", 4096);
  ASSERT_TRUE(line.ok()) << line.status();
  const ScramVerifier verifier = *ParseVerifiers(*line)->scram_sha256;
  EXPECT_EQ(MakeScramVerifier(HashKind::kSha256, "IXIX", verifier.salt, 4096).stored_key,
            verifier.stored_key);
  // [RFC4013 3] a mixture of directions is an error.
  EXPECT_TRUE(absl::IsInvalidArgument(MakeScramLine(HashKind::kSha256,
                                                    "\xd8\xa7"
                                                    "1",
                                                    4096)
                                          .status()));
}

TEST(VerifierLinesTest, CramMd5LineIsReadAndAnswersTheChallenge) {
  const absl::StatusOr<Verifiers> verifiers = ParseVerifiers(MakeCramMd5Line("tanstaaftanstaaf"));
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  // [RFC2195 2]
  EXPECT_EQ(CramMd5Digest(*verifiers->cram_md5, "<1896.697170952@postoffice.reston.mci.net>"),
            "b913a602c7eda7a495b4e6e7334d3890");
}

TEST(VerifierLinesTest, EveryLineHasSaltOfItsOwn) {
  EXPECT_NE(*MakeArgon2Line("x"), *MakeArgon2Line("x"));
  EXPECT_NE(*MakeScramLine(HashKind::kSha1, "x", 4096), *MakeScramLine(HashKind::kSha1, "x", 4096));
}

TEST(VerifierLinesTest, PasswordsThatCannotBeSentAreRefusedWithoutRepeatingThem) {
  EXPECT_TRUE(CheckNewPassword("p\xc3\xa4ss word").ok());
  for (const std::string& password :
       {std::string(), std::string("hunter2\n"), std::string("hunter2\0", 8),
        std::string("hunter2\xff"), std::string(1025, 'x')}) {
    const absl::Status status = CheckNewPassword(password);
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_EQ(status.message().find("hunter2"), std::string::npos);
  }
}

}  // namespace
}  // namespace turnpike::auth
