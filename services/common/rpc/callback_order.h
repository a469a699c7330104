// Brings events that gRPC reports on several threads at once into one order.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_CALLBACK_ORDER_H_
#define TURNPIKE_SERVICES_COMMON_RPC_CALLBACK_ORDER_H_

#include <atomic>
#include <cstdint>

namespace turnpike::rpc {

// Events are bits 0 to 30; one that is posted while it is pending already is not counted twice.
//
// Thread-safe.
class CallbackOrder {
 public:
  // Calls `run(event)` for `event`, and for whatever else is posted meanwhile, unless another
  // thread is at it already: then that one does it and Post returns at once. So no two `run`
  // overlap.
  template <typename Run>
  void Post(uint32_t event, const Run& run) {
    uint32_t pending = state_.fetch_or(event | kRunning, std::memory_order_acq_rel);
    if ((pending & kRunning) != 0) return;
    while (true) {
      pending = state_.exchange(kRunning, std::memory_order_acq_rel) & ~kRunning;
      if (pending == 0) {
        uint32_t expected = kRunning;
        if (state_.compare_exchange_strong(expected, 0, std::memory_order_acq_rel)) return;
        continue;
      }
      for (uint32_t bit = 1; bit <= pending; bit <<= 1) {
        if ((pending & bit) != 0) run(bit);
      }
    }
  }

 private:
  static constexpr uint32_t kRunning = uint32_t{1} << 31;
  std::atomic<uint32_t> state_{0};
};

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_CALLBACK_ORDER_H_
