// What the five binaries have in common: flags, configuration, logs, metrics and health pages,
// signals, drain.
#ifndef TURNPIKE_SERVICES_COMMON_PROCESS_SERVICE_MAIN_H_
#define TURNPIKE_SERVICES_COMMON_PROCESS_SERVICE_MAIN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"

namespace prometheus {
class Registry;
}
namespace turnpike::rpc {
class Security;
}

namespace turnpike::process {

// A service that has been built and is serving.
class Service {
 public:
  virtual ~Service() = default;
  // True once it can do its work (/readyz, and grpc.health.v1).
  virtual bool IsReady() const = 0;
  // Stops taking new work, finishes what is in progress, hands back leases. Returns when done or at
  // `deadline`. Called once, before destruction, on the main thread.
  virtual void Drain(absl::Time deadline) = 0;
  // Works by `config` from here on: what is new (sessions, connections, rounds, questions) by the
  // new values, while nothing that is in progress is cut off; each service's README says which
  // values that still goes by. `config` is checked and complete; keys that are taken only at start
  // (rules.needs_restart) have their old values. It is also called when nothing but a file has
  // changed that the configuration names (a certificate), and when somebody asks by SIGHUP.
  //
  // An error (a certificate that does not match its key) is logged, and means that everything is as
  // before: all or nothing. Called on the main thread, never together with Drain.
  virtual absl::Status Reconfigure(const std::shared_ptr<const config::v1::Config>& config) = 0;
  // The real address of its gRPC server, for the "serving" line. Empty: the configured one.
  virtual std::string grpc_address() const { return ""; }
};

// What a service is built with. Outlives it.
struct Environment {
  std::string service;                               // `smtp-frontend`
  std::shared_ptr<const config::v1::Config> config;  // checked, complete; see Service::Reconfigure
  std::shared_ptr<prometheus::Registry> registry;    // served at /metrics
  std::optional<uint32_t> shard;                     // --shard, 0 to 255 (spool-store)
  const rpc::Security* security = nullptr;  // of its gRPC server and channels; null: plain text
};

// Builds and starts a service; it listens when this returns. An error is printed and ends the
// process with 1.
using ServiceFactory =
    std::function<absl::StatusOr<std::unique_ptr<Service>>(const Environment& environment)>;

// Runs the process: `--config FILE` (required), `--check` (validate and exit 0 or 2), `--version`,
// `--help`; spool-store has `--shard NUMBER`, too. SIGTERM and SIGINT make /readyz say no, drain
// after services.drain_delay within services.drain_timeout, and exit 0; a second one exits at once.
// `endpoint` picks the service's own entry (listen addresses). Prints one JSON log line
// `"text":"serving"` with fields `grpc`, `metrics` (the real ports) when everything is up.
//
// While it serves it looks once a second whether the document, or a file that it names, has
// changed; SIGHUP has it read them at once. What is valid is taken up (`log` here, the rest by
// Service::Reconfigure), anything else refused.
//
// Returns what the process is to exit with: 0 after a drain, 1 when the service cannot start, 2 for
// wrong flags or a configuration that is not valid. Call it once, first thing in main: signals are
// blocked before there are other threads.
int ServiceMain(
    int argc, char** argv, const std::string& service,
    const turnpike::config::v1::ServiceEndpoint& (*endpoint)(const turnpike::config::v1::Services&),
    const ServiceFactory& factory);

}  // namespace turnpike::process

#endif  // TURNPIKE_SERVICES_COMMON_PROCESS_SERVICE_MAIN_H_
