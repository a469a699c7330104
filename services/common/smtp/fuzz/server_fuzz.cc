// libFuzzer's way into FuzzServer.
#include <cstddef>
#include <cstdint>

#include "services/common/smtp/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  turnpike::smtp::fuzz::FuzzServer({reinterpret_cast<const char*>(data), size});
  return 0;
}
