#include "services/common/config/loader.h"

#include <cstddef>
#include <utility>

#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/config/complete.h"
#include "services/common/config/problems.h"
#include "services/common/config/reader.h"
#include "services/common/config/validate.h"
#include "services/common/config/validate_certificates.h"
#include "services/common/config/yaml_tree.h"

namespace turnpike::config {
namespace {

// Some ten thousand gateways, and little enough for a mistaken path to do no harm.
constexpr size_t kDocumentBytesMax = 32 << 20;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path, const LoadOptions& options) {
  if (options.files != nullptr) (*options.files)[""] = {path, IdentityOf(path)};
  TURNPIKE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kDocumentBytesMax));
  return ParseConfig(text, path, options);
}

absl::StatusOr<LoadedConfig> ParseConfig(absl::string_view yaml, const std::string& name,
                                         const LoadOptions& options) {
  Problems problems(name);
  const YamlNode root = ParseYaml(yaml, problems);
  LoadedConfig loaded;
  const Places places = ReadMessage(
      root, {.folder = FolderOf(name), .service = options.service, .files = options.files},
      loaded.config, problems);
  // Checks between values make sense only when the values themselves are right.
  if (!problems.has_errors()) {
    CompleteConfig(places, loaded.config);
    ValidateConfig(places, loaded.config, problems);
    ValidateCertificates(places, loaded.config, options.service, problems);
  }
  TURNPIKE_RETURN_IF_ERROR(problems.ToStatus());
  for (const auto& [path, place] : places) loaded.places[path] = problems.Describe(place);
  loaded.warnings = problems.Warnings();
  return loaded;
}

}  // namespace turnpike::config
