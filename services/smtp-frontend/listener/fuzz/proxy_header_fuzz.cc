// libFuzzer's way into FuzzProxyHeader.
#include <cstddef>
#include <cstdint>

#include "services/smtp-frontend/listener/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  turnpike::frontend::fuzz::FuzzProxyHeader({reinterpret_cast<const char*>(data), size});
  return 0;
}
