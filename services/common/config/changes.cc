#include "services/common/config/changes.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/message_differencer.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "protos/turnpike/config/v1/rules.pb.h"
#include "services/common/config/value.h"

namespace turnpike::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::MessageDifferencer;

bool IsSection(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field);
}

bool HasOneOnly(const FieldDescriptor& field, const Message& a, const Message& b) {
  return a.GetReflection()->HasField(a, &field) != b.GetReflection()->HasField(b, &field);
}

bool AreEqual(const FieldDescriptor& field, const Message& a, const Message& b) {
  if (!field.is_repeated() && field.has_presence() && HasOneOnly(field, a, b)) return false;
  MessageDifferencer differencer;
  const std::vector<const FieldDescriptor*> fields = {&field};
  return differencer.CompareWithFields(a, b, fields, fields);
}

void CopyField(const FieldDescriptor& field, const Message& from, Message& to) {
  const std::unique_ptr<Message> copy(from.New());
  copy->CopyFrom(from);
  from.GetReflection()->SwapFields(&to, copy.get(), {&field});
}

// The field whose values tell the list's entries apart; null if there is none.
const FieldDescriptor* NameField(const FieldDescriptor& list) {
  const Descriptor& type = *list.message_type();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (field->options().GetExtension(v1::rules).unique()) return field;
  }
  return nullptr;
}

class Comparison {
 public:
  explicit Comparison(Changes& changes) : changes_(changes) {}

  void Compare(const std::string& path, const Message& running, Message& loaded) {
    const Descriptor& type = *running.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (AreEqual(field, running, loaded)) continue;
      CompareField(field, path.empty() ? field.name() : absl::StrCat(path, ".", field.name()),
                   running, loaded);
    }
  }

 private:
  // The fields differ.
  void CompareField(const FieldDescriptor& field, const std::string& path, const Message& running,
                    Message& loaded) {
    const Reflection& reflection = *running.GetReflection();
    if (field.options().GetExtension(v1::rules).needs_restart()) {
      Tell(field, path, running, loaded);
      CopyField(field, running, loaded);
    } else if (!IsSection(field)) {
      changes_.taken.push_back(path);
    } else if (field.is_repeated()) {
      CompareList(field, path, running, loaded);
    } else if (HasOneOnly(field, running, loaded)) {
      changes_.taken.push_back(path);
    } else {
      Compare(path, reflection.GetMessage(running, &field),
              *reflection.MutableMessage(&loaded, &field));
    }
  }

  // Tells of what is kept as it runs, by the keys below a section.
  void Tell(const FieldDescriptor& field, const std::string& path, const Message& running,
            const Message& loaded) {
    if (!IsSection(field) || field.is_repeated() || HasOneOnly(field, running, loaded)) {
      changes_.at_restart.push_back(path);
      return;
    }
    const Reflection& reflection = *running.GetReflection();
    const Message& from = reflection.GetMessage(running, &field);
    const Message& to = reflection.GetMessage(loaded, &field);
    for (int i = 0; i < from.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& child = *from.GetDescriptor()->field(i);
      if (!AreEqual(child, from, to)) {
        Tell(child, absl::StrCat(path, ".", child.name()), from, to);
      }
    }
  }

  void CompareList(const FieldDescriptor& field, const std::string& path, const Message& running,
                   Message& loaded) {
    const FieldDescriptor* const name = NameField(field);
    if (name == nullptr) {
      changes_.taken.push_back(path);
      return;
    }
    const Reflection& reflection = *running.GetReflection();
    const auto name_of = [name](const Message& entry) {
      return entry.GetReflection()->GetString(entry, name);
    };
    std::map<std::string, int> running_places;
    const int running_size = reflection.FieldSize(running, &field);
    for (int i = 0; i < running_size; ++i) {
      running_places.emplace(name_of(reflection.GetRepeatedMessage(running, &field, i)), i);
    }
    const int loaded_size = reflection.FieldSize(loaded, &field);
    bool is_same_list = running_size == loaded_size;
    for (int i = 0; i < loaded_size; ++i) {
      const auto it =
          running_places.find(name_of(reflection.GetRepeatedMessage(loaded, &field, i)));
      is_same_list = is_same_list && it != running_places.end() && it->second == i;
    }
    if (!is_same_list) changes_.taken.push_back(path);
    for (int i = 0; i < loaded_size; ++i) {
      Message& entry = *reflection.MutableRepeatedMessage(&loaded, &field, i);
      const auto it = running_places.find(name_of(entry));
      if (it == running_places.end()) continue;
      Compare(absl::StrCat(path, "[", i, "]"),
              reflection.GetRepeatedMessage(running, &field, it->second), entry);
    }
  }

  Changes& changes_;
};

}  // namespace

Changes TakeChanges(const v1::Config& running, v1::Config& loaded) {
  Changes changes;
  Comparison(changes).Compare("", running, loaded);
  return changes;
}

}  // namespace turnpike::config
