#include "services/common/base/random.h"

#include <strings.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "services/common/base/check.h"

namespace turnpike::base {
namespace {

// Returns what the kernel has, blocking only in the first moments after the machine's start.
void FillFromKernel(uint8_t* out, size_t count) {
  while (count > 0) {
    const ssize_t got = getrandom(out, count, 0);
    if (got < 0) {
      // Without random octets ids can be guessed: there is no going on.
      TURNPIKE_CHECK(errno == EINTR, "getrandom failed");
      continue;
    }
    out += got;
    count -= static_cast<size_t>(got);
  }
}

struct Stock {
  std::array<uint8_t, 4096> octets;
  size_t used = sizeof(octets);
};

}  // namespace

void FillRandom(absl::Span<uint8_t> out) {
  thread_local Stock stock;
  if (out.size() > stock.octets.size() / 4) {
    FillFromKernel(out.data(), out.size());
    return;
  }
  if (stock.octets.size() - stock.used < out.size()) {
    FillFromKernel(stock.octets.data(), stock.octets.size());
    stock.used = 0;
  }
  std::copy_n(stock.octets.data() + stock.used, out.size(), out.data());
  explicit_bzero(stock.octets.data() + stock.used, out.size());
  stock.used += out.size();
}

uint64_t RandomUint64() {
  std::array<uint8_t, sizeof(uint64_t)> octets;
  FillRandom(absl::MakeSpan(octets));
  uint64_t value;
  std::memcpy(&value, octets.data(), sizeof(value));
  return value;
}

double RandomUnit() {
  // The 53 bits that a double has room for.
  return static_cast<double>(RandomUint64() >> 11) * 0x1p-53;
}

absl::Duration Jitter(absl::Duration base, double fraction, double unit) {
  TURNPIKE_CHECK(fraction >= 0 && fraction <= 1);
  return base * (1 + fraction * (2 * unit - 1));
}

}  // namespace turnpike::base
