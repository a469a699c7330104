#include "services/turnpikectl/core/value.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"

namespace turnpike::ctl {

Value::Value(Object members) : content_(std::move(members)) {}

std::string Value::digits() const {
  if (const auto* number = std::get_if<int64_t>(&content_)) return absl::StrCat(*number);
  if (const auto* number = std::get_if<uint64_t>(&content_)) return absl::StrCat(*number);
  return "";
}

int64_t Value::number() const {
  if (const auto* number = std::get_if<int64_t>(&content_)) return *number;
  const auto* number = std::get_if<uint64_t>(&content_);
  if (number == nullptr || *number > uint64_t{std::numeric_limits<int64_t>::max()}) return 0;
  return static_cast<int64_t>(*number);
}

Value Value::At(absl::string_view path) const {
  if (path.empty()) return *this;
  if (list() != nullptr) {
    List found;
    for (const Value& element : *list()) found.push_back(element.At(path));
    return found;
  }
  if (object() == nullptr) return {};
  const size_t dot = path.find('.');
  const absl::string_view name = path.substr(0, dot);
  const absl::string_view rest =
      dot == absl::string_view::npos ? absl::string_view() : path.substr(dot + 1);
  for (const Member& member : *object()) {
    if (member.name == name) return member.value.At(rest);
  }
  return {};
}

void Value::Set(std::string name, Value value) {
  if (is_nothing()) content_ = Object();
  auto* members = std::get_if<Object>(&content_);
  TURNPIKE_CHECK(members != nullptr);
  for (Member& member : *members) {
    if (member.name == name) {
      member.value = std::move(value);
      return;
    }
  }
  members->push_back({std::move(name), std::move(value)});
}

}  // namespace turnpike::ctl
