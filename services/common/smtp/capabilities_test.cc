#include "services/common/smtp/capabilities.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace turnpike::smtp {
namespace {

Capabilities Read(absl::string_view lines) {
  return Capabilities::FromEhloReply(Reply(250, {}, absl::StrCat("mx.example.org Hello\n", lines)));
}

TEST(CapabilitiesTest, KeywordsAreReadInAnyCase) {
  const Capabilities peer = Read(
      "PIPELINING\nsize 1000\n8BitMime\nSMTPUTF8\nDSN\nCHUNKING\nBINARYMIME\nSTARTTLS\n"
      "ENHANCEDSTATUSCODES\nREQUIRETLS\nETRN\nATRN\nVRFY\nHELP\n"
      "LIMITS RCPTMAX=20 mailmax=7 FOO=1 RCPTDOMAINMAX=1");
  EXPECT_TRUE(peer.pipelining && peer.eight_bit_mime && peer.smtp_utf8 && peer.dsn);
  EXPECT_TRUE(peer.chunking && peer.binary_mime && peer.start_tls && peer.require_tls);
  EXPECT_TRUE(peer.enhanced_status_codes && peer.etrn && peer.atrn && peer.vrfy && peer.help);
  EXPECT_TRUE(peer.size);
  EXPECT_EQ(peer.size_bytes_max, 1000u);
  EXPECT_EQ(peer.limit_recipients, 20u);
  EXPECT_EQ(peer.limit_transactions, 7u);
  EXPECT_EQ(peer.limit_recipient_domains, 1u);
}

TEST(CapabilitiesTest, TheGreetingLineOffersNothing) {
  EXPECT_EQ(Capabilities::FromEhloReply(Reply(250, {}, "PIPELINING")), Capabilities());
}

TEST(CapabilitiesTest, MechanismsOfBothFormsAreReadOnce) {
  const Capabilities peer = Read("AUTH PLAIN cram-md5\nAUTH=LOGIN PLAIN");
  EXPECT_EQ(peer.auth_mechanisms, (std::vector<std::string>{"PLAIN", "CRAM-MD5", "LOGIN"}));
  EXPECT_TRUE(peer.offers_auth("Cram-MD5"));
  EXPECT_FALSE(peer.offers_auth("CRAM"));
}

TEST(CapabilitiesTest, MalformedValuesOfferNothing) {
  const Capabilities peer =
      Read("SIZE x\nLIMITS RCPTMAX\nLIMITS RCPTMAX=-1\nPIPELININGX\nX DSN\n ");
  EXPECT_EQ(peer.size_bytes_max, 0u);
  EXPECT_EQ(peer.limit_recipients, 0u);
  EXPECT_FALSE(peer.pipelining);
  EXPECT_FALSE(peer.dsn);
}

TEST(CapabilitiesTest, AThousandKeywordsAreBounded) {
  std::string lines;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&lines, "AUTH M", i, "\n");
  absl::StrAppend(&lines, "DSN");
  const Capabilities peer = Read(lines);
  EXPECT_LE(peer.auth_mechanisms.size(), 50u);
  EXPECT_FALSE(peer.dsn);
}

TEST(CapabilitiesTest, WhatIsComposedReadsBack) {
  Capabilities offer;
  EXPECT_EQ(Read(""), offer);
  offer.pipelining = offer.dsn = offer.size = offer.etrn = offer.atrn = offer.chunking = true;
  offer.size_bytes_max = 1 << 20;
  offer.auth_mechanisms = {"SCRAM-SHA-256", "PLAIN"};
  offer.limit_recipients = 1000;
  std::string lines;
  offer.AppendKeywordLines(&lines);
  EXPECT_EQ(lines,
            "\nPIPELINING\nDSN\nCHUNKING\nETRN\nATRN\nSIZE 1048576\nAUTH SCRAM-SHA-256 PLAIN\n"
            "LIMITS RCPTMAX=1000");
  EXPECT_EQ(Read(lines.substr(1)), offer);
}

}  // namespace
}  // namespace turnpike::smtp
