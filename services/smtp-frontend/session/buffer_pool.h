// Buffers for content on its way in. A session holds one only while content is coming, so that idle
// sessions cost nothing of it.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_BUFFER_POOL_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_BUFFER_POOL_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace turnpike::frontend {

// Thread-compatible: one for each I/O thread. Must outlive its buffers.
class BufferPool {
 public:
  static constexpr size_t kBufferBytes = 64 * 1024;
  static constexpr size_t kIdleBuffersMax = 32;  // kept for the next user

  class Buffer {
   public:
    Buffer() = default;  // none
    Buffer(Buffer&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), bytes_(std::move(other.bytes_)) {}
    Buffer& operator=(Buffer&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Buffer() {
      if (bytes_ != nullptr) pool_->GiveBack(std::move(bytes_));
    }

    explicit operator bool() const { return bytes_ != nullptr; }
    absl::Span<char> span() { return {bytes_.get(), kBufferBytes}; }

   private:
    friend class BufferPool;
    Buffer(BufferPool* pool, std::unique_ptr<char[]> bytes)
        : pool_(pool), bytes_(std::move(bytes)) {}

    BufferPool* pool_ = nullptr;
    std::unique_ptr<char[]> bytes_;
  };

  Buffer Take() {
    if (idle_.empty()) return Buffer(this, std::unique_ptr<char[]>(new char[kBufferBytes]));
    Buffer buffer(this, std::move(idle_.back()));
    idle_.pop_back();
    return buffer;
  }

  size_t idle_count() const { return idle_.size(); }

 private:
  void GiveBack(std::unique_ptr<char[]> bytes) {
    if (idle_.size() < kIdleBuffersMax) idle_.push_back(std::move(bytes));
  }

  std::vector<std::unique_ptr<char[]>> idle_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_BUFFER_POOL_H_
