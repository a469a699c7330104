#include "services/outbound-delivery/resolve/dns_message.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/outbound-delivery/resolve/testing/dns_builder.h"

namespace turnpike::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing_dns::Builder;

const DnsQuestion kMxQuestion{"far.example", RecordType::kMx};
const DnsQuestion kAQuestion{"far.example", RecordType::kA};

net::IpAddress Ip(const char* text) { return *net::IpAddress::Parse(text); }

TEST(ReadDnsMessageTest, MxRecordsAreRead) {
  const DnsAnswer answer = ReadDnsMessage(Builder(kMxQuestion)
                                              .Mx("far.example", 300, 10, "MX1.far.example")
                                              .Mx("far.example", 60, 20, "mx2.far.example")
                                              .Build(),
                                          kMxQuestion);
  EXPECT_EQ(answer.result, DnsAnswer::Result::kOk);
  EXPECT_THAT(answer.mx,
              ElementsAre(MxRecord{10, "mx1.far.example"}, MxRecord{20, "mx2.far.example"}));
  EXPECT_EQ(answer.time_to_live, absl::Seconds(60));
}

TEST(ReadDnsMessageTest, NullMxHasAnEmptyHost) {
  const DnsAnswer answer =
      ReadDnsMessage(Builder(kMxQuestion).Mx("far.example", 300, 0, "").Build(), kMxQuestion);
  EXPECT_THAT(answer.mx, ElementsAre(MxRecord{0, ""}));
}

TEST(ReadDnsMessageTest, AddressesAreRead) {
  EXPECT_THAT(
      ReadDnsMessage(Builder(kAQuestion).Address("far.example", 9, "192.0.2.1").Build(), kAQuestion)
          .addresses,
      ElementsAre(Ip("192.0.2.1")));
  const DnsQuestion question{"far.example", RecordType::kAaaa};
  EXPECT_THAT(
      ReadDnsMessage(Builder(question).Address("far.example", 9, "2001:db8::1").Build(), question)
          .addresses,
      ElementsAre(Ip("2001:db8::1")));
}

TEST(ReadDnsMessageTest, StringsOfATextAreJoined) {
  const DnsQuestion question{"_mta-sts.far.example", RecordType::kTxt};
  const DnsAnswer answer = ReadDnsMessage(Builder(question)
                                              .Text(question.name, 60, {"v=STSv1; ", "id=1;"})
                                              .Text(question.name, 60, {"other"})
                                              .Build(),
                                          question);
  EXPECT_THAT(answer.texts, ElementsAre("v=STSv1; id=1;", "other"));
  EXPECT_FALSE(answer.is_authentic);
}

TEST(ReadDnsMessageTest, TlsaRecordsAndTheServersWordOnThemAreRead) {
  const DnsQuestion question{"_25._tcp.mx.far.example", RecordType::kTlsa};
  const net::TlsaRecord record{.usage = 3, .selector = 1, .matching_type = 1, .data = "digest"};
  const DnsAnswer answer = ReadDnsMessage(
      Builder(question).Tlsa(question.name, 60, record).Authentic().Build(), question);
  EXPECT_THAT(answer.tlsa, ElementsAre(record));
  EXPECT_TRUE(answer.is_authentic);
}

TEST(ReadDnsMessageTest, TlsaWithoutDataIsMalformed) {
  const DnsQuestion question{"_25._tcp.mx.far.example", RecordType::kTlsa};
  const DnsAnswer answer =
      ReadDnsMessage(Builder(question).Tlsa(question.name, 60, {.usage = 3}).Build(), question);
  EXPECT_EQ(answer.result, DnsAnswer::Result::kServFail);
}

TEST(ReadDnsMessageTest, AliasesAreFollowed) {
  const DnsAnswer answer = ReadDnsMessage(Builder(kAQuestion)
                                              .Alias("far.example", 30, "b.example")
                                              .Alias("b.example", 300, "c.example")
                                              .Address("c.example", 300, "192.0.2.3")
                                              .Build(),
                                          kAQuestion);
  EXPECT_THAT(answer.addresses, ElementsAre(Ip("192.0.2.3")));
  EXPECT_EQ(answer.time_to_live, absl::Seconds(30));
  EXPECT_EQ(answer.alias, "");
}

TEST(ReadDnsMessageTest, AliasThatLeadsElsewhereIsReported) {
  const DnsAnswer answer = ReadDnsMessage(
      Builder(kAQuestion).Alias("far.example", 30, "elsewhere.example").Build(), kAQuestion);
  EXPECT_EQ(answer.result, DnsAnswer::Result::kNoData);
  EXPECT_EQ(answer.alias, "elsewhere.example");
}

TEST(ReadDnsMessageTest, AliasLoopEnds) {
  const DnsAnswer answer = ReadDnsMessage(Builder(kAQuestion)
                                              .Alias("far.example", 30, "b.example")
                                              .Alias("b.example", 30, "far.example")
                                              .Build(),
                                          kAQuestion);
  EXPECT_THAT(answer.addresses, IsEmpty());
}

TEST(ReadDnsMessageTest, RecordsOfOtherNamesDoNotCount) {
  const DnsAnswer answer = ReadDnsMessage(
      Builder(kAQuestion).Address("evil.example", 30, "192.0.2.66").Build(), kAQuestion);
  EXPECT_EQ(answer.result, DnsAnswer::Result::kNoData);
}

TEST(ReadDnsMessageTest, NegativeAnswersLiveAsTheSoaSays) {
  DnsAnswer answer =
      ReadDnsMessage(Builder(kAQuestion).Code(3).Soa("example", 3600, 120).Build(), kAQuestion);
  EXPECT_EQ(answer.result, DnsAnswer::Result::kNxDomain);
  EXPECT_EQ(answer.time_to_live, absl::Seconds(120));
  answer = ReadDnsMessage(Builder(kAQuestion).Soa("example", 60, 120).Build(), kAQuestion);
  EXPECT_EQ(answer.result, DnsAnswer::Result::kNoData);
  EXPECT_EQ(answer.time_to_live, absl::Seconds(60));
}

TEST(ReadDnsMessageTest, OtherCodesAreFailures) {
  for (int code : {1, 2, 4, 5}) {
    EXPECT_EQ(ReadDnsMessage(Builder(kAQuestion).Code(code).Build(), kAQuestion).result,
              DnsAnswer::Result::kServFail);
  }
}

TEST(ReadDnsMessageTest, CutMessagesAreFailuresAtAnyOctet) {
  const std::string message = Builder(kMxQuestion)
                                  .Mx("far.example", 300, 10, "mx1.far.example")
                                  .Mx("far.example", 300, 20, "mx2.far.example")
                                  .Build();
  for (size_t length = 0; length < message.size(); ++length) {
    EXPECT_NE(ReadDnsMessage(absl::string_view(message).substr(0, length), kMxQuestion).result,
              DnsAnswer::Result::kOk)
        << length;
  }
}

TEST(ReadDnsMessageTest, ChangedOctetsNeverCrash) {
  const std::string message = Builder(kMxQuestion)
                                  .Alias("far.example", 30, "b.example")
                                  .Mx("b.example", 300, 10, "mx1.far.example")
                                  .Soa("example", 60, 120)
                                  .Build();
  for (size_t i = 0; i < message.size(); ++i) {
    for (int value : {0x00, 0x01, 0x3f, 0x40, 0xc0, 0xff}) {
      std::string changed = message;
      changed[i] = static_cast<char>(value);
      ReadDnsMessage(changed, kMxQuestion);
    }
  }
}

TEST(ReadDnsMessageTest, PointerLoopIsAFailure) {
  std::string message = Builder(kAQuestion).Address("far.example", 30, "192.0.2.1").Build();
  message[12] = static_cast<char>(0xc0);  // the question's name points to itself
  message[13] = 12;
  EXPECT_EQ(ReadDnsMessage(message, kAQuestion).result, DnsAnswer::Result::kServFail);
}

TEST(ReadDnsMessageTest, HostNamesWithControlsAreFailures) {
  EXPECT_EQ(
      ReadDnsMessage(Builder(kMxQuestion).Mx("far.example", 300, 10, "a\r\nb.example").Build(),
                     kMxQuestion)
          .result,
      DnsAnswer::Result::kServFail);
}

TEST(ReadDnsMessageTest, NumberOfRecordsIsBounded) {
  Builder builder(kAQuestion);
  for (int i = 0; i < 1000; ++i) builder.Address("far.example", 30, "192.0.2.1");
  EXPECT_EQ(ReadDnsMessage(builder.Build(), kAQuestion).addresses.size(), kRecordsMax);
}

}  // namespace
}  // namespace turnpike::delivery
