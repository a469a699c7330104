#include "services/common/config/reference.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "google/protobuf/descriptor.pb.h"
#include "protos/turnpike/config/v1/rules.pb.h"
#include "services/common/base/check.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::SourceLocation;

constexpr char kIntroduction[] = R"(# Configuration

One YAML document configures all five services; each is started with `--config FILE`. This page is
made from the files in `protos/turnpike/config/v1` by `services/common/config/reference_main.cc`; do
not edit it by hand.

`smtp-frontend --config FILE --check` (or any of the five) says whether a document is valid: exit
status 0, or 2 with every error by file, line, column and key:

    /etc/turnpike/turnpike.yaml:12:5: gateways[0].etrn.prot: unknown key; did you mean `port`?

A working gateway needs no more than this; every default is safe on a public address:

```yaml
hostname: mail.example.org
smtp:
  listeners:
  - {name: mx, role: smtp, listen: "0.0.0.0:25"}
  - {name: odmr, role: odmr, listen: "0.0.0.0:366"}
gateways:
- domain: customer.example
  atrn: {enabled: true, password_file: secrets/customer}
```

- Times are written `150ms`, `90s`, `5m`, `4h`, `5d`, `2w`, or sums such as `1h30m`.
- Sizes are octets, or carry a unit: `64KiB`, `50MiB`, `2GiB`, `500MB`.
- Domain names may be written in any case, and with letters beyond ASCII.
- Networks are single addresses, or `192.0.2.0/24` and `2001:db8::/32` without bits behind the
  prefix.
- Relative paths start at the folder of the document.
- A secret is better kept in a file of its own, named by the `_file` key beside it. Only the service
  that needs the file has to have it; `--check` looks at all of them.
- A changed document, or file that it names, is taken up within a second or two while the services
  run, or at once on SIGHUP; what is marked _at start_ below waits for the next start. What is not
  valid is refused as a whole, and the old configuration stays: see [reload.md](reload.md).
- Anchors, aliases and tags of YAML are not read, and there is one document in a file.
)";

v1::FieldRules RulesOf(const FieldDescriptor& field) {
  // Options of a pool made at run time know our extension as unknown octets only; read them again.
  google::protobuf::FieldOptions options;
  TURNPIKE_CHECK(options.ParseFromString(field.options().SerializeAsString()));
  return options.GetExtension(v1::rules);
}

// One line for a table cell.
template <typename Described>
std::string CommentOf(const Described& described) {
  SourceLocation location;
  described.GetSourceLocation(&location);
  const std::string joined =
      absl::StrReplaceAll(absl::StrCat(location.leading_comments, " ", location.trailing_comments),
                          {{"\n", " "}, {"|", "\\|"}});
  std::string text(absl::StripAsciiWhitespace(joined));
  absl::RemoveExtraAsciiWhitespace(&text);
  return text;
}

std::string EnumAlternatives(const EnumDescriptor& type) {
  std::vector<std::string> alternatives;
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor& value = *type.value(i);
    if (value.number() == 0) continue;
    const std::string comment = CommentOf(value);
    alternatives.push_back(absl::StrCat("`", EnumText(value), "`",
                                        comment.empty() ? "" : absl::StrCat(" (", comment, ")")));
  }
  return absl::StrJoin(alternatives, ", ");
}

absl::string_view KindText(v1::ValueKind kind) {
  switch (kind) {
    case v1::VALUE_KIND_BYTES:
      return "size";
    case v1::VALUE_KIND_DOMAIN:
      return "domain";
    case v1::VALUE_KIND_NETWORK:
      return "network";
    case v1::VALUE_KIND_HOST_PORT:
      return "host:port";
    case v1::VALUE_KIND_MAILBOX:
      return "mail address";
    case v1::VALUE_KIND_FILE:
      return "path";
    case v1::VALUE_KIND_SECRET:
      return "secret";
    case v1::VALUE_KIND_LISTEN:
      return "address:port";
    default:
      return "text";
  }
}

std::string TypeText(const FieldDescriptor& field, const v1::FieldRules& rules) {
  if (IsDuration(field)) return "time";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "`true`, `false`";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumAlternatives(*field.enum_type());
    case FieldDescriptor::CPPTYPE_STRING:
      return std::string(KindText(rules.kind()));
    default:
      return rules.kind() == v1::VALUE_KIND_BYTES ? "size" : "number";
  }
}

std::string ValueText(const FieldDescriptor& field, const v1::FieldRules& rules) {
  std::string text = TypeText(field, rules);
  if (!rules.min().empty() && !rules.max().empty()) {
    absl::StrAppend(&text, ", ", rules.min(), " to ", rules.max());
  } else if (!rules.min().empty()) {
    absl::StrAppend(&text, ", at least ", rules.min());
  } else if (!rules.max().empty()) {
    absl::StrAppend(&text, ", at most ", rules.max());
  }
  if (rules.unique()) absl::StrAppend(&text, ", each once");
  return field.is_repeated() ? absl::StrCat("list of: ", text) : text;
}

std::string DefaultText(const FieldDescriptor& field, const v1::FieldRules& rules) {
  if (rules.required()) return "**required**";
  if (!rules.default_value().empty()) return absl::StrCat("`", rules.default_value(), "`");
  return field.is_repeated() ? "none" : "";
}

class ReferenceWriter {
 public:
  std::string Write(const Descriptor& config) {
    text_ = kIntroduction;
    CollectPaths("", config);
    WriteMessage("", config, /*is_at_start=*/false);
    return std::move(text_);
  }

 private:
  static std::string SectionPath(const std::string& path, const FieldDescriptor& field) {
    return absl::StrCat(path.empty() ? "" : absl::StrCat(path, "."), field.name(),
                        field.is_repeated() ? "[]" : "");
  }

  static bool IsSection(const FieldDescriptor& field) {
    return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field);
  }

  // Where each kind of section is found.
  void CollectPaths(const std::string& path, const Descriptor& type) {
    if (!path.empty()) paths_[&type].push_back(path);
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (IsSection(field)) CollectPaths(SectionPath(path, field), *field.message_type());
    }
  }

  // A section for a message, and for the sections below it.
  // `is_at_start`: a section above it is taken only at start.
  void WriteMessage(const std::string& path, const Descriptor& type, bool is_at_start) {
    if (!path.empty()) {
      absl::StrAppend(&text_, "\n## `", path, "`\n");
      std::vector<std::string> others = paths_[&type];
      others.erase(std::find(others.begin(), others.end(), path));
      if (!others.empty()) {
        absl::StrAppend(&text_, "\nThe same keys are found in `", absl::StrJoin(others, "`, `"),
                        "`.\n");
      }
      const std::string comment = CommentOf(type);
      if (!comment.empty()) absl::StrAppend(&text_, "\n", comment, "\n");
    } else {
      absl::StrAppend(&text_, "\n## Top level\n");
    }
    WriteTable(type, is_at_start);
    WriteSections(path, type, is_at_start);
  }

  void WriteTable(const Descriptor& type, bool is_at_start) {
    absl::StrAppend(&text_, "\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const bool is_section = IsSection(field);
      const v1::FieldRules rules = RulesOf(field);
      const std::string value = !is_section           ? ValueText(field, rules)
                                : field.is_repeated() ? "list of sections, see below"
                                                      : "section, see below";
      absl::StrAppend(&text_, "| `", field.name(), "` | ", value, " | ", DefaultText(field, rules),
                      " | ", CommentOf(field),
                      is_at_start || rules.needs_restart() ? " _At start._" : "", " |\n");
    }
  }

  // The sections below this one, each kind once.
  void WriteSections(const std::string& path, const Descriptor& type, bool is_at_start) {
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (!IsSection(field)) continue;
      const Descriptor& section = *field.message_type();
      if (written_.insert(&section).second) {
        WriteMessage(SectionPath(path, field), section,
                     is_at_start || RulesOf(field).needs_restart());
      }
    }
  }

  std::string text_;
  std::map<const Descriptor*, std::vector<std::string>> paths_;
  std::set<const Descriptor*> written_;
};

}  // namespace

absl::StatusOr<std::string> MakeReference(absl::string_view descriptor_set) {
  google::protobuf::FileDescriptorSet files;
  if (!files.ParseFromArray(descriptor_set.data(), static_cast<int>(descriptor_set.size()))) {
    return absl::InvalidArgumentError("not a descriptor set");
  }
  google::protobuf::DescriptorPool pool;
  for (const google::protobuf::FileDescriptorProto& file : files.file()) {
    if (pool.BuildFile(file) == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("cannot be built: ", file.name()));
    }
  }
  const Descriptor* config = pool.FindMessageTypeByName("turnpike.config.v1.Config");
  if (config == nullptr) return absl::InvalidArgumentError("without turnpike.config.v1.Config");
  return ReferenceWriter().Write(*config);
}

}  // namespace turnpike::config
