#include "services/auth-service/directory/dovecot_protocol.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace turnpike::auth {
namespace {

using Kind = DovecotAnswer::Kind;

TEST(DovecotProtocolTest, FieldsSurviveAnyOctets) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string escaped = EscapeDovecotField(all);
  EXPECT_EQ(UnescapeDovecotField(escaped), all);
  for (const char c : {'\0', '\t', '\r', '\n'}) EXPECT_EQ(escaped.find(c), std::string::npos);
  EXPECT_EQ(UnescapeDovecotField("a\1"), "a\1");
}

TEST(DovecotProtocolTest, QuestionIsOneLineWhateverTheAddress) {
  EXPECT_EQ(DovecotUserQuestion(7, "ann@b.example"), "USER\t7\tann@b.example\tservice=smtp");
  const std::string question = DovecotUserQuestion(7, "a\tuid=0\nUSER\t8\tb");
  EXPECT_EQ(std::count(question.begin(), question.end(), '\t'), 3);
  EXPECT_EQ(std::count(question.begin(), question.end(), '\n'), 0);
}

TEST(DovecotProtocolTest, PasswordIsTheLastParameter) {
  EXPECT_EQ(DovecotPlainQuestion(7, "a", "b"),
            "AUTH\t7\tPLAIN\tservice=smtp\tsecured\tno-penalty\tresp=AGEAYg==");
}

TEST(DovecotProtocolTest, UserAnswers) {
  const DovecotAnswer yes = ParseDovecotUserAnswer("USER\t7\tann@b.example\tuid=1\thome=/x", 7);
  EXPECT_EQ(yes.kind, Kind::kYes);
  EXPECT_EQ(yes.user, "ann@b.example");
  EXPECT_EQ(ParseDovecotUserAnswer("NOTFOUND\t7", 7).kind, Kind::kNo);
  EXPECT_EQ(ParseDovecotUserAnswer("FAIL\t7\treason=x", 7).kind, Kind::kTryLater);
  for (const char* other : {"USER\t8\tann@b.example", "USER\t7", "NOTFOUND\t70", "SPID\t7", "",
                            "\t", "VERSION\t1\t2"}) {
    EXPECT_EQ(ParseDovecotUserAnswer(other, 7).kind, Kind::kOther) << other;
  }
}

TEST(DovecotProtocolTest, PlainAnswers) {
  const DovecotAnswer yes = ParseDovecotPlainAnswer("OK\t7\tuser=ann@b.example\thost=x", 7);
  EXPECT_EQ(yes.kind, Kind::kYes);
  EXPECT_EQ(yes.user, "ann@b.example");
  EXPECT_EQ(ParseDovecotPlainAnswer("FAIL\t7\tuser=ann@b.example", 7).kind, Kind::kNo);
  EXPECT_EQ(ParseDovecotPlainAnswer("FAIL\t7\tuser=a\ttemp", 7).kind, Kind::kTryLater);
  EXPECT_EQ(ParseDovecotPlainAnswer("OK\t8\tuser=a", 7).kind, Kind::kOther);
  EXPECT_EQ(ParseDovecotPlainAnswer("CONT\t7\t", 7).kind, Kind::kOther);
}

TEST(DovecotProtocolTest, OnlyMajorVersionOneIsKnown) {
  EXPECT_TRUE(IsKnownDovecotVersion("VERSION\t1\t2"));
  EXPECT_TRUE(IsKnownDovecotVersion("MECH\tPLAIN"));
  EXPECT_FALSE(IsKnownDovecotVersion("VERSION\t2\t0"));
}

}  // namespace
}  // namespace turnpike::auth
