#include "services/common/rpc/send_batch.h"

namespace turnpike::rpc {
namespace {

thread_local SendBatch* current = nullptr;

}  // namespace

SendBatch::SendBatch() : is_outermost_(current == nullptr) {
  if (is_outermost_) current = this;
}

SendBatch::~SendBatch() {
  if (!is_outermost_) return;
  current = nullptr;
  for (absl::AnyInvocable<void()>& flush : flushes_) flush();
}

SendBatch* SendBatch::Current() { return current; }

}  // namespace turnpike::rpc
