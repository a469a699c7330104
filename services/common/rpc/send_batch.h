// Lets what one thread sends on several occasions go out together.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_SEND_BATCH_H_
#define TURNPIKE_SERVICES_COMMON_RPC_SEND_BATCH_H_

#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace turnpike::rpc {

// While one exists, what its thread gives to ServerStream::Send is only gathered; its end sends it,
// with one write for each stream. For whoever has many answers at a time: by itself a stream writes
// the first one at once, and the others only when that is out.
//
// Confined to the thread that has made it; one within another does nothing.
class SendBatch {
 public:
  SendBatch();
  SendBatch(const SendBatch&) = delete;
  SendBatch& operator=(const SendBatch&) = delete;
  ~SendBatch();

  // The calling thread's; null: none.
  static SendBatch* Current();

  // `flush` is called at the end. For streams.
  void Add(absl::AnyInvocable<void()> flush) { flushes_.push_back(std::move(flush)); }

 private:
  const bool is_outermost_;
  std::vector<absl::AnyInvocable<void()>> flushes_;
};

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_SEND_BATCH_H_
