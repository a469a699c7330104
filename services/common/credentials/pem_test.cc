#include "services/common/credentials/pem.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/net/testing/test_certificate.h"

namespace turnpike::auth {
namespace {

struct Pair {
  std::string certificate;
  std::string key;
};

Pair Make(const std::string& name) {
  const net::testing::TestCertificate files = net::testing::MakeCertificate(name, "host.example");
  return {.certificate = *base::ReadFile(files.certificate_file, 1 << 20),
          .key = *base::ReadFile(files.key_file, 1 << 20)};
}

std::string ErrorOf(const std::string& pem) {
  return std::string(ParseCertificates(pem).status().message());
}

TEST(PemTest, AllCertificatesAreThereAndOtherBlocksPassedOver) {
  const Pair one = Make("one");
  const Pair two = Make("two");
  const auto certificates =
      ParseCertificates("comment\n" + one.certificate + one.key + two.certificate + "\nend\n");
  ASSERT_TRUE(certificates.ok()) << certificates.status();
  EXPECT_EQ(certificates->size(), 2u);
}

TEST(PemTest, WhatIsCutOffOrDamagedIsAnError) {
  const Pair pair = Make("one");
  EXPECT_EQ(ErrorOf(""), "holds no certificate in PEM");
  EXPECT_EQ(ErrorOf("no PEM\n"), "holds no certificate in PEM");
  EXPECT_EQ(ErrorOf(pair.key), "holds no certificate in PEM");
  const std::string half = pair.certificate.substr(0, pair.certificate.size() / 2);
  EXPECT_EQ(ErrorOf(half), "certificate 1 is damaged or cut off");
  EXPECT_EQ(ErrorOf(pair.certificate + half), "certificate 2 is damaged or cut off");
  std::string damaged = pair.certificate;
  damaged[damaged.size() / 2] = '!';
  EXPECT_EQ(ErrorOf(pair.certificate + damaged), "certificate 2 is damaged or cut off");
}

TEST(PemTest, KeyIsThatOfItsCertificateOnly) {
  const Pair one = Make("one");
  const Pair two = Make("two");
  const auto certificates = ParseCertificates(one.certificate);
  ASSERT_TRUE(certificates.ok());
  EXPECT_TRUE(IsKeyOf(*ParsePrivateKey(one.key), certificates->front()));
  EXPECT_FALSE(IsKeyOf(*ParsePrivateKey(two.key), certificates->front()));
  EXPECT_EQ(ParsePrivateKey(one.certificate).status().message(),
            "holds no private key in PEM without a password");
}

TEST(PemTest, SaysFromWhenToWhenACertificateIsGood) {
  const auto certificates = ParseCertificates(Make("one").certificate);
  ASSERT_TRUE(certificates.ok());
  const std::optional<Validity> validity = ValidityOf(certificates->front());
  ASSERT_TRUE(validity.has_value());
  const absl::Time now = absl::Now();
  EXPECT_GT(validity->begin, now - absl::Hours(25));
  EXPECT_LT(validity->begin, now);
  EXPECT_GT(validity->end, now);
  EXPECT_LT(validity->end, now + absl::Hours(25));
}

}  // namespace
}  // namespace turnpike::auth
