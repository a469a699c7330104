#include "services/spool-store/core/content_hash.h"

// The library's functions become part of this file; nothing needs to be linked.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace turnpike::spool {

uint64_t HashContent(absl::string_view content) {
  return XXH3_64bits(content.data(), content.size());
}

struct ContentHasher::State {
  XXH3_state_t xxh3;
};

ContentHasher::ContentHasher() : state_(std::make_unique<State>()) {
  XXH3_64bits_reset(&state_->xxh3);
}

ContentHasher::~ContentHasher() = default;

void ContentHasher::Update(absl::string_view piece) {
  XXH3_64bits_update(&state_->xxh3, piece.data(), piece.size());
}

uint64_t ContentHasher::Digest() const { return XXH3_64bits_digest(&state_->xxh3); }

}  // namespace turnpike::spool
