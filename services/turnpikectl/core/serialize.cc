#include "services/turnpikectl/core/serialize.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "services/common/observe/json.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

// Texts are shown whole; this is beyond any message that gRPC carries.
constexpr size_t kTextBytesMax = size_t{1} << 30;

std::string Quoted(absl::string_view text) {
  std::string out;
  observe::AppendJsonString(text, kTextBytesMax, out);
  return out;
}

// Everything but lists and objects, as JSON.
std::string ScalarToJson(const Value& value) {
  if (value.yes() != nullptr) return *value.yes() ? "true" : "false";
  if (value.text() != nullptr) return Quoted(*value.text());
  if (value.time() != nullptr) return Quoted(TimeText(*value.time()));
  const std::string digits = value.digits();
  if (value.is_id()) return Quoted(digits);
  return digits.empty() ? "null" : digits;
}

class JsonWriter {
 public:
  explicit JsonWriter(bool is_indented) : is_indented_(is_indented) {}

  void Write(const Value& value) {
    if (value.list() != nullptr) {
      Open('[');
      for (const Value& element : *value.list()) {
        Next();
        Write(element);
      }
      Close(']');
    } else if (value.object() != nullptr) {
      Open('{');
      for (const Value::Member& member : *value.object()) {
        Next();
        out_ += Quoted(member.name);
        out_ += is_indented_ ? ": " : ":";
        Write(member.value);
      }
      Close('}');
    } else {
      out_ += ScalarToJson(value);
    }
  }

  std::string& out() { return out_; }

 private:
  void Open(char bracket) {
    out_ += bracket;
    ++depth_;
    is_first_ = true;
  }

  void Next() {
    if (!is_first_) out_ += ',';
    is_first_ = false;
    NewLine();
  }

  void Close(char bracket) {
    --depth_;
    if (!is_first_) NewLine();
    is_first_ = false;
    out_ += bracket;
  }

  void NewLine() {
    if (!is_indented_) return;
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  const bool is_indented_;
  size_t depth_ = 0;
  bool is_first_ = true;
  std::string out_;
};

// Letters at first, then those signs that mean nothing to YAML; and no word that some reader takes
// for a truth value or for nothing.
bool IsPlainYaml(absl::string_view text) {
  if (text.empty() || !absl::ascii_isalpha(text.front())) return false;
  const bool has_odd = !std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("@._/+-", c);
  });
  if (has_odd) return false;
  constexpr std::array<absl::string_view, 9> kWords = {"true", "false", "yes", "no", "on",
                                                       "off",  "null",  "y",   "n"};
  return std::none_of(kWords.begin(), kWords.end(), [text](absl::string_view word) {
    return absl::EqualsIgnoreCase(text, word);
  });
}

std::string ScalarToYaml(const Value& value) {
  if (value.text() != nullptr && IsPlainYaml(*value.text())) return *value.text();
  // JSON's scalars are YAML's.
  return ScalarToJson(value);
}

bool IsBlock(const Value& value) {
  return (value.list() != nullptr && !value.list()->empty()) ||
         (value.object() != nullptr && !value.object()->empty());
}

std::string InlineYaml(const Value& value) {
  if (value.list() != nullptr) return "[]";
  if (value.object() != nullptr) return "{}";
  return ScalarToYaml(value);
}

void AppendYaml(const Value& value, size_t indent, std::string& out);

// What follows `- ` or `name:`, with its line end; `is_element` of a list.
void AppendYamlChild(const Value& value, size_t indent, bool is_element, std::string& out) {
  if (!IsBlock(value)) {
    out += is_element ? "" : " ";
    out += InlineYaml(value) + "\n";
    return;
  }
  if (is_element && value.object() != nullptr) {
    // The first member stands on the line of the dash.
    std::string block;
    AppendYaml(value, indent + 2, block);
    out += block.substr(indent + 2);
    return;
  }
  if (is_element) {
    out.pop_back();  // the blank after the dash
  }
  out += '\n';
  AppendYaml(value, indent + 2, out);
}

void AppendYaml(const Value& value, size_t indent, std::string& out) {
  if (value.list() != nullptr) {
    for (const Value& element : *value.list()) {
      out.append(indent, ' ');
      out += "- ";
      AppendYamlChild(element, indent, /*is_element=*/true, out);
    }
    return;
  }
  for (const Value::Member& member : *value.object()) {
    out.append(indent, ' ');
    out += member.name + ":";
    AppendYamlChild(member.value, indent, /*is_element=*/false, out);
  }
}

}  // namespace

std::string ToJsonLine(const Value& value) {
  JsonWriter writer(/*is_indented=*/false);
  writer.Write(value);
  return writer.out();
}

std::string ToJson(const Value& value) {
  JsonWriter writer(/*is_indented=*/true);
  writer.Write(value);
  return writer.out() + "\n";
}

std::string ToYaml(const Value& value) {
  if (!IsBlock(value)) return InlineYaml(value) + "\n";
  std::string out;
  AppendYaml(value, 0, out);
  return out;
}

}  // namespace turnpike::ctl
