// The identity of a message in the spool: a UUIDv7 [RFC9562 5.7], so that ids sort by time and
// cannot be guessed. Also the idempotency key of its Enqueue.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_MESSAGE_ID_H_
#define TURNPIKE_SERVICES_COMMON_BASE_MESSAGE_ID_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::base {

// A value type of 16 octets.
class MessageId {
 public:
  static constexpr size_t kBytes = 16;

  // A new id with `now` in it and 74 random bits. Thread-safe; about 100 ns.
  static MessageId Generate(absl::Time now);
  // From 16 octets, as in protos. INVALID_ARGUMENT for any other length.
  static absl::StatusOr<MessageId> FromBytes(absl::string_view bytes);
  // From `0190163d-8694-739b-aea5-966c26f8ad91`; case does not matter. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<MessageId> FromString(absl::string_view text);

  absl::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.data()), kBytes}; }
  std::string ToString() const;
  absl::Time time() const;  // to the millisecond

  friend bool operator==(const MessageId&, const MessageId&) = default;
  friend auto operator<=>(const MessageId&, const MessageId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const MessageId& id) {
    return H::combine(std::move(h), id.bytes_);
  }

 private:
  std::array<uint8_t, kBytes> bytes_{};
};

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_MESSAGE_ID_H_
