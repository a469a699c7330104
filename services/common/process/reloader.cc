#include "services/common/process/reloader.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"
#include "services/common/config/changes.h"
#include "services/common/config/loader.h"
#include "services/common/observe/log.h"

namespace turnpike::process {
namespace {

// A field of a log line is cut at 1,024 octets; the list ends before, and says how much is left.
constexpr size_t kToldKeysBytesMax = 900;

prometheus::Gauge& AddGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

std::string ToldKeys(const std::vector<std::string>& keys) {
  std::string told;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (told.size() + keys[i].size() > kToldKeysBytesMax) {
      return absl::StrCat(told, " and ", keys.size() - i, " more");
    }
    absl::StrAppend(&told, told.empty() ? "" : ", ", keys[i]);
  }
  return told;
}

}  // namespace

Reloader::Reloader(Options options)
    : path_(std::move(options.path)),
      service_(std::move(options.service)),
      running_(std::move(options.running)),
      files_(std::move(options.files)),
      successful_(AddGauge(
          *options.registry, "turnpike_config_last_reload_successful",
          "1 if the configuration file was valid when it was read last; 0 if an older one runs.")),
      success_time_(AddGauge(*options.registry,
                             "turnpike_config_last_reload_success_timestamp_seconds",
                             "When the configuration that runs was read.")),
      restart_needed_(AddGauge(
          *options.registry, "turnpike_config_restart_needed",
          "1 if the configuration file has values that are taken only at the next start.")) {
  successful_.Set(1);
  success_time_.SetToCurrentTime();
}

void Reloader::Look(bool is_asked, const Take& take) {
  const std::vector<std::string> changed = config::ChangedFiles(files_);
  untaken_.insert(changed.begin(), changed.end());
  if (is_asked || !changed.empty()) Read(is_asked, take);
}

void Reloader::Read(bool is_asked, const Take& take) {
  config::SeenFiles files;
  absl::StatusOr<config::LoadedConfig> loaded =
      config::LoadConfig(path_, {.service = service_, .files = &files});
  if (!loaded.ok()) {
    // Those of the old configuration are still worth a try when they change.
    for (auto& [key, file] : files_) file.identity = config::IdentityOf(file.path);
    files.merge(files_);
    files_ = std::move(files);
    return TellFailure(loaded.status());
  }
  files_ = std::move(files);
  for (const std::string& warning : loaded->warnings) {
    TURNPIKE_LOG(kWarning, "configuration", {{"warning", warning}});
  }
  config::Changes changes = config::TakeChanges(*running_, loaded->config);
  // A certificate has changed without a value of the document's. The document itself has no key.
  untaken_.erase("");
  changes.taken.insert(changes.taken.end(), untaken_.begin(), untaken_.end());
  if (is_asked || !changes.taken.empty()) {
    auto fresh = std::make_shared<const config::v1::Config>(std::move(loaded->config));
    if (const absl::Status taken = take(fresh); !taken.ok()) return TellFailure(taken);
    running_ = std::move(fresh);
  }
  untaken_.clear();
  successful_.Set(1);
  success_time_.SetToCurrentTime();
  restart_needed_.Set(changes.at_restart.empty() ? 0 : 1);
  if (!changes.taken.empty()) {
    TURNPIKE_LOG(kInfo, "configuration taken up",
                 {{"file", path_}, {"changed", ToldKeys(changes.taken)}});
  } else if (changes.at_restart.empty()) {
    TURNPIKE_LOG(kInfo, "configuration read again; nothing has changed", {{"file", path_}});
  }
  if (!changes.at_restart.empty()) {
    TURNPIKE_LOG(kWarning, "changed, but taken only at the next start of the service",
                 {{"file", path_}, {"changed", ToldKeys(changes.at_restart)}});
  }
}

void Reloader::TellFailure(const absl::Status& status) {
  successful_.Set(0);
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    TURNPIKE_LOG(kError, "changed configuration is refused; the old one stays", {{"error", line}});
  }
}

}  // namespace turnpike::process
