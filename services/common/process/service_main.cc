#include "services/common/process/service_main.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "google/protobuf/duration.pb.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/version.h"
#include "services/common/config/files.h"
#include "services/common/config/loader.h"
#include "services/common/observe/http_server.h"
#include "services/common/observe/log.h"
#include "services/common/observe/metrics.h"
#include "services/common/process/core_dumps.h"
#include "services/common/process/descriptor_limit.h"
#include "services/common/process/flags.h"
#include "services/common/process/reloader.h"
#include "services/common/rpc/library_log.h"
#include "services/common/rpc/security.h"
#include "services/common/rpc/service_identity.h"

namespace turnpike::process {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitInvalid = 2;

using EndpointPicker = const config::v1::ServiceEndpoint& (*)(const config::v1::Services&);

// Lets /readyz ask the service while there is one. Thread-safe.
class Readiness {
 public:
  void Set(const Service* service) {
    absl::MutexLock lock(&mu_);
    service_ = service;
  }
  bool IsReady() const {
    absl::MutexLock lock(&mu_);
    return service_ != nullptr && service_->IsReady();
  }

 private:
  mutable absl::Mutex mu_;
  const Service* service_ ABSL_GUARDED_BY(mu_) = nullptr;
};

// How often the files of the configuration are looked at.
constexpr time_t kLookIntervalSeconds = 1;

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Those and the one that asks for the configuration to be read.
sigset_t AllSignals() {
  sigset_t signals = StopSignals();
  sigaddset(&signals, SIGHUP);
  return signals;
}

// Threads that are made later inherit the mask, so that WaitForSignal gets the signals.
void SetUpSignals() {
  const sigset_t signals = AllSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A peer that has gone is an error of the write.
  signal(SIGPIPE, SIG_IGN);
}

// Nothing if none comes within the interval.
std::optional<int> WaitForSignal() {
  const sigset_t signals = AllSignals();
  constexpr timespec kInterval = {.tv_sec = kLookIntervalSeconds, .tv_nsec = 0};
  const int received = sigtimedwait(&signals, nullptr, &kInterval);
  // EAGAIN or EINTR; fails otherwise for wrong arguments only.
  if (received < 0) return std::nullopt;
  return received;
}

// Takes changed files up until a stop signal comes; returns that.
int ServeUntilStop(Reloader& reloader, const Reloader::Take& take) {
  while (true) {
    const std::optional<int> signal_number = WaitForSignal();
    if (signal_number.has_value() && *signal_number != SIGHUP) return *signal_number;
    reloader.Look(/*is_asked=*/signal_number.has_value(), take);
  }
}

// From here on a stop signal ends the process at once.
void StopAtOnceFromNowOn() {
  struct sigaction action = {};
  action.sa_handler = [](int) { _exit(kExitFailed); };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

// An error in the form of the loader's when the service's own certificate is not as services.tls
// needs it. (PL-40)
absl::Status CheckIdentity(const std::string& service, const config::LoadedConfig& loaded) {
  if (!loaded.config.services().has_tls()) return absl::OkStatus();
  const absl::Status status =
      rpc::ServiceIdentity::Read(rpc::IdentitySource(loaded.config.services(), service)).status();
  if (status.ok()) return absl::OkStatus();
  constexpr char kKey[] = "services.tls.directory";
  const auto place = loaded.places.find(kKey);
  return absl::InvalidArgumentError(
      absl::StrCat(place == loaded.places.end() ? "" : absl::StrCat(place->second, ": "), kKey,
                   ": ", status.message()));
}

int CheckConfig(const std::string& service, const std::string& path) {
  // Without a service's name, so that every file is looked at.
  const absl::StatusOr<config::LoadedConfig> loaded = config::LoadConfig(path);
  const absl::Status status = loaded.ok() ? CheckIdentity(service, *loaded) : loaded.status();
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return kExitInvalid;
  }
  for (const std::string& warning : loaded->warnings) {
    std::fprintf(stderr, "%s (warning)\n", warning.c_str());
  }
  std::printf("%s: configuration is valid\n", path.c_str());
  return kExitOk;
}

void LogConfigErrors(const absl::Status& status) {
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    TURNPIKE_LOG(kError, "configuration is not valid", {{"error", line}});
  }
}

observe::LogLevel ToLogLevel(config::v1::LogLevel level) {
  switch (level) {
    case config::v1::LOG_LEVEL_ERROR:
      return observe::LogLevel::kError;
    case config::v1::LOG_LEVEL_WARNING:
      return observe::LogLevel::kWarning;
    case config::v1::LOG_LEVEL_DEBUG:
      return observe::LogLevel::kDebug;
    default:
      return observe::LogLevel::kInfo;
  }
}

void SetUpDescriptors(const std::string& service, const config::v1::Config& config) {
  const uint64_t allowed = RaiseDescriptorLimit();
  const uint64_t needed = DescriptorsNeeded(service, config);
  if (allowed < needed) {
    TURNPIKE_LOG(kWarning,
                 "fewer file descriptors are allowed than the configured limits may need; raise "
                 "LimitNOFILE, or lower smtp.connections_max or delivery.leases_max",
                 {{"allowed", allowed}, {"needed", needed}});
  }
}

prometheus::Gauge& AddGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// Starts the pages, unless they are switched off. They live until the process ends: /livez answers
// during the drain too, and CivetWeb takes two seconds to stop.
absl::StatusOr<std::string> StartPages(const std::string& listen,
                                       std::shared_ptr<prometheus::Registry> registry,
                                       std::shared_ptr<Readiness> readiness) {
  if (listen.empty()) return "";
  absl::StatusOr<std::unique_ptr<observe::HttpServer>> server = observe::HttpServer::Start(
      {.listen = listen,
       .is_ready = [readiness = std::move(readiness)] { return readiness->IsReady(); },
       .collectables = {std::move(registry), std::make_shared<observe::ProcessCollector>()}});
  if (!server.ok()) return server.status();
  static const observe::HttpServer* const kept = server->release();
  return kept->address();
}

// Drains and ends the service after the first signal.
void StopService(std::unique_ptr<Service> service, Readiness& readiness,
                 const config::v1::Services& settings) {
  readiness.Set(nullptr);
  absl::SleepFor(FromProto(settings.drain_delay()));
  service->Drain(absl::Now() + FromProto(settings.drain_timeout()));
  service.reset();
}

// What every service does with its configuration.
void ApplyCommon(const config::v1::Config& config) {
  observe::SetLogLevel(ToLogLevel(config.log().level()));
  observe::SetAddressRedaction(config.log().redact_addresses());
}

// `files` are those of the configuration.
int Serve(Environment environment, const Flags& flags, config::SeenFiles files,
          EndpointPicker endpoint_of, const ServiceFactory& factory) {
  const config::v1::Config& config = *environment.config;
  const config::v1::ServiceEndpoint& endpoint = endpoint_of(config.services());
  auto registry = observe::CreateRegistry();
  environment.registry = registry;
  Reloader reloader({.path = flags.config,
                     .service = environment.service,
                     .running = environment.config,
                     .files = std::move(files),
                     .registry = registry.get()});
  prometheus::Gauge& draining =
      AddGauge(*registry, "turnpike_draining", "1 while the process finishes its work to stop.");

  auto readiness = std::make_shared<Readiness>();
  const absl::StatusOr<std::string> pages =
      StartPages(endpoint.metrics_listen(), registry, readiness);
  if (!pages.ok()) {
    TURNPIKE_LOG(kError, "cannot start", {{"error", pages.status().message()}});
    return kExitFailed;
  }
  const absl::StatusOr<std::unique_ptr<rpc::Security>> security =
      rpc::Security::Create(config.services(), environment.service, registry.get());
  if (!security.ok()) {
    TURNPIKE_LOG(kError, "cannot start", {{"error", security.status().message()}});
    return kExitFailed;
  }
  environment.security = security->get();
  absl::StatusOr<std::unique_ptr<Service>> service = factory(environment);
  if (!service.ok()) {
    TURNPIKE_LOG(kError, "cannot start", {{"error", service.status().message()}});
    return kExitFailed;
  }
  readiness->Set(service->get());
  const std::string grpc = (*service)->grpc_address();
  TURNPIKE_LOG(kInfo, "serving",
               {{"grpc", grpc.empty() ? endpoint.listen() : grpc},
                {"metrics", *pages},
                {"version", base::kVersion}});

  const int signal_number =
      ServeUntilStop(reloader, [&](const Reloader::ConfigPointer& fresh) -> absl::Status {
        TURNPIKE_RETURN_IF_ERROR((*service)->Reconfigure(fresh));
        ApplyCommon(*fresh);
        // It has been said what the old configuration needs.
        if (DescriptorsNeeded(environment.service, *fresh) !=
            DescriptorsNeeded(environment.service, *reloader.running())) {
          SetUpDescriptors(environment.service, *fresh);
        }
        return absl::OkStatus();
      });
  StopAtOnceFromNowOn();
  draining.Set(1);
  TURNPIKE_LOG(kInfo, "draining", {{"signal", signal_number}});
  StopService(*std::move(service), *readiness, config.services());
  TURNPIKE_LOG(kInfo, "stopped");
  return kExitOk;
}

}  // namespace

int ServiceMain(int argc, char** argv, const std::string& service,
                const config::v1::ServiceEndpoint& (*endpoint)(const config::v1::Services&),
                const ServiceFactory& factory) {
  // Debian builds Abseil with its search for deadlocks on: a global lock around every lock, gRPC's
  // too. Tests keep it.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  ForbidCoreDumps();
  const absl::StatusOr<Flags> flags = ParseFlags(service, argc, argv);
  if (!flags.ok()) {
    std::fprintf(stderr, "%s: %s\n%s", service.c_str(),
                 std::string(flags.status().message()).c_str(), UsageText(service).c_str());
    return kExitInvalid;
  }
  if (flags->help) {
    std::printf("%s", UsageText(service).c_str());
    return kExitOk;
  }
  if (flags->version) {
    std::printf("%s %s\n", service.c_str(), base::kVersion);
    return kExitOk;
  }
  if (flags->check) return CheckConfig(service, flags->config);

  SetUpSignals();
  observe::SetLogService(service);
  rpc::TakeLibraryLog();
  config::SeenFiles files;
  absl::StatusOr<config::LoadedConfig> loaded =
      config::LoadConfig(flags->config, {.service = service, .files = &files});
  const absl::Status status = loaded.ok() ? CheckIdentity(service, *loaded) : loaded.status();
  if (!status.ok()) {
    LogConfigErrors(status);
    return kExitInvalid;
  }
  Environment environment = {
      .service = service,
      .config = std::make_shared<const config::v1::Config>(std::move(loaded->config)),
      .registry = nullptr,
      .shard = flags->shard};
  ApplyCommon(*environment.config);
  SetUpDescriptors(service, *environment.config);
  for (const std::string& warning : loaded->warnings) {
    TURNPIKE_LOG(kWarning, "configuration", {{"warning", warning}});
  }
  return Serve(std::move(environment), *flags, std::move(files), endpoint, factory);
}

}  // namespace turnpike::process
