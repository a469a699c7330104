// libFuzzer's way into FuzzFromHeader.
#include <cstddef>
#include <cstdint>

#include "services/auth-service/core/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  turnpike::auth::fuzz::FuzzFromHeader({reinterpret_cast<const char*>(data), size});
  return 0;
}
