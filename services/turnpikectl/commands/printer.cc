#include "services/turnpikectl/commands/printer.h"

#include <array>
#include <utility>

#include "services/turnpikectl/core/serialize.h"

namespace turnpike::ctl {
namespace {

struct NamedForm {
  const char* name;
  Form form;
};

constexpr std::array<NamedForm, 6> kForms = {{{"table", Form::kTable},
                                              {"wide", Form::kWide},
                                              {"json", Form::kJson},
                                              {"jsonl", Form::kJsonl},
                                              {"yaml", Form::kYaml},
                                              {"name", Form::kName}}};

}  // namespace

std::optional<Form> ParseForm(absl::string_view word) {
  for (const NamedForm& form : kForms) {
    if (word == form.name) return form.form;
  }
  return std::nullopt;
}

std::vector<std::string> FormNames() {
  std::vector<std::string> names;
  for (const NamedForm& form : kForms) names.push_back(form.name);
  return names;
}

void Printer::Row(const View& view, Value row) {
  switch (form_) {
    case Form::kJsonl:
      out_ << ToJsonLine(row) << "\n";
      return;
    case Form::kName:
      PrintName(view, row);
      return;
    case Form::kTable:
    case Form::kWide:
    case Form::kJson:
    case Form::kYaml:
      rows_.push_back(std::move(row));
      return;
  }
}

void Printer::End(const View& view) {
  const Value::List rows = std::exchange(rows_, {});
  switch (form_) {
    case Form::kTable:
    case Form::kWide:
      out_ << RenderTable(view.columns, rows, form_ == Form::kWide, now_);
      return;
    case Form::kJson:
      out_ << ToJson(rows);
      return;
    case Form::kYaml:
      out_ << ToYaml(rows);
      return;
    case Form::kJsonl:
    case Form::kName:
      return;
  }
}

void Printer::One(const View& view, const Value& value) {
  switch (form_) {
    case Form::kTable:
    case Form::kWide:
      out_ << RenderSheet(view, value, now_);
      return;
    case Form::kName:
      PrintName(view, value);
      return;
    case Form::kJson:
    case Form::kJsonl:
    case Form::kYaml:
      Done("", value);
      return;
  }
}

void Printer::Done(absl::string_view sentence, const Value& value) {
  switch (form_) {
    case Form::kTable:
    case Form::kWide:
      out_ << sentence << "\n";
      return;
    case Form::kJson:
      out_ << ToJson(value);
      return;
    case Form::kJsonl:
      out_ << ToJsonLine(value) << "\n";
      return;
    case Form::kYaml:
      out_ << ToYaml(value);
      return;
    case Form::kName:
      return;
  }
}

void Printer::PrintName(const View& view, const Value& value) {
  out_ << FormatCell(value.At(view.name), Format::kText, now_) << "\n";
}

}  // namespace turnpike::ctl
