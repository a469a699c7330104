#include "services/common/rpc/security.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/auth_metadata_processor.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/status.h>

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"
#include "services/common/base/status_macros.h"
#include "services/common/base/ticker.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/memory_file.h"

namespace turnpike::rpc {
namespace {

using Options = Security::Options;
using grpc::experimental::FileWatcherCertificateProvider;
using grpc::experimental::TlsChannelCredentialsOptions;
using grpc::experimental::TlsServerCredentialsOptions;

// gRPC looks at our copies this often, which costs next to nothing.
constexpr unsigned kProviderIntervalSeconds = 1;

// A peer can be made to call wrongly again and again: no more lines than this.
constexpr absl::Duration kDenialLogInterval = absl::Seconds(1);

struct Counters {
  explicit Counters(prometheus::Registry& registry)
      : denied(prometheus::BuildCounter()
                   .Name("turnpike_grpc_denied_total")
                   .Help("Calls of services that may not make them.")
                   .Register(registry)
                   .Add({})),
        not_after(prometheus::BuildGauge()
                      .Name("turnpike_certificate_not_after_timestamp_seconds")
                      .Help("When a certificate in use ends")
                      .Register(registry)
                      .Add({{"use", "grpc"}, {"name", "services"}})),
        refresh_successful(
            prometheus::BuildGauge()
                .Name("turnpike_grpc_certificate_last_refresh_successful")
                .Help("1 if the certificate's files were good when they were read last; 0 if an "
                      "older certificate stays in use.")
                .Register(registry)
                .Add({})) {}

  prometheus::Counter& denied;
  prometheus::Gauge& not_after;
  prometheus::Gauge& refresh_successful;
};

absl::string_view ToView(const grpc::string_ref& text) { return {text.data(), text.size()}; }

// Says of each call whether its caller may make it. Thread-safe.
class CallerCheck : public grpc::AuthMetadataProcessor {
 public:
  CallerCheck(const std::string& trust_domain, decltype(Options::may_call) may_call,
              std::shared_ptr<Counters> counters)
      : prefix_(IdentityUri(trust_domain, "")),
        may_call_(may_call),
        counters_(std::move(counters)) {}

  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    absl::string_view method;
    if (const auto path = metadata.find(":path"); path != metadata.end()) {
      method = ToView(path->second);
    }
    // A certificate with other URI names, or more than one, has no such property.
    const auto uris = context->FindPropertyValues(GRPC_PEER_SPIFFE_ID_PROPERTY_NAME);
    const absl::string_view uri = uris.size() == 1 ? ToView(uris.front()) : absl::string_view();
    absl::string_view caller = uri;
    if (absl::ConsumePrefix(&caller, prefix_) && may_call_(method, caller)) return grpc::Status::OK;
    if (counters_ != nullptr) counters_->denied.Increment();
    LogDenial(method, uri);
    return {
        grpc::StatusCode::PERMISSION_DENIED,
        absl::StrCat(uri.empty() ? "a caller without an identity" : uri, " may not call ", method)};
  }

 private:
  void LogDenial(absl::string_view method, absl::string_view uri) {
    {
      absl::MutexLock lock(&mu_);
      const absl::Time now = absl::Now();
      if (now < next_log_) return;
      next_log_ = now + kDenialLogInterval;
    }
    TURNPIKE_LOG(kWarning, "call denied", {{"caller", uri}, {"method", method}});
  }

  const std::string prefix_;  // `spiffe://turnpike/`
  const decltype(Options::may_call) may_call_;
  const std::shared_ptr<Counters> counters_;
  absl::Mutex mu_;
  absl::Time next_log_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

class SecurityImpl : public Security {
 public:
  SecurityImpl(const Options& options, ServiceIdentity identity, MemoryFile key_and_chain,
               MemoryFile authorities)
      : source_(options.identity),
        may_call_(options.may_call),
        counters_(options.registry == nullptr ? nullptr
                                              : std::make_shared<Counters>(*options.registry)),
        identity_(std::move(identity)),
        key_and_chain_(std::move(key_and_chain)),
        authorities_(std::move(authorities)),
        provider_(std::make_shared<FileWatcherCertificateProvider>(
            key_and_chain_.path(), key_and_chain_.path(), authorities_.path(),
            kProviderIntervalSeconds)) {
    Note(identity_);
    ticker_.emplace(options.refresh_interval, [this](const base::Ticker&) { Refresh(); });
  }

  std::shared_ptr<grpc::ChannelCredentials> ForChannel() const override {
    TlsChannelCredentialsOptions options;
    options.set_certificate_provider(provider_);
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    return grpc::experimental::TlsCredentials(options);
  }

  std::shared_ptr<grpc::ServerCredentials> ForServer() const override {
    TlsServerCredentialsOptions options(provider_);
    options.watch_root_certs();
    options.watch_identity_key_cert_pairs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    auto credentials = grpc::experimental::TlsServerCredentials(options);
    credentials->SetAuthMetadataProcessor(
        std::make_shared<CallerCheck>(source_.trust_domain, may_call_, counters_));
    return credentials;
  }

 private:
  void Refresh() {
    absl::StatusOr<ServiceIdentity> read = ServiceIdentity::Read(source_);
    absl::Status status = read.status();
    if (status.ok() && !(*read == identity_)) status = TakeUp(*std::move(read));
    if (counters_ != nullptr) counters_->refresh_successful.Set(status.ok() ? 1 : 0);
    if (status != last_status_ && !status.ok()) {
      TURNPIKE_LOG(kError, "certificate for the services is not taken up; the old one stays",
                   {{"error", status.message()}});
    }
    last_status_ = std::move(status);
  }

  absl::Status TakeUp(ServiceIdentity identity) {
    TURNPIKE_RETURN_IF_ERROR(authorities_.Replace(identity.authorities));
    TURNPIKE_RETURN_IF_ERROR(key_and_chain_.Replace(identity.key_and_chain));
    identity_ = std::move(identity);
    Note(identity_);
    TURNPIKE_LOG(kInfo, "certificate for the services taken up",
                 {{"not_after", absl::FormatTime(identity_.not_after, absl::UTCTimeZone())}});
    return absl::OkStatus();
  }

  void Note(const ServiceIdentity& identity) {
    if (counters_ == nullptr) return;
    counters_->not_after.Set(absl::ToDoubleSeconds(identity.not_after - absl::UnixEpoch()));
  }

  const ServiceIdentity::Source source_;
  const decltype(Options::may_call) may_call_;
  const std::shared_ptr<Counters> counters_;  // null: not wanted
  ServiceIdentity identity_;                  // the ticker's own
  absl::Status last_status_;                  // too
  // What gRPC reads. It would take a certificate and the key of another, and then refuse everybody.
  MemoryFile key_and_chain_;
  MemoryFile authorities_;
  const std::shared_ptr<FileWatcherCertificateProvider> provider_;
  std::optional<base::Ticker> ticker_;
};

}  // namespace

ServiceIdentity::Source IdentitySource(const config::v1::Services& services,
                                       const std::string& service) {
  return {.service = service,
          .directory = services.tls().directory(),
          .trust_domain = services.tls().trust_domain()};
}

absl::StatusOr<std::unique_ptr<Security>> Security::Create(const Options& options) {
  TURNPIKE_ASSIGN_OR_RETURN(ServiceIdentity identity, ServiceIdentity::Read(options.identity));
  TURNPIKE_ASSIGN_OR_RETURN(MemoryFile key_and_chain, MemoryFile::Create(identity.key_and_chain));
  TURNPIKE_ASSIGN_OR_RETURN(MemoryFile authorities, MemoryFile::Create(identity.authorities));
  return std::make_unique<SecurityImpl>(options, std::move(identity), std::move(key_and_chain),
                                        std::move(authorities));
}

absl::StatusOr<std::unique_ptr<Security>> Security::Create(const config::v1::Services& services,
                                                           const std::string& service,
                                                           prometheus::Registry* registry) {
  if (!services.has_tls()) return nullptr;
  return Create({.identity = IdentitySource(services, service), .registry = registry});
}

}  // namespace turnpike::rpc
