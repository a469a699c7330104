#include "services/common/smtp/received.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::smtp {
namespace {

const absl::Time kTime =
    absl::FromCivil(absl::CivilSecond(2026, 11, 22, 1, 2, 3), absl::UTCTimeZone());

TEST(ReceivedTest, AllClausesAreWritten) {
  EXPECT_EQ(FormatReceived({.helo = "client.example",
                            .client_name = "host.example",
                            .client_address = "192.0.2.1",
                            .server_name = "mx.example.org",
                            .type = {.is_extended = true, .is_tls = true, .is_authenticated = true},
                            .tls = "TLSv1.3 TLS_AES_256_GCM_SHA384",
                            .id = "4Xyz",
                            .for_recipient = "ann@example.org",
                            .time = kTime}),
            "Received: from client.example (host.example [192.0.2.1])\r\n"
            "\tby mx.example.org with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
            "\tid 4Xyz for <ann@example.org>;\r\n"
            "\tSun, 22 Nov 2026 01:02:03 +0000\r\n");
}

TEST(ReceivedTest, ClausesThatHaveNothingToSayAreLeftOut) {
  EXPECT_EQ(FormatReceived({.helo = "[IPv6:2001:db8::1]",
                            .client_address = "2001:db8::1",
                            .server_name = "mx.example.org",
                            .id = "1",
                            .time = kTime}),
            "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"
            "\tby mx.example.org with SMTP\r\n"
            "\tid 1;\r\n"
            "\tSun, 22 Nov 2026 01:02:03 +0000\r\n");
}

TEST(ReceivedTest, NothingInjectsLinesOrComments) {
  const std::string field = FormatReceived({.helo = "a)\r\nX: y (",
                                            .client_name = "b\r\n.\r\n",
                                            .client_address = "192.0.2.1",
                                            .server_name = "mx",
                                            .tls = "x) for <evil@a.b>\r\n",
                                            .id = "1",
                                            .for_recipient = "\"a\r\n\"@b.c",
                                            .time = kTime});
  EXPECT_EQ(field,
            "Received: from a???X:?y?? (b??.?? [192.0.2.1])\r\n"
            "\tby mx with SMTP (x? for <evil@a.b>?"
            "?)\r\n"
            "\tid 1;\r\n"
            "\tSun, 22 Nov 2026 01:02:03 +0000\r\n");
}

TEST(ReceivedTest, Utf8StandsOnlyInInternationalMail) {
  ReceivedField field = {.helo = "a",
                         .client_address = "192.0.2.1",
                         .server_name = "mx",
                         .id = "1",
                         .for_recipient = "müller@a.b",
                         .time = kTime};
  EXPECT_EQ(FormatReceived(field).find("for <"), std::string::npos);
  field.type = {.is_extended = true, .is_smtp_utf8 = true};
  EXPECT_NE(FormatReceived(field).find("with UTF8SMTP\r\n"), std::string::npos);
  EXPECT_NE(FormatReceived(field).find("for <müller@a.b>"), std::string::npos);
}

TEST(ReceivedTest, TypesHaveTheirRegisteredNames) {
  EXPECT_EQ(TransmissionTypeName({}), "SMTP");
  EXPECT_EQ(TransmissionTypeName({.is_tls = true, .is_authenticated = true}), "SMTP");
  EXPECT_EQ(TransmissionTypeName({.is_extended = true}), "ESMTP");
  EXPECT_EQ(TransmissionTypeName({.is_extended = true, .is_tls = true}), "ESMTPS");
  EXPECT_EQ(TransmissionTypeName({.is_extended = true, .is_authenticated = true}), "ESMTPA");
  EXPECT_EQ(
      TransmissionTypeName(
          {.is_extended = true, .is_tls = true, .is_authenticated = true, .is_smtp_utf8 = true}),
      "UTF8SMTPSA");
}

}  // namespace
}  // namespace turnpike::smtp
