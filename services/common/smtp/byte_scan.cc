#include "services/common/smtp/byte_scan.h"

#include <cstdint>
#include <cstring>

namespace turnpike::smtp {
namespace {

// GCC's and Clang's portable vectors: one SSE2 or NEON register.
using Block = uint8_t __attribute__((vector_size(16)));
constexpr size_t kBlockBytes = sizeof(Block);

Block Load(const char* bytes) {
  Block block;
  std::memcpy(&block, bytes, sizeof(block));
  return block;
}

bool IsAnySet(const Block& block) {
  uint64_t words[kBlockBytes / sizeof(uint64_t)];
  std::memcpy(words, &block, sizeof(words));
  return (words[0] | words[1]) != 0;
}

}  // namespace

size_t FindLfDot(absl::string_view bytes, size_t begin) {
  // A block and its shadow, one octet further on.
  while (begin + kBlockBytes < bytes.size()) {
    const Block here = Load(bytes.data() + begin);
    const Block next = Load(bytes.data() + begin + 1);
    if (IsAnySet(reinterpret_cast<Block>((here == '\n') & (next == '.')))) break;
    begin += kBlockBytes;
  }
  for (; begin + 1 < bytes.size(); ++begin) {
    if (bytes[begin] == '\n' && bytes[begin + 1] == '.') return begin;
  }
  return absl::string_view::npos;
}

bool IsCleanText(absl::string_view bytes) {
  size_t begin = 0;
  for (; begin + kBlockBytes < bytes.size(); begin += kBlockBytes) {
    const Block here = Load(bytes.data() + begin);
    const Block next = Load(bytes.data() + begin + 1);
    const auto bad = ((here == '\r') ^ (next == '\n')) | (here == 0);
    if (IsAnySet(reinterpret_cast<Block>(bad))) return false;
  }
  for (; begin + 1 < bytes.size(); ++begin) {
    if ((bytes[begin] == '\r') != (bytes[begin + 1] == '\n') || bytes[begin] == 0) return false;
  }
  return bytes.empty() || bytes.back() != 0;
}

}  // namespace turnpike::smtp
