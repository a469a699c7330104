#include "services/auth-service/neighbours.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "prometheus/counter.h"
#include "services/auth-service/directory/dovecot_directory.h"
#include "services/auth-service/directory/ldap_directory.h"
#include "services/auth-service/directory/metrics.h"
#include "services/auth-service/directory/pooled_directory.h"
#include "services/auth-service/mailbox/metrics.h"
#include "services/auth-service/mailbox/policy_server.h"
#include "services/auth-service/mailbox/shared_logins.h"
#include "services/auth-service/screen/metrics.h"
#include "services/auth-service/screen/shared_screen.h"
#include "services/auth-service/sharing/metrics.h"
#include "services/auth-service/sharing/shared_domains.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/common/config/value.h"
#include "services/common/net/tls_context.h"
#include "services/common/observe/log.h"
#include "services/common/rpc/channel.h"
#include "services/common/smtp/address.h"
#include "services/spool-store/client/rpc_shared_state.h"

namespace turnpike::auth {
namespace {

// Below the time after which Dovecot gives a request up.
constexpr absl::Duration kNoteTimeout = absl::Seconds(1);

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration));
}

SharedScreen::Options ScreenOptions(const config::v1::Config& config) {
  return {.rules = ScreenRules::From(config.dynamic_screening()),
          .account_failures_max = config.auth().account_failures_max(),
          .account_failures_window = FromProto(config.auth().account_failures_window())};
}

ProbeTarget TargetOf(const config::v1::SharingHost& host) {
  const config::HostPort server = config::SplitHostPort(host.server());
  return {.host = server.host, .port = server.port, .is_lmtp = host.lmtp()};
}

// A connection is held while Dovecot lets somebody wait who was wrong (auth_failure_delay, 2s).
constexpr size_t kDovecotConnectionsMax = 16;

PooledDirectory::Options LdapOptions(const config::v1::Ldap& config) {
  return {.name = "ldap",
          .connect = [config] { return CreateLdapDirectory(config); },
          .connections_max = config.connections_max(),
          .timeout = FromProto(config.timeout()),
          .cache_time = FromProto(config.cache_time()),
          .has_verifiers = !config.verifier_attribute().empty()};
}

PooledDirectory::Options DovecotOptions(const config::v1::Dovecot& config) {
  return {.name = "dovecot",
          .connect = [config] { return CreateDovecotDirectory(config); },
          .connections_max = kDovecotConnectionsMax,
          .timeout = FromProto(config.timeout()),
          .cache_time = FromProto(config.cache_time())};
}

// The own address of the account that a mailbox server calls `user`. A name without a domain is in
// the first local domain.
std::string AccountOf(const Site& site, absl::string_view user) {
  std::string address(user);
  if (!absl::StrContains(user, '@') && site.postmaster_domain().has_value()) {
    absl::StrAppend(&address, "@", site.postmaster_domain()->ascii());
  }
  const auto mailbox = smtp::Mailbox::Parse(address, {.allow_utf8 = true});
  if (!mailbox.ok()) return address;
  const std::string* const owner = site.FindOwner(site.KeyOf(*mailbox));
  return owner != nullptr ? *owner : site.KeyOf(*mailbox);
}

}  // namespace

class Neighbours::Impl {
 public:
  Impl(const config::v1::Config& config, std::shared_ptr<const Site> site,
       prometheus::Registry& registry, const rpc::Security* security)
      : state_(spool::CreateRpcSharedState(
            rpc::CreateChannel(config.services().spool_store().target(), security))),
        screen_metrics_(registry),
        mailbox_metrics_(registry),
        screen_(ScreenOptions(config), *state_, screen_metrics_, base::Clock::System()) {
    AddDirectories(config, registry);
    const config::v1::PopBeforeSmtp& pop = config.auth().pop_before_smtp();
    if (!pop.enabled()) return;
    logins_ = std::make_unique<SharedLogins>(
        SharedLogins::Options{
            .window = FromProto(pop.window()),
            .account_of = [site = std::move(site)](
                              absl::string_view user) { return AccountOf(*site, user); }},
        *state_);
  }

  absl::Status Listen(const config::v1::PopBeforeSmtp& pop) {
    if (logins_ == nullptr || pop.policy_listen().empty()) return absl::OkStatus();
    TURNPIKE_ASSIGN_OR_RETURN(
        policy_server_,
        PolicyServer::Start(
            {.listen = pop.policy_listen(),
             .key = pop.policy_key(),
             .on_login = [this](const PolicyReport& report) { return Note(report); },
             .on_result = [this](PolicyServer::Result result) { Count(result); }}));
    TURNPIKE_LOG(kInfo, "mailbox servers may report", {{"address", policy_server_->address()}});
    return absl::OkStatus();
  }

  absl::Status OpenSharing(const config::v1::Config& config, prometheus::Registry& registry) {
    const config::v1::DomainSharing& sharing = config.domain_sharing();
    if (sharing.hosts().empty()) return absl::OkStatus();
    SharedDomains::Options options{
        .probe = {.host_name = config.hostname(), .timeout = FromProto(sharing.timeout())},
        .found_time = FromProto(sharing.cache_time()),
        .not_found_time = FromProto(sharing.negative_cache_time()),
        .cache_entries_max = sharing.cache_entries_max()};
    TURNPIKE_ASSIGN_OR_RETURN(options.probe.tls_context, net::TlsContext::ForUnverifyingClient());
    for (const config::v1::SharingHost& host : sharing.hosts()) {
      options.hosts.push_back(TargetOf(host));
    }
    sharing_metrics_ = std::make_unique<SharingMetrics>(registry);
    sharing_ = std::make_unique<SharedDomains>(std::move(options), *sharing_metrics_,
                                               base::Clock::System());
    return absl::OkStatus();
  }

  SharedDomains* sharing() { return sharing_.get(); }
  std::vector<AccountDirectory*> directories() {
    std::vector<AccountDirectory*> all;
    for (const auto& directory : directories_) all.push_back(directory.get());
    return all;
  }
  SharedScreen& screen() { return screen_; }
  SharedLogins* logins() { return logins_.get(); }
  MailboxMetrics& mailbox_metrics() { return mailbox_metrics_; }

 private:
  void AddDirectories(const config::v1::Config& config, prometheus::Registry& registry) {
    const config::v1::Directory& directory = config.directory();
    if (directory.has_ldap()) AddDirectory("ldap", LdapOptions(directory.ldap()), registry);
    if (directory.has_dovecot()) {
      AddDirectory("dovecot", DovecotOptions(directory.dovecot()), registry);
    }
  }

  void AddDirectory(const char* backend, PooledDirectory::Options options,
                    prometheus::Registry& registry) {
    directory_metrics_.push_back(std::make_unique<DirectoryMetrics>(registry, backend));
    directories_.push_back(std::make_unique<PooledDirectory>(
        std::move(options), *directory_metrics_.back(), base::Clock::System()));
  }

  absl::Status Note(const PolicyReport& report) {
    absl::Notification answered;
    absl::Status answer;
    logins_->Report(report.login, report.remote, absl::Now() + kNoteTimeout,
                    [&](absl::Status status) {
                      answer = std::move(status);
                      answered.Notify();
                    });
    answered.WaitForNotification();
    if (answer.ok()) mailbox_metrics_.logins.Increment();
    return answer;
  }

  void Count(PolicyServer::Result result) {
    switch (result) {
      case PolicyServer::Result::kAllow:
        return mailbox_metrics_.allow.Increment();
      case PolicyServer::Result::kReport:
        return mailbox_metrics_.report.Increment();
      case PolicyServer::Result::kRefused:
        return mailbox_metrics_.refused.Increment();
      case PolicyServer::Result::kMalformed:
        return mailbox_metrics_.malformed.Increment();
      case PolicyServer::Result::kError:
        return mailbox_metrics_.error.Increment();
    }
  }

  const std::unique_ptr<spool::SharedState> state_;
  ScreenMetrics screen_metrics_;
  MailboxMetrics mailbox_metrics_;
  SharedScreen screen_;
  std::unique_ptr<SharedLogins> logins_;
  std::unique_ptr<PolicyServer> policy_server_;
  std::unique_ptr<SharingMetrics> sharing_metrics_;
  std::unique_ptr<SharedDomains> sharing_;
  std::vector<std::unique_ptr<DirectoryMetrics>> directory_metrics_;
  std::vector<std::unique_ptr<PooledDirectory>> directories_;
};

Neighbours::Neighbours(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Neighbours::~Neighbours() = default;

absl::StatusOr<std::unique_ptr<Neighbours>> Neighbours::Create(const config::v1::Config& config,
                                                               std::shared_ptr<const Site> site,
                                                               prometheus::Registry& registry,
                                                               const rpc::Security* security) {
  auto impl = std::make_unique<Impl>(config, std::move(site), registry, security);
  TURNPIKE_RETURN_IF_ERROR(impl->OpenSharing(config, registry));
  TURNPIKE_RETURN_IF_ERROR(impl->Listen(config.auth().pop_before_smtp()));
  return std::unique_ptr<Neighbours>(new Neighbours(std::move(impl)));
}

Screen& Neighbours::screen() { return impl_->screen(); }

RecentLogins* Neighbours::recent_logins() { return impl_->logins(); }

AddressSharing* Neighbours::sharing() { return impl_->sharing(); }

std::vector<AccountDirectory*> Neighbours::directories() { return impl_->directories(); }

std::unique_ptr<grpc::Service> Neighbours::MakeAdminService(
    std::function<void(v1::ExplainVerdictRequest, AdminServiceParts::ExplainDone)> explain) {
  return CreateAdminService({.screen = impl_->screen(),
                             .logins = impl_->logins(),
                             .mailbox_metrics = impl_->mailbox_metrics(),
                             .explain = std::move(explain)});
}

}  // namespace turnpike::auth
