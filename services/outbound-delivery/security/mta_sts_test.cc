#include "services/outbound-delivery/security/mta_sts.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr char kPolicy[] =
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\n"
    "max_age: 604800\r\n";

TEST(ReadStsRecordTest, IdIsFoundAmongOtherFields) {
  EXPECT_THAT(ReadStsRecord({"v=STSv1; id=20160831085700Z;"}),
              Optional(std::string("20160831085700Z")));
  EXPECT_THAT(ReadStsRecord({"v=spf1 -all", "v=STSv1;id=1;ext=a,b"}), Optional(std::string("1")));
  EXPECT_THAT(ReadStsRecord({"v=STSv1 ; x=y ; id=2 ; id=3"}), Optional(std::string("2")));
}

TEST(ReadStsRecordTest, DoubtfulRecordsAnnounceNothing) {
  EXPECT_EQ(ReadStsRecord({}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({"v=STSv1;"}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({"v=STSv1; id="}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({"v=STSv1; id=with-hyphen"}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({"v=STSv1; id=" + std::string(33, '1')}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({"v=STSv12; id=1"}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({"v=STSv1; id=1; novalue"}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({" v=STSv1; id=1"}), std::nullopt);
  EXPECT_EQ(ReadStsRecord({"v=STSv1; id=1", "v=STSv1; id=2"}), std::nullopt);
}

TEST(ReadStsPolicyTest, FieldsAreRead) {
  const absl::StatusOr<StsPolicy> policy = ReadStsPolicy(kPolicy);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->mode, StsPolicy::Mode::kEnforce);
  EXPECT_EQ(policy->age_max, absl::Hours(24 * 7));
  EXPECT_THAT(policy->mx, ElementsAre("mail.example.com", "*.example.net"));
}

TEST(ReadStsPolicyTest, FirstOfAFieldCountsAndUnknownOnesArePassedOver) {
  const absl::StatusOr<StsPolicy> policy = ReadStsPolicy(
      "version: STSv1\nmode: testing\nmode: enforce\nnote: x: y\nmax_age:99999999999"
      "\nmax_age: 1\nmx:a.example\n");
  EXPECT_THAT(policy.status().message(), HasSubstr("max_age"));
  EXPECT_EQ(ReadStsPolicy("version: STSv1\nmode: testing\nmode: enforce\nmax_age: 9999999999\n"
                          "mx: a.example")
                .value_or(StsPolicy())
                .age_max,
            kStsAgeMax);
}

TEST(ReadStsPolicyTest, ModeNoneNeedsNoHost) {
  EXPECT_TRUE(ReadStsPolicy("version: STSv1\nmode: none\nmax_age: 60\n").ok());
  EXPECT_FALSE(ReadStsPolicy("version: STSv1\nmode: enforce\nmax_age: 60\n").ok());
}

TEST(ReadStsPolicyTest, BrokenPoliciesAreRefused) {
  for (const char* text :
       {"", "<html>", "version: STSv2\nmode: none\nmax_age: 60\n",
        "version: STSv1\nmode: maybe\nmax_age: 60\nmx: a.example\n",
        "version: STSv1\nmode: enforce\nmax_age: -1\nmx: a.example\n",
        "version: STSv1\nmode: enforce\nmax_age: 60\nmx: *\n",
        "version: STSv1\nmode: enforce\nmax_age: 60\nmx: a.*.example\n", "version: STSv1\nmode"}) {
    EXPECT_FALSE(ReadStsPolicy(text).ok()) << text;
  }
  EXPECT_FALSE(ReadStsPolicy(std::string(kStsPolicyBytesMax + 1, '\n')).ok());
}

TEST(StsPolicyTest, WildcardStandsForOneLabel) {
  const StsPolicy policy = ReadStsPolicy(kPolicy).value_or(StsPolicy());
  EXPECT_TRUE(policy.AllowsHost("MAIL.example.com"));
  EXPECT_TRUE(policy.AllowsHost("a.example.net"));
  EXPECT_FALSE(policy.AllowsHost("example.net"));
  EXPECT_FALSE(policy.AllowsHost(".example.net"));
  EXPECT_FALSE(policy.AllowsHost("a.b.example.net"));
  EXPECT_FALSE(policy.AllowsHost("a.mail.example.com"));
}

}  // namespace
}  // namespace turnpike::delivery
