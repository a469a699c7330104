// Takes up a configuration that has changed while the process runs (PL-31).
#ifndef TURNPIKE_SERVICES_COMMON_PROCESS_RELOADER_H_
#define TURNPIKE_SERVICES_COMMON_PROCESS_RELOADER_H_

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/config/files.h"

namespace prometheus {
class Gauge;
class Registry;
}  // namespace prometheus

namespace turnpike::process {

// Holds the configuration that runs. Whoever owns it calls Look() now and then; everything happens
// there. Thread-compatible.
class Reloader {
 public:
  using ConfigPointer = std::shared_ptr<const config::v1::Config>;
  // Has the service work by a configuration; an error means that it goes on with the old one.
  using Take = std::function<absl::Status(const ConfigPointer& config)>;

  struct Options {
    std::string path;                // of the document
    std::string service;             // whose files are read, as in config::LoadOptions
    ConfigPointer running;           // what the process was started with
    config::SeenFiles files;         // as the loader saw them then
    prometheus::Registry* registry;  // outlives the reloader
  };

  explicit Reloader(Options options);

  // Looks whether a file of the configuration is another than when it was read last, or reads them
  // all without looking if `is_asked`. What was read is checked as at start. If it is not valid, or
  // `take` fails, each error is logged, the metric says so, the old configuration stays, and the
  // files are read again when one changes. Otherwise what `take` gets has the new values, except of
  // keys that are taken only at start; those are logged as a warning.
  //
  // Blocks as reading files does.
  void Look(bool is_asked, const Take& take);

  const ConfigPointer& running() const { return running_; }

 private:
  void Read(bool is_asked, const Take& take);
  void TellFailure(const absl::Status& status);

  const std::string path_;
  const std::string service_;
  ConfigPointer running_;
  config::SeenFiles files_;
  std::set<std::string> untaken_;  // keys of files that changed, until something is taken
  prometheus::Gauge& successful_;
  prometheus::Gauge& success_time_;
  prometheus::Gauge& restart_needed_;
};

}  // namespace turnpike::process

#endif  // TURNPIKE_SERVICES_COMMON_PROCESS_RELOADER_H_
