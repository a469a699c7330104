#include "services/common/smtp/header_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace turnpike::smtp {
namespace {

HeaderFacts Scan(absl::string_view content, size_t step = std::string::npos) {
  HeaderScan scan;
  while (!content.empty()) {
    scan.Feed(content.substr(0, step));
    content.remove_prefix(std::min(step, content.size()));
  }
  return scan.facts();
}

TEST(HeaderScanTest, FactsAreTheSameWhereverContentIsCut) {
  const std::string content =
      "Received: a\r\nRECEIVED:b\r\n Received: folded\r\nX-Received: c\r\nReceived-SPF: d\r\n"
      "Subject: Received: e\r\nreceived: f\r\n\r\nReceived: body\r\n";
  const HeaderFacts expected = {.header_bytes = content.find("\r\n\r\n") + 4,
                                .header_is_complete = true,
                                .received_count = 3};
  for (size_t step = 1; step <= content.size(); ++step) {
    EXPECT_EQ(Scan(content, step), expected) << step;
  }
}

TEST(HeaderScanTest, EightBitOctetsAreTold) {
  EXPECT_FALSE(Scan("A: b\r\n\r\nc\r\n").header_has_8bit);
  EXPECT_TRUE(Scan("A: \xc3\xbc\r\n\r\nc\r\n", 1).header_has_8bit);
  EXPECT_FALSE(Scan("A: \xc3\xbc\r\n\r\nc\r\n", 1).body_has_8bit);
  EXPECT_TRUE(Scan("A: b\r\n\r\n\xc3\xbc\r\n", 1).body_has_8bit);
  EXPECT_FALSE(Scan("A: b\r\n\r\n\xc3\xbc\r\n", 1).header_has_8bit);
}

TEST(HeaderScanTest, AMessageMayBeAllBodyOrAllHeader) {
  EXPECT_EQ(Scan("\r\nReceived: x\r\n").received_count, 0u);
  EXPECT_EQ(Scan("\r\nReceived: x\r\n").header_bytes, 2u);
  EXPECT_FALSE(Scan("A: b\r\n").header_is_complete);
  EXPECT_EQ(Scan("A: b\r\n").header_bytes, 6u);
  EXPECT_EQ(Scan(""), HeaderFacts());
}

TEST(HeaderScanTest, ALineWithACrInsideIsNotEmpty) {
  EXPECT_FALSE(Scan("\r\r\nA: b\r\n", 1).header_is_complete);
}

}  // namespace
}  // namespace turnpike::smtp
