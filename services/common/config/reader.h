// Fills a protobuf message from a YAML tree by the message's own description: field names are keys,
// and the `rules` options of the fields say what is allowed and what stands in when a key is
// missing.
#ifndef TURNPIKE_SERVICES_COMMON_CONFIG_READER_H_
#define TURNPIKE_SERVICES_COMMON_CONFIG_READER_H_

#include <map>
#include <string>

#include "services/common/config/files.h"
#include "services/common/config/problems.h"
#include "services/common/config/yaml_tree.h"

namespace google::protobuf {
class Message;
}

namespace turnpike::config {

// Key path (`gateways[2].atrn.password`) of every key in the document to where its value stands.
using Places = std::map<std::string, Place>;

// The place of `path`, or of the nearest key above it that is in the document.
Place FindPlace(const Places& places, std::string path);

struct ReadOptions {
  std::string folder;   // where relative paths begin
  std::string service;  // whose files are read; empty: every file must be there (rules.read_by)
  SeenFiles* files = nullptr;  // where given, gets the files that are read by the service
};

// Reads `root` into `message`, which is empty. All errors are added to `problems`; the message is
// then of no use, but safe to look at.
Places ReadMessage(const YamlNode& root, const ReadOptions& options,
                   google::protobuf::Message& message, Problems& problems);

}  // namespace turnpike::config

#endif  // TURNPIKE_SERVICES_COMMON_CONFIG_READER_H_
