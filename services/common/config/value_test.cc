#include "services/common/config/value.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "protos/turnpike/config/v1/config.pb.h"

namespace turnpike::config {
namespace {

template <typename T>
std::string ErrorOf(const absl::StatusOr<T>& result) {
  return result.ok() ? "accepted" : std::string(result.status().message());
}

TEST(ParseDurationTest, AllUnitsAndSumsAreRead) {
  const std::vector<std::pair<std::string, absl::Duration>> cases = {
      {"0", absl::ZeroDuration()},        {"0s", absl::ZeroDuration()},
      {"150ms", absl::Milliseconds(150)}, {"90s", absl::Seconds(90)},
      {"5m", absl::Minutes(5)},           {"4h", absl::Hours(4)},
      {"5d", absl::Hours(120)},           {"2w", absl::Hours(336)},
      {"1h30m", absl::Minutes(90)},       {"999999999w", absl::Hours(168) * 999'999'999},
  };
  for (const auto& [text, duration] : cases) EXPECT_EQ(*ParseDuration(text), duration) << text;
}

TEST(ParseDurationTest, AnythingElseIsRefused) {
  for (const char* text : {"", "5", "s", "5 m", "-5m", "1.5h", "5M", "5min", "1h30", "9999999999s",
                           "five minutes", "5m "}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
  EXPECT_EQ(ErrorOf(ParseDuration("5")),
            "must be a time such as `90s`, `5m`, `4h` or `5d`, not `5`");
}

TEST(ParseBytesTest, AllUnitsAreRead) {
  EXPECT_EQ(*ParseBytes("0"), 0u);
  EXPECT_EQ(*ParseBytes("4096"), 4096u);
  EXPECT_EQ(*ParseBytes("7B"), 7u);
  EXPECT_EQ(*ParseBytes("1KB"), 1000u);
  EXPECT_EQ(*ParseBytes("64KiB"), 65536u);
  EXPECT_EQ(*ParseBytes("50MiB"), 52428800u);
  EXPECT_EQ(*ParseBytes("2GB"), 2'000'000'000u);
  EXPECT_EQ(*ParseBytes("1TiB"), uint64_t{1} << 40);
  EXPECT_EQ(*ParseBytes("18446744073709551615"), std::numeric_limits<uint64_t>::max());
}

TEST(ParseBytesTest, AnythingElseIsRefused) {
  for (const char* text : {"", "MiB", "-1", "1.5GiB", "10 MiB", "10Mi", "10M",
                           "18446744073709551616", "99999999TiB"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
}

TEST(NormalDomainTest, SpellingsOfANameAreOne) {
  EXPECT_EQ(*NormalDomain("Example.ORG"), "example.org");
  EXPECT_EQ(*NormalDomain("b\xc3\xbc"
                          "cher.example"),
            "xn--bcher-kva.example");
  EXPECT_EQ(ErrorOf(NormalDomain("-bad-")),
            "must be a domain name such as `example.org`, not `-bad-`");
  EXPECT_FALSE(NormalDomain("").ok());
  EXPECT_FALSE(NormalDomain("192.0.2.1").ok());
}

TEST(NormalNetworkTest, AddressesAndNetworksAreRead) {
  EXPECT_EQ(*NormalNetwork("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(*NormalNetwork("192.0.2.0/24"), "192.0.2.0/24");
  EXPECT_EQ(*NormalNetwork("0.0.0.0/0"), "0.0.0.0/0");
  EXPECT_EQ(*NormalNetwork("2001:DB8:0:0::/32"), "2001:db8::/32");
  EXPECT_EQ(*NormalNetwork("::1/128"), "::1/128");
}

TEST(NormalNetworkTest, BitsBehindThePrefixAreRefusedWithTheNetworkMeant) {
  EXPECT_EQ(ErrorOf(NormalNetwork("192.0.2.77/24")),
            "`192.0.2.77/24` has bits set behind its prefix; write `192.0.2.0/24` or a longer "
            "prefix");
  EXPECT_TRUE(absl::StrContains(ErrorOf(NormalNetwork("2001:db8::1/33")), "`2001:db8::/33`"));
}

TEST(NormalNetworkTest, AnythingElseIsRefused) {
  for (const char* text :
       {"", "/", "192.0.2.0/", "192.0.2.0/33", "::/129", "192.0.2.0/-1", "192.0.2.0/ 8",
        "192.0.2/24", "300.1.1.1", "[::1]", "example.org", "192.0.2.0/24/8"}) {
    EXPECT_FALSE(NormalNetwork(text).ok()) << text;
  }
}

TEST(NormalHostPortTest, NamesAndAddressesAreRead) {
  EXPECT_EQ(*NormalHostPort("Mail.Example.org:25"), "mail.example.org:25");
  EXPECT_EQ(*NormalHostPort("localhost:0"), "localhost:0");
  EXPECT_EQ(*NormalHostPort("192.0.2.1:65535"), "192.0.2.1:65535");
  EXPECT_EQ(*NormalHostPort("[2001:DB8::1]:25"), "[2001:db8::1]:25");
}

TEST(NormalHostPortTest, AnythingElseIsRefused) {
  for (const char* text : {"", "host", ":25", "host:", "host:x", "host:65536", "host:-1", "host:+1",
                           "::1:25", "[::1]", "[::1]25", "[192.0.2.1]:25", "[host]:25", "a b:25"}) {
    EXPECT_FALSE(NormalHostPort(text).ok()) << text;
  }
}

TEST(NormalListenTest, NamesAreRefused) {
  EXPECT_EQ(*NormalListen("0.0.0.0:25"), "0.0.0.0:25");
  EXPECT_EQ(*NormalListen("[::]:25"), "[::]:25");
  EXPECT_EQ(ErrorOf(NormalListen("localhost:25")),
            "must be address:port such as `0.0.0.0:25`, `127.0.0.1:7101` or `[::]:25`, not "
            "`localhost:25`");
}

TEST(SplitHostPortTest, BracketsAreTakenOff) {
  EXPECT_EQ(SplitHostPort("[::1]:25").host, "::1");
  EXPECT_EQ(SplitHostPort("[::1]:25").port, 25);
  EXPECT_EQ(SplitHostPort("host:0").host, "host");
}

TEST(NormalMailboxTest, DomainIsNormalAndLocalPartIsKept) {
  EXPECT_EQ(*NormalMailbox("Joe.Doe@EXAMPLE.org"), "Joe.Doe@example.org");
  for (const char* text : {"", "joe", "@example.org", "joe@", "joe@[192.0.2.1]", "a b@example.org",
                           "postmaster", "<joe@example.org>"}) {
    EXPECT_FALSE(NormalMailbox(text).ok()) << text;
  }
}

const google::protobuf::FieldDescriptor& Field(const google::protobuf::Descriptor* type,
                                               const char* name) {
  return *type->FindFieldByName(name);
}

TEST(ParseValueTest, EnumsListWhatIsAllowed) {
  const auto& role = Field(v1::Listener::descriptor(), "role");
  EXPECT_EQ(
      std::get<const google::protobuf::EnumValueDescriptor*>(*ParseValue(role, "odmr"))->number(),
      v1::LISTENER_ROLE_ODMR);
  for (const char* text : {"smpt", "SMTP", "LISTENER_ROLE_SMTP", "unspecified", "1", ""}) {
    EXPECT_FALSE(ParseValue(role, text).ok()) << text;
  }
  EXPECT_EQ(ErrorOf(ParseValue(role, "smpt")),
            "must be one of `smtp`, `submission`, `submissions`, `odmr`, not `smpt`");
}

TEST(ParseValueTest, BooleansAreTrueOrFalse) {
  const auto& field = Field(v1::Etrn::descriptor(), "enabled");
  EXPECT_TRUE(std::get<bool>(*ParseValue(field, "true")));
  EXPECT_FALSE(std::get<bool>(*ParseValue(field, "false")));
  EXPECT_EQ(ErrorOf(ParseValue(field, "yes")), "must be `true` or `false`, not `yes`");
}

TEST(ParseValueTest, NumbersAreWholeAndFit) {
  const auto& field = Field(v1::Etrn::descriptor(), "port");
  EXPECT_EQ(std::get<uint64_t>(*ParseValue(field, "25")), 25u);
  for (const char* text : {"", "-1", "25.0", "0x19", "4294967296", "2 5"}) {
    EXPECT_FALSE(ParseValue(field, text).ok()) << text;
  }
}

TEST(ParseValueTest, TextHasNoControlCharacters) {
  const auto& field = Field(v1::Listener::descriptor(), "name");
  EXPECT_EQ(std::get<std::string>(*ParseValue(field, "mx")), "mx");
  EXPECT_FALSE(ParseValue(field, "").ok());
  EXPECT_FALSE(ParseValue(field, "m\nx").ok());
  EXPECT_FALSE(ParseValue(field, "m\xff").ok());
}

TEST(ParseValueTest, LongValuesAreShownInPart) {
  EXPECT_LT(ErrorOf(ParseDuration(std::string(1000, 'x'))).size(), 200u);
}

}  // namespace
}  // namespace turnpike::config
