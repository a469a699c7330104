// A YAML document as a tree that knows where each value stands and keeps double keys, which
// yaml-cpp's own tree does not.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_YAML_TREE_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_YAML_TREE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/config/problems.h"

namespace turnpike::config {

struct YamlNode {
  enum class Kind {
    kNull,
    kScalar,
    kList,
    kMap,
    kRefused,  // was reported already; say no more about it
  };

  Kind kind = Kind::kNull;
  Place place;
  std::string scalar;
  std::vector<YamlNode> keys;   // of a map, in the order of the document
  std::vector<YamlNode> items;  // of a list; of a map, the values to `keys`
};

// Reads one document. An empty text is a null node. Syntax errors, anchors, aliases, tags and
// further documents are reported; the result is then what could be read.
YamlNode ParseYaml(absl::string_view text, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_YAML_TREE_H_
