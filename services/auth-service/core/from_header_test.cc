#include "services/auth-service/core/from_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace turnpike::auth {
namespace {

using std::string_literals::operator""s;

// The addresses, or the problem in capitals.
std::string Read(absl::string_view header) {
  const FromHeader from = ReadFromHeader(header);
  switch (from.problem) {
    case FromHeader::Problem::kMissing:
      return "MISSING";
    case FromHeader::Problem::kRepeated:
      return "REPEATED";
    case FromHeader::Problem::kUnreadable:
      return "UNREADABLE";
    case FromHeader::Problem::kNone:
      break;
  }
  return absl::StrJoin(from.addresses, " ", [](std::string* out, const smtp::Mailbox& mailbox) {
    out->append(mailbox.ToString());
  });
}

// Of a From: field with that value among others.
std::string ReadValue(absl::string_view value) {
  return Read(absl::StrCat("Received: from x\r\n by y\r\nFrom:", value,
                           "\r\nTo: bob@far.example\r\nSubject: From: me\r\n\r\n"));
}

TEST(FromHeaderTest, ReadsWhatMailProgramsWrite) {
  for (const auto& [value, addresses] : std::vector<std::pair<std::string, std::string>>{
           {" ann@a.example", "ann@a.example"},
           {"ann@A.EXAMPLE", "ann@a.example"},
           {" <ann@a.example>", "ann@a.example"},
           {" Ann Other <ann@a.example>", "ann@a.example"},
           {" \"Other, Ann\" <ann@a.example>", "ann@a.example"},
           {" ann@a.example (Ann Other)", "ann@a.example"},
           {" (a (nested) comment) Ann <ann@a.example> (behind)", "ann@a.example"},
           // Folded, in all places.
           {"\r\n ann@a.example", "ann@a.example"},
           {" Ann\r\n\tOther\r\n <ann@a.example>", "ann@a.example"},
           {" ann@a.example,\r\n bob@b.example", "ann@a.example bob@b.example"},
           // Several, and groups. [RFC6854 2]
           {" ann@a.example, Bob <bob@b.example>", "ann@a.example bob@b.example"},
           {" Us: ann@a.example, Bob <bob@b.example>;", "ann@a.example bob@b.example"},
           {" Us: ann@a.example;, bob@b.example", "ann@a.example bob@b.example"},
           // Encoded words. [RFC2047 2]
           {" =?utf-8?q?J=C3=B6rg?= <joerg@a.example>", "joerg@a.example"},
           {" =?utf-8?b?SsO2cmcgPGJvc3NAZXZpbC5leGFtcGxlPg==?= <joerg@a.example>",
            "joerg@a.example"},
           {" =?utf-8?q?boss=40evil.example?= <ann@a.example>", "ann@a.example"},
           // UTF-8. [RFC6532 3.2]
           {" J\u00f6rg <j\u00f6rg@m\u00fcnchen.example>", "j\u00f6rg@xn--mnchen-3ya.example"},
           // Quoted local parts.
           {" \"ann other\"@a.example", "\"ann other\"@a.example"},
           {" \"a@b\"@a.example", "\"a@b\"@a.example"},
           // Display names that look like addresses.
           {" \"boss@evil.example\" <ann@a.example>", "ann@a.example"},
           {" \"boss@evil.example\\\" <x@y>\" <ann@a.example>", "ann@a.example"},
           {" ann@a.example (boss@evil.example)", "ann@a.example"},
       }) {
    EXPECT_EQ(ReadValue(value), addresses) << value;
  }
}

TEST(FromHeaderTest, RefusesWhatProgramsReadDifferently) {
  for (const std::string& value : {
           " boss@evil.example <ann@a.example>"s,
           " ann@a.example <boss@evil.example>"s,
           " ann@a.example, boss@evil.example <bob@b.example>"s,
           " Us: ann@a.example <boss@evil.example>;"s,
           " ann@a.example <"s,
           " <ann@a.example> boss@evil.example"s,
           " <ann@a.example> <boss@evil.example>"s,
           " <boss@evil.example>, <ann@a.example"s,
           " ann@a.example boss@evil.example"s,
           " \"ann@a.example"s,
           " ann@a.example (unclosed"s,
           " ann@a.example)"s,
           " <@evil.example:ann@a.example>"s,
           " ann"s,
           " Ann Other"s,
           " ann@"s,
           " @a.example"s,
           " ann@a@b.example"s,
           " ann@a..example"s,
           " <>"s,
           " ann@a.example\rboss@evil.example"s,
           " ann@a.example\0boss@evil.example"s,
           " ann\x7f@a.example"s,
           " J\xf6rg <ann@a.example>"s,
           " =?utf-8?q?boss@evil.example?= <ann@a.example>"s,
           " =?utf-8?q?ann=40a.example?="s,
           " \\ann@a.example"s,
       }) {
    EXPECT_EQ(ReadValue(value), "UNREADABLE") << value;
  }
}

TEST(FromHeaderTest, MissingAndRepeatedFieldsAreToldApart) {
  EXPECT_EQ(Read(""), "MISSING");
  EXPECT_EQ(Read("Subject: x\r\n\r\n"), "MISSING");
  EXPECT_EQ(Read("From:\r\n\r\n"), "MISSING");
  EXPECT_EQ(Read("From: undisclosed:;\r\n\r\n"), "MISSING");
  EXPECT_EQ(Read("Subject: x\r\n From: ann@a.example\r\n\r\n"), "MISSING");
  EXPECT_EQ(Read("X-From: ann@a.example\r\nFromage: x\r\n"), "MISSING");
  EXPECT_EQ(Read("From ann@a.example Mon Jan  1 00:00:00\r\nSubject: x\r\n"), "MISSING");
  EXPECT_EQ(Read("From: ann@a.example\r\nFrom: ann@a.example\r\n\r\n"), "REPEATED");
  EXPECT_EQ(Read("From: ann@a.example\r\nfROM : boss@evil.example\r\n\r\n"), "REPEATED");
  EXPECT_EQ(Read("From: ann@a.example\nno field\nFROM\t:boss@evil.example\n"), "REPEATED");
}

TEST(FromHeaderTest, FieldNamesAreReadAsRfc5322Allows) {
  EXPECT_EQ(Read("fRoM \t: ann@a.example"), "ann@a.example");
  EXPECT_EQ(Read("From:ann@a.example"), "ann@a.example");
}

TEST(FromHeaderTest, AddressesAreBounded) {
  std::string value = " x@a.example";
  for (size_t i = 1; i < kFromAddressesMax; ++i) value += ", x@a.example";
  EXPECT_EQ(ReadFromHeader(absl::StrCat("From:", value)).addresses.size(), kFromAddressesMax);
  EXPECT_EQ(ReadValue(absl::StrCat(value, ", x@a.example")), "UNREADABLE");
  EXPECT_EQ(ReadValue(std::string(60'000, '(')), "UNREADABLE");
  EXPECT_EQ(ReadValue(absl::StrCat(" ", std::string(60'000, ','), "ann@a.example")), "UNREADABLE");
}

}  // namespace
}  // namespace turnpike::auth
