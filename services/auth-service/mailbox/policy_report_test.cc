#include "services/auth-service/mailbox/policy_report.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::auth {
namespace {

// As Dovecot 2.3 sends it.
constexpr char kReport[] =
    R"({"device_id":"","login":"ann@b.example","protocol":"pop3","pwhash":"0a1b",)"
    R"("remote":"192.0.2.1","success":true,"policy_reject":false,"tls":false,)"
    R"("attrs":{"cos":null},"fail_type":"credentials"})";

std::string With(const std::string& from, const std::string& to) {
  std::string report = kReport;
  return report.replace(report.find(from), from.size(), to);
}

TEST(PolicyReportTest, LoginByPopOrImapIsAMailboxLogin) {
  const auto report = ParsePolicyReport(kReport);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->login, "ann@b.example");
  EXPECT_EQ(report->remote, "192.0.2.1");
  EXPECT_TRUE(report->is_mailbox_login);
  EXPECT_TRUE(ParsePolicyReport(With("pop3", "imap"))->is_mailbox_login);
}

TEST(PolicyReportTest, FailuresAndOtherServicesAreNoMailboxLogin) {
  EXPECT_FALSE(ParsePolicyReport(With("pop3", "smtp"))->is_mailbox_login);
  EXPECT_FALSE(ParsePolicyReport(With("success\":true", "success\":false"))->is_mailbox_login);
  EXPECT_FALSE(ParsePolicyReport(With("reject\":false", "reject\":true"))->is_mailbox_login);
  EXPECT_FALSE(ParsePolicyReport(With("success\":true", "success\":1"))->is_mailbox_login);
}

TEST(PolicyReportTest, AnythingElseIsAnError) {
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("7"), std::string("{}"),
        std::string("\0\xff", 2), With("\"ann@b.example\"", "7"), With("192.0.2.1", ""),
        std::string(10'000, '[')}) {
    EXPECT_EQ(ParsePolicyReport(body).status().code(), absl::StatusCode::kInvalidArgument) << body;
  }
}

TEST(PolicyReportTest, CommandIsReadFromTheQuery) {
  EXPECT_EQ(PolicyCommand("command=report"), "report");
  EXPECT_EQ(PolicyCommand("a=b&command=allow"), "allow");
  EXPECT_EQ(PolicyCommand("mycommand=allow"), std::nullopt);
  EXPECT_EQ(PolicyCommand(""), std::nullopt);
}

}  // namespace
}  // namespace turnpike::auth
