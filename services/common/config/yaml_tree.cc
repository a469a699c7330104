#include "services/common/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <cstddef>
#include <exception>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace turnpike::config {
namespace {

Place PlaceOf(const YAML::Mark& mark) {
  return mark.is_null() ? Place() : Place{mark.line + 1, mark.column + 1};
}

// Whether the text in quotation marks that begins at `start` has an end. yaml-cpp 0.7 takes the end
// of the document for it, and a document that was cut off would pass.
bool IsClosed(absl::string_view text, size_t start) {
  const char quote = text[start];
  for (size_t i = start + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || text.substr(i + 1, 1) != "'") return true;
      ++i;  // '' stands for '
    }
  }
  return false;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  // `text` is what is parsed.
  TreeBuilder(absl::string_view text, Problems& problems) : text_(text), problems_(problems) {}

  // What has been read, after an error in the middle too.
  YamlNode Take() {
    while (!stack_.empty()) Close();
    return std::move(root_);
  }

  Place document_place() const { return document_place_; }

  void OnDocumentStart(const YAML::Mark& mark) override { document_place_ = PlaceOf(mark); }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(Start(YamlNode::Kind::kNull, mark, "", anchor));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    problems_.AddError(PlaceOf(mark), "", "aliases (`*name`) are not read; write the value out");
    YamlNode node;
    node.kind = YamlNode::Kind::kRefused;
    node.place = PlaceOf(mark);
    Add(std::move(node));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node = Start(YamlNode::Kind::kScalar, mark, tag, anchor);
    node.scalar = value;
    const auto start = static_cast<size_t>(mark.pos);
    if (tag == "!" && start < text_.size() && absl::StrContains("'\"", text_[start]) &&
        !IsClosed(text_, start)) {
      problems_.AddError(node.place, "",
                         "YAML syntax: the text that begins here has no end; "
                         "add the missing quotation mark");
      node.kind = YamlNode::Kind::kRefused;
    }
    Add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    stack_.push_back(Start(YamlNode::Kind::kList, mark, tag, anchor));
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    stack_.push_back(Start(YamlNode::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { Close(); }

 private:
  YamlNode Start(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
                 YAML::anchor_t anchor) {
    YamlNode node;
    node.kind = kind;
    node.place = PlaceOf(mark);
    if (anchor != YAML::NullAnchor) {
      problems_.AddError(node.place, "", "anchors (`&name`) are not read; take it away");
    }
    // "?" stands for a plain value, "!" for one in quotation marks.
    if (!tag.empty() && tag != "?" && tag != "!") {
      problems_.AddError(node.place, "", "tags (`!name`) are not read; take it away");
    }
    return node;
  }

  void Close() {
    YamlNode node = std::move(stack_.back());
    stack_.pop_back();
    // A syntax error can leave a key behind.
    if (node.kind == YamlNode::Kind::kMap) node.keys.resize(node.items.size());
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = stack_.back();
    const bool is_key =
        parent.kind == YamlNode::Kind::kMap && parent.keys.size() == parent.items.size();
    (is_key ? parent.keys : parent.items).push_back(std::move(node));
  }

  absl::string_view text_;
  Problems& problems_;
  Place document_place_;
  YamlNode root_;
  std::vector<YamlNode> stack_;
};

}  // namespace

YamlNode ParseYaml(absl::string_view text, Problems& problems) {
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // a byte order mark
  std::istringstream in{std::string(text)};
  TreeBuilder builder(text, problems);
  try {
    YAML::Parser parser(in);
    parser.HandleNextDocument(builder);
    Problems ignored("");
    TreeBuilder second(text, ignored);
    if (parser.HandleNextDocument(second)) {
      problems.AddError(second.document_place(), "",
                        "a second document begins here; put everything into one");
    }
  } catch (const YAML::Exception& error) {
    problems.AddError(
        PlaceOf(error.mark), "",
        absl::StrCat("YAML syntax: ", error.msg, "; look at this line and the one before it"));
  } catch (const std::exception& error) {
    problems.AddError({}, "", absl::StrCat("YAML: ", error.what()));
  }
  return builder.Take();
}

}  // namespace turnpike::config
