#include "services/common/config/reader.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "protos/turnpike/config/v1/rules.pb.h"
#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "services/common/config/suggestion.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kSecretBytesMax = 64 * 1024;
constexpr absl::string_view kFileSuffix = "_file";

const v1::FieldRules& RulesOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::rules);
}

bool IsSubMessage(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field);
}

bool HasRequiredField(const Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (RulesOf(*type.field(i)).required()) return true;
  }
  return false;
}

std::string ChildPath(const std::string& path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

void SetDuration(absl::Duration value, Message* message) {
  auto* proto = static_cast<google::protobuf::Duration*>(message);
  proto->set_seconds(absl::IDivDuration(value, absl::Seconds(1), &value));
  proto->set_nanos(static_cast<int32_t>(value / absl::Nanoseconds(1)));
}

// Sets the field, or adds to it when it is repeated.
class Setter {
 public:
  Setter(Message& message, const FieldDescriptor& field)
      : message_(&message), field_(&field), reflection_(message.GetReflection()) {}

  void operator()(const std::string& value) {
    field_->is_repeated() ? reflection_->AddString(message_, field_, value)
                          : reflection_->SetString(message_, field_, value);
  }
  void operator()(bool value) {
    field_->is_repeated() ? reflection_->AddBool(message_, field_, value)
                          : reflection_->SetBool(message_, field_, value);
  }
  void operator()(int64_t value) {
    if (field_->cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
      const auto small = static_cast<int32_t>(value);
      field_->is_repeated() ? reflection_->AddInt32(message_, field_, small)
                            : reflection_->SetInt32(message_, field_, small);
    } else {
      field_->is_repeated() ? reflection_->AddInt64(message_, field_, value)
                            : reflection_->SetInt64(message_, field_, value);
    }
  }
  void operator()(uint64_t value) {
    if (field_->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      const auto small = static_cast<uint32_t>(value);
      field_->is_repeated() ? reflection_->AddUInt32(message_, field_, small)
                            : reflection_->SetUInt32(message_, field_, small);
    } else {
      field_->is_repeated() ? reflection_->AddUInt64(message_, field_, value)
                            : reflection_->SetUInt64(message_, field_, value);
    }
  }
  void operator()(absl::Duration value) {
    SetDuration(value, field_->is_repeated() ? reflection_->AddMessage(message_, field_)
                                             : reflection_->MutableMessage(message_, field_));
  }
  void operator()(const EnumValueDescriptor* value) {
    field_->is_repeated() ? reflection_->AddEnum(message_, field_, value)
                          : reflection_->SetEnum(message_, field_, value);
  }

 private:
  Message* message_;
  const FieldDescriptor* field_;
  const Reflection* reflection_;
};

// A value that our own rules state.
Value RuleValue(const FieldDescriptor& field, const std::string& text) {
  absl::StatusOr<Value> value = ParseValue(field, text);
  TURNPIKE_CHECK(value.ok(), absl::StrCat(field.full_name(), ": ", value.status().message()));
  return *std::move(value);
}

class Reader {
 public:
  Reader(const ReadOptions& options, Problems& problems) : options_(options), problems_(problems) {}

  Places TakePlaces() { return std::move(places_); }

  void Read(const YamlNode& node, const std::string& path, Message& message) {
    if (node.kind != YamlNode::Kind::kMap && node.kind != YamlNode::Kind::kNull) {
      if (node.kind != YamlNode::Kind::kRefused) {
        problems_.AddError(node.place, path, "must hold keys with values");
      }
      return;
    }
    std::map<absl::string_view, Place> seen;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      ReadKey(node.keys[i], node.items[i], path, message, seen);
    }
    const Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (!seen.contains(field.name())) ReadMissing(field, node.place, path, message);
    }
    for (int i = 0; i < type.field_count(); ++i) {
      ReadSecret(*type.field(i), path, message);
    }
  }

 private:
  void ReadKey(const YamlNode& key, const YamlNode& value, const std::string& path,
               Message& message, std::map<absl::string_view, Place>& seen) {
    if (key.kind != YamlNode::Kind::kScalar) {
      problems_.AddError(key.place, path, "a key must be a plain word");
      return;
    }
    const Descriptor& type = *message.GetDescriptor();
    const FieldDescriptor* field = type.FindFieldByName(key.scalar);
    const std::string child = ChildPath(path, key.scalar);
    if (field == nullptr) {
      std::vector<std::string> known;
      for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->name());
      problems_.AddError(key.place, child, UnknownKeyText(key.scalar, known));
      return;
    }
    const auto [it, is_new] = seen.emplace(field->name(), key.place);
    if (!is_new) {
      problems_.AddError(
          key.place, child,
          absl::StrCat("given twice, first in line ", it->second.line, "; take one away"));
      return;
    }
    // An empty value has no place of its own.
    places_[child] = value.kind == YamlNode::Kind::kNull ? key.place : value.place;
    ReadField(*field, value, child, message);
  }

  void ReadField(const FieldDescriptor& field, const YamlNode& value, const std::string& path,
                 Message& message) {
    if (value.kind == YamlNode::Kind::kRefused) return;
    if (field.is_repeated()) {
      ReadList(field, value, path, message);
    } else if (IsSubMessage(field)) {
      ReadSection(field, value, path, *message.GetReflection()->MutableMessage(&message, &field));
    } else {
      ReadScalar(field, value, path, message);
    }
  }

  // Reads what stands below `field`; rules.read_by of the field holds for all of it.
  void ReadSection(const FieldDescriptor& field, const YamlNode& value, const std::string& path,
                   Message& section) {
    const v1::FieldRules* const outer = section_rules_;
    if (RulesOf(field).read_by_size() > 0) section_rules_ = &RulesOf(field);
    Read(value, path, section);
    section_rules_ = outer;
  }

  void ReadList(const FieldDescriptor& field, const YamlNode& value, const std::string& path,
                Message& message) {
    if (value.kind == YamlNode::Kind::kNull) return;
    if (value.kind != YamlNode::Kind::kList) {
      problems_.AddError(value.place, path, "must be a list; begin each entry with `- `");
      return;
    }
    for (size_t i = 0; i < value.items.size(); ++i) {
      const YamlNode& item = value.items[i];
      const std::string child = absl::StrCat(path, "[", i, "]");
      places_[child] = item.place;
      if (item.kind == YamlNode::Kind::kRefused) continue;
      if (IsSubMessage(field)) {
        ReadSection(field, item, child, *message.GetReflection()->AddMessage(&message, &field));
      } else {
        ReadScalar(field, item, child, message);
      }
    }
    if (IsSubMessage(field)) CheckUnique(field, path, message);
  }

  void ReadScalar(const FieldDescriptor& field, const YamlNode& node, const std::string& path,
                  Message& message) {
    if (node.kind == YamlNode::Kind::kNull) {
      problems_.AddError(places_[path], path, "has no value; write one or take the key away");
      return;
    }
    if (node.kind != YamlNode::Kind::kScalar) {
      problems_.AddError(node.place, path,
                         absl::StrCat("must be a single value, not a ",
                                      node.kind == YamlNode::Kind::kList ? "list" : "map"));
      return;
    }
    absl::StatusOr<Value> value = ParseValue(field, node.scalar);
    if (!value.ok()) {
      problems_.AddError(node.place, path, value.status().message());
      return;
    }
    if (!CheckBounds(field, *value, node.place, path)) return;
    if (RulesOf(field).kind() == v1::VALUE_KIND_FILE) {
      std::string& file = std::get<std::string>(*value);
      if (!absl::StartsWith(file, "/")) file = absl::StrCat(options_.folder, "/", file);
      CheckFile(field, file, node.place, path);
    }
    std::visit(Setter(message, field), *value);
  }

  bool CheckBounds(const FieldDescriptor& field, const Value& value, Place place,
                   const std::string& path) {
    const v1::FieldRules& rules = RulesOf(field);
    if (!rules.min().empty() && value < RuleValue(field, rules.min())) {
      problems_.AddError(place, path, absl::StrCat("must be at least ", rules.min()));
      return false;
    }
    if (!rules.max().empty() && RuleValue(field, rules.max()) < value) {
      problems_.AddError(place, path, absl::StrCat("must be at most ", rules.max()));
      return false;
    }
    return true;
  }

  // Whether this service looks into the file that the field names.
  bool IsReadHere(const FieldDescriptor& field) const {
    if (!absl::EndsWith(field.name(), kFileSuffix)) return false;
    const bool has_own = RulesOf(field).read_by_size() > 0;
    const auto& readers = has_own ? RulesOf(field).read_by() : section_rules_->read_by();
    return options_.service.empty() || readers.empty() ||
           std::find(readers.begin(), readers.end(), options_.service) != readers.end();
  }

  void CheckFile(const FieldDescriptor& field, const std::string& file, Place place,
                 const std::string& path) {
    if (!IsReadHere(field)) return;
    // Before it is read, so that no change is missed.
    if (options_.files != nullptr) (*options_.files)[path] = {file, IdentityOf(file)};
    if (access(file.c_str(), R_OK) != 0) {
      problems_.AddError(place, path,
                         absl::StrCat("cannot read ", file, ": ", std::strerror(errno)));
    }
  }

  void ReadMissing(const FieldDescriptor& field, Place parent, const std::string& path,
                   Message& message) {
    const v1::FieldRules& rules = RulesOf(field);
    const std::string child = ChildPath(path, field.name());
    if (rules.required()) {
      problems_.AddError(parent, child, "is missing; it has no default");
    } else if (!rules.default_value().empty()) {
      std::visit(Setter(message, field), RuleValue(field, rules.default_value()));
    } else if (!field.is_repeated() && IsSubMessage(field) &&
               !HasRequiredField(*field.message_type())) {
      YamlNode nothing;
      nothing.place = parent;
      Read(nothing, child, *message.GetReflection()->MutableMessage(&message, &field));
    }
  }

  // Reads `<name>_file` into a secret field.
  void ReadSecret(const FieldDescriptor& field, const std::string& path, Message& message) {
    if (RulesOf(field).kind() != v1::VALUE_KIND_SECRET) return;
    const FieldDescriptor* file_field =
        message.GetDescriptor()->FindFieldByName(absl::StrCat(field.name(), kFileSuffix));
    TURNPIKE_CHECK(file_field != nullptr, field.full_name());
    const Reflection& reflection = *message.GetReflection();
    const std::string file = reflection.GetString(message, file_field);
    if (file.empty()) return;
    const std::string child = ChildPath(path, file_field->name());
    if (!reflection.GetString(message, &field).empty()) {
      problems_.AddError(places_[child], child,
                         absl::StrCat("`", field.name(), "` is given too; take one away"));
      return;
    }
    // That it cannot be opened has been said already.
    if (!IsReadHere(*file_field) || access(file.c_str(), R_OK) != 0) return;
    const absl::StatusOr<std::string> content = base::ReadFile(file, kSecretBytesMax);
    if (!content.ok()) {
      problems_.AddError(places_[child], child,
                         absl::StrCat("cannot read ", content.status().message()));
      return;
    }
    // Editors and `echo` end a file with a line end that is no part of the secret.
    absl::string_view secret = *content;
    while (absl::ConsumeSuffix(&secret, "\n") || absl::ConsumeSuffix(&secret, "\r")) {
    }
    if (secret.empty()) {
      problems_.AddError(places_[child], child, absl::StrCat(file, " is empty"));
      return;
    }
    reflection.SetString(&message, &field, std::string(secret));
  }

  // No two entries of the list have the same value in a field with rules.unique.
  void CheckUnique(const FieldDescriptor& list, const std::string& path, const Message& message) {
    const Descriptor& type = *list.message_type();
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (!RulesOf(field).unique()) continue;
      std::map<std::string, int> first;
      for (int j = 0; j < reflection.FieldSize(message, &list); ++j) {
        const Message& entry = reflection.GetRepeatedMessage(message, &list, j);
        const std::string value = entry.GetReflection()->GetString(entry, &field);
        // Port 0 is a different port each time.
        if (value.empty() || absl::EndsWith(value, ":0")) continue;
        const auto [it, is_new] = first.emplace(value, j);
        if (is_new) continue;
        const std::string child = absl::StrCat(path, "[", j, "].", field.name());
        problems_.AddError(places_[child], child,
                           absl::StrCat("`", value, "` is used by ", path, "[", it->second,
                                        "] already; every entry needs one of its own"));
      }
    }
  }

  const ReadOptions& options_;
  Problems& problems_;
  Places places_;
  // Of the innermost section that says who reads its files.
  const v1::FieldRules* section_rules_ = &v1::FieldRules::default_instance();
};

}  // namespace

Place FindPlace(const Places& places, std::string path) {
  while (!path.empty()) {
    if (const auto it = places.find(path); it != places.end()) return it->second;
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return {};
}

Places ReadMessage(const YamlNode& root, const ReadOptions& options, Message& message,
                   Problems& problems) {
  Reader reader(options, problems);
  reader.Read(root, "", message);
  return reader.TakePlaces();
}

}  // namespace turnpike::config
