#include "services/spool-store/core/content_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::spool {
namespace {

TEST(ContentHashTest, IsTheSameOverPieces) {
  const std::string content(100'000, 'x');
  ContentHasher hasher;
  hasher.Update(content.substr(0, 7));
  hasher.Update(content.substr(7));
  EXPECT_EQ(hasher.Digest(), HashContent(content));
}

TEST(ContentHashTest, ValueNeverChanges) {
  // It is on disk: another value would condemn every stored message.
  EXPECT_EQ(HashContent(""), 0x2d06800538d394c2u);
}

TEST(ContentHashTest, SeesOneChangedBit) {
  std::string content(1000, 'x');
  const uint64_t before = HashContent(content);
  content[500] ^= 1;
  EXPECT_NE(HashContent(content), before);
}

}  // namespace
}  // namespace turnpike::spool
