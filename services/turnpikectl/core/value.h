// What is shown: a tree that every form of output is made from.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_VALUE_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_VALUE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace turnpike::ctl {

// Nothing, yes or no, a whole number, an id, a text, a moment, a list, or named members in a fixed
// order. An id is a number that nobody reckons with: the contracts' uint64, where counts are int64.
// Programs get it as a text, since readers that keep numbers as doubles round it above 2^53.
// Texts are octets from anywhere: each form of output makes them safe in its own way.
//
// Thread safety: thread-compatible value type.
class Value {
 public:
  struct Member;
  using List = std::vector<Value>;
  using Object = std::vector<Member>;

  Value() = default;                                        // nothing
  Value(bool yes) : content_(yes) {}                        // NOLINT(google-explicit-constructor)
  Value(int32_t number) : content_(int64_t{number}) {}      // NOLINT(google-explicit-constructor)
  Value(int64_t number) : content_(number) {}               // NOLINT(google-explicit-constructor)
  Value(uint64_t id) : content_(id) {}                      // NOLINT(google-explicit-constructor)
  Value(std::string text) : content_(std::move(text)) {}    // NOLINT(google-explicit-constructor)
  Value(const char* text) : content_(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  Value(absl::Time time) : content_(time) {}                // NOLINT(google-explicit-constructor)
  Value(List list) : content_(std::move(list)) {}           // NOLINT(google-explicit-constructor)
  Value(Object members);                                    // NOLINT(google-explicit-constructor)

  bool is_nothing() const { return std::holds_alternative<std::monostate>(content_); }
  const bool* yes() const { return std::get_if<bool>(&content_); }
  const std::string* text() const { return std::get_if<std::string>(&content_); }
  const absl::Time* time() const { return std::get_if<absl::Time>(&content_); }
  const List* list() const { return std::get_if<List>(&content_); }
  const Object* object() const { return std::get_if<Object>(&content_); }
  bool is_id() const { return std::holds_alternative<uint64_t>(content_); }
  // A number or an id as decimal digits; empty for everything else.
  std::string digits() const;
  // A number of either sign; 0 for everything else and for what does not fit.
  int64_t number() const;

  // What is at `path`, member names joined by dots (`queue.held`); the value itself for an empty
  // one. A list on the way gives the list of what is there in its elements. Nothing when there is
  // nothing.
  Value At(absl::string_view path) const;

  // Adds a member, or replaces one of that name. Only for an object, or for nothing, which becomes
  // one.
  void Set(std::string name, Value value);

 private:
  std::variant<std::monostate, bool, int64_t, uint64_t, std::string, absl::Time, List, Object>
      content_;
};

struct Value::Member {
  std::string name;
  Value value;
};

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_VALUE_H_
