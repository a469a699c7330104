// Collects everything that is wrong with a configuration, so that one look at the output is enough.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_PROBLEMS_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_PROBLEMS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace turnpike::config {

// Where something stands in the document. Both count from 1.
struct Place {
  int line = 1;
  int column = 1;
  auto operator<=>(const Place&) const = default;
};

// Thread-compatible.
class Problems {
 public:
  // `name`: the file, as it is shown.
  explicit Problems(std::string name) : name_(std::move(name)) {}

  // `path` is a key path, or empty. `text` says what is wrong; what to do.
  void AddError(Place place, absl::string_view path, absl::string_view text);
  void AddWarning(Place place, absl::string_view path, absl::string_view text);

  bool has_errors() const { return !errors_.empty(); }
  // `file:line:column`
  std::string Describe(Place place) const;
  // `file:line:column: key.path: text`, in the order of the document.
  std::vector<std::string> Warnings() const { return Lines(warnings_); }
  // OK without errors; else INVALID_ARGUMENT with the errors, a line each. More than 100 are cut.
  absl::Status ToStatus() const;

 private:
  struct Problem {
    Place place;
    std::string text;
  };

  std::vector<std::string> Lines(std::vector<Problem> problems) const;

  std::string name_;
  std::vector<Problem> errors_;
  std::vector<Problem> warnings_;
};

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_PROBLEMS_H_
