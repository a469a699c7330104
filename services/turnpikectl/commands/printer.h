// Writes answers in the form that was asked for.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_PRINTER_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_PRINTER_H_

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/turnpikectl/core/table.h"
#include "services/turnpikectl/core/value.h"

namespace turnpike::ctl {

enum class Form {
  kTable,
  kWide,   // a table with more columns, nothing cut
  kJson,   // a list is one array
  kJsonl,  // an object a line, as they come
  kYaml,
  kName,  // a name a line, for other commands to read
};

// Nothing for a word that names no form.
std::optional<Form> ParseForm(absl::string_view word);
// `table`, `wide` and so on.
std::vector<std::string> FormNames();

// Thread-compatible.
class Printer {
 public:
  // `out` outlives it. Ages are counted from `now`.
  Printer(Form form, std::ostream& out, absl::Time now) : form_(form), out_(out), now_(now) {}

  // A list: its rows, then its end. Rows are written at once where the form allows.
  void Row(const View& view, Value row);
  void End(const View& view);

  // One thing: a sheet for people.
  void One(const View& view, const Value& value);

  // What a command did: a sentence for people, an object for programs.
  void Done(absl::string_view sentence, const Value& value);

  // Text that has no other form.
  void Text(absl::string_view text) { out_ << text; }

  bool is_for_people() const { return form_ == Form::kTable || form_ == Form::kWide; }
  absl::Time now() const { return now_; }

 private:
  void PrintName(const View& view, const Value& value);

  const Form form_;
  std::ostream& out_;
  const absl::Time now_;
  Value::List rows_;
};

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_PRINTER_H_
