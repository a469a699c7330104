// The checksum that every message's content carries: XXH3, 64 bits. It finds damage, not malice.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_CONTENT_HASH_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_CONTENT_HASH_H_

#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"

namespace turnpike::spool {

uint64_t HashContent(absl::string_view content);

// The same over pieces.
//
// Thread-compatible.
class ContentHasher {
 public:
  ContentHasher();
  ~ContentHasher();
  void Update(absl::string_view piece);
  uint64_t Digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_CONTENT_HASH_H_
