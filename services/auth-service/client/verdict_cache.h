// Answers that hold for more than one question, found again without asking.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_VERDICT_CACHE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_VERDICT_CACHE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "protos/turnpike/auth/v1/session.pb.h"

namespace turnpike::auth {

// Keeps answers by what their scope says they depend on, besides the listener and the identity.
//
// A domain's verdict is used for plain addresses only: a local part of letters, digits and `+-._=`,
// and one `@`. Other forms (quotes, percent, bang …) are policy's own business, so each of them is
// asked about by itself unless the scope says that the address does not matter at all.
//
// Thread-compatible.
class VerdictCache {
 public:
  // Holds about `entries_max` answers at most. When full, those that were not used for longest go,
  // half of them at a time.
  explicit VerdictCache(size_t entries_max) : generation_entries_max_(entries_max / 2 + 1) {}

  // The answer to `question` that still holds at `now`, or null. Valid until the next call.
  const v1::Answer* Find(const v1::Question& question, absl::Time now);

  // Remembers `answer` as far as it says that it holds for others.
  void Add(const v1::Question& question, const v1::Answer& answer, absl::Time now);

  void Clear() {
    young_.clear();
    old_.clear();
  }

  size_t size() const { return young_.size() + old_.size(); }

 private:
  enum class Extent { kNothing, kDomain, kWhole };  // how much of an address a verdict looks at

  // What a verdict depends on; one way of looking for a question.
  struct Shape {
    v1::Question::QuestionCase about = v1::Question::QUESTION_NOT_SET;
    bool client = false;
    Extent sender = Extent::kNothing;
    Extent recipient = Extent::kNothing;
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  struct Entry {
    v1::Answer answer;
    absl::Time expire_time;
  };
  using Entries = absl::flat_hash_map<std::string, Entry>;

  // Writes the question's key into key_. False when the question has no such key.
  bool MakeKey(const Shape& shape, const v1::Question& question);
  const v1::Answer* FindKey(absl::Time now);

  const size_t generation_entries_max_;
  std::vector<Shape> shapes_;  // in use; few
  std::string key_;            // a buffer that stays
  Entries young_;
  Entries old_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CLIENT_VERDICT_CACHE_H_
