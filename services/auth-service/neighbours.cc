#include "services/auth-service/neighbours.h"

#include <map>
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
#include "services/auth-service/mailbox/metrics.h"
#include "services/auth-service/mailbox/policy_server.h"
#include "services/auth-service/screen/metrics.h"
#include "services/auth-service/screen/shared_screen.h"
#include "services/auth-service/sharing/metrics.h"
#include "services/common/base/clock.h"
#include "services/common/base/current.h"
#include "services/common/base/status_macros.h"
#include "services/common/config/files.h"
#include "services/common/config/value.h"
#include "services/common/net/tls_context.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/address.h"
#include "services/spool-store/client/stores.h"

namespace turnpike::auth {
namespace {

// Below the time after which Dovecot gives a request up.
constexpr absl::Duration kNoteTimeout = absl::Seconds(1);

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration));
}

ScreenSettings ScreenSettingsOf(const config::v1::Config& config) {
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

// Differs when anything that shared domains are made of does.
std::string SharingOrigin(const config::v1::Config& config) {
  return absl::StrCat(config.domain_sharing().SerializeAsString(), "\n", config.hostname());
}

// The same for a directory. New connections read the authorities' file anew.
std::string OriginOf(const config::v1::Ldap& ldap) {
  const config::FileIdentity file = config::IdentityOf(ldap.authorities_file());
  return absl::StrCat(ldap.SerializeAsString(), "\n", file.device, " ", file.inode, " ", file.bytes,
                      " ", file.modified_seconds, ".", file.modified_nanoseconds);
}
std::string OriginOf(const config::v1::Dovecot& dovecot) { return dovecot.SerializeAsString(); }

// Something that is kept while it would be made the same again.
template <typename T>
struct Made {
  std::string origin;
  std::shared_ptr<T> thing;
};

}  // namespace

class Neighbours::Impl {
 public:
  Impl(const config::v1::Config& config, prometheus::Registry& registry,
       const rpc::Security* security, base::Disposer& disposer)
      : registry_(registry),
        disposer_(disposer),
        state_(spool::CreateSharedState(spool::ConnectToStores(config, security))),
        screen_metrics_(registry),
        mailbox_metrics_(registry),
        screen_({.settings = ScreenSettingsOf(config)}, *state_, screen_metrics_,
                base::Clock::System()) {}

  absl::StatusOr<Circle> Prepare(const config::v1::Config& config,
                                 std::shared_ptr<const Site> site) {
    fresh_ = Fresh();
    TURNPIKE_RETURN_IF_ERROR(PrepareSharing(config));
    const config::v1::Directory& directory = config.directory();
    if (directory.has_ldap()) {
      fresh_.ldap = Keep(kept_.ldap, OriginOf(directory.ldap()),
                         [&] { return MakeDirectory("ldap", LdapOptions(directory.ldap())); });
    }
    if (directory.has_dovecot()) {
      fresh_.dovecot = Keep(kept_.dovecot, OriginOf(directory.dovecot()), [&] {
        return MakeDirectory("dovecot", DovecotOptions(directory.dovecot()));
      });
    }
    TURNPIKE_RETURN_IF_ERROR(PrepareLogins(config.auth().pop_before_smtp(), std::move(site)));
    Circle circle{.recent_logins = fresh_.reporting->logins, .sharing = fresh_.sharing.thing};
    for (const auto& made : {fresh_.ldap, fresh_.dovecot}) {
      if (made.thing != nullptr) circle.directories.push_back(made.thing);
    }
    return circle;
  }

  void Take(const config::v1::Config& config) {
    screen_.Reconfigure(ScreenSettingsOf(config));
    reporting_.Set(fresh_.reporting);
    if (fresh_.policy_server != nullptr || fresh_.policy_listen.empty()) {
      policy_server_ = std::move(fresh_.policy_server);
    }
    kept_ = std::move(fresh_);
    fresh_ = Fresh();
  }

  void DropPrepared() { fresh_ = Fresh(); }

  void Forget() {
    policy_server_ = nullptr;  // whose threads note logins
    fresh_ = Fresh();
    kept_ = Fresh();
  }

  SharedScreen& screen() { return screen_; }
  std::shared_ptr<SharedLogins> logins() const { return reporting_.Get()->logins; }
  MailboxMetrics& mailbox_metrics() { return mailbox_metrics_; }

 private:
  // How mailbox servers report logins.
  struct Reporting {
    std::shared_ptr<SharedLogins> logins;
    std::string policy_listen;  // empty: nowhere
    std::string policy_key;
  };
  struct Fresh {
    Made<SharedDomains> sharing;
    Made<PooledDirectory> ldap;
    Made<PooledDirectory> dovecot;
    std::shared_ptr<const Reporting> reporting;
    std::string policy_listen;                    // empty: nowhere
    std::unique_ptr<PolicyServer> policy_server;  // null: none, or the one that is there
  };

  template <typename T, typename Make>
  static Made<T> Keep(const Made<T>& kept, std::string origin, const Make& make) {
    if (kept.thing != nullptr && kept.origin == origin) return kept;
    return {std::move(origin), make()};
  }

  absl::Status PrepareSharing(const config::v1::Config& config) {
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
    if (sharing_metrics_ == nullptr) sharing_metrics_ = std::make_unique<SharingMetrics>(registry_);
    fresh_.sharing = Keep(kept_.sharing, SharingOrigin(config), [&] {
      return disposer_.Own(std::make_unique<SharedDomains>(std::move(options), *sharing_metrics_,
                                                           base::Clock::System()));
    });
    return absl::OkStatus();
  }

  std::shared_ptr<PooledDirectory> MakeDirectory(const char* backend,
                                                 PooledDirectory::Options options) {
    std::unique_ptr<DirectoryMetrics>& metrics = directory_metrics_[backend];
    if (metrics == nullptr) metrics = std::make_unique<DirectoryMetrics>(registry_, backend);
    return disposer_.Own(
        std::make_unique<PooledDirectory>(std::move(options), *metrics, base::Clock::System()));
  }

  absl::Status PrepareLogins(const config::v1::PopBeforeSmtp& pop,
                             std::shared_ptr<const Site> site) {
    auto reporting = std::make_shared<Reporting>();
    if (pop.enabled()) {
      reporting->logins = std::make_shared<SharedLogins>(
          SharedLogins::Options{
              .window = FromProto(pop.window()),
              .account_of = [site = std::move(site)](
                                absl::string_view user) { return AccountOf(*site, user); }},
          *state_);
      reporting->policy_listen = pop.policy_listen();
      reporting->policy_key = pop.policy_key();
      fresh_.policy_listen = pop.policy_listen();
    }
    fresh_.reporting = reporting;
    if (fresh_.policy_listen.empty() || fresh_.policy_listen == kept_.policy_listen) {
      return absl::OkStatus();
    }
    TURNPIKE_ASSIGN_OR_RETURN(
        fresh_.policy_server,
        PolicyServer::Start(
            {.listen = pop.policy_listen(),
             .key = [this, reporting] { return ReportingOf(reporting)->policy_key; },
             .on_login =
                 [this, reporting](const PolicyReport& report) {
                   return Note(*ReportingOf(reporting), report);
                 },
             .on_result = [this](PolicyServer::Result result) { Count(result); }}));
    TURNPIKE_LOG(kInfo, "mailbox servers may report",
                 {{"address", fresh_.policy_server->address()}});
    return absl::OkStatus();
  }

  // What holds for a server that listens: the newest there is, but from the first moment its own.
  // The configuration before it may have asked for no key, on loopback.
  std::shared_ptr<const Reporting> ReportingOf(const std::shared_ptr<const Reporting>& own) const {
    std::shared_ptr<const Reporting> taken = reporting_.Get();
    return taken->policy_listen == own->policy_listen ? taken : own;
  }

  absl::Status Note(const Reporting& reporting, const PolicyReport& report) {
    const std::shared_ptr<SharedLogins>& logins = reporting.logins;
    absl::Notification answered;
    absl::Status answer;
    logins->Report(report.login, report.remote, absl::Now() + kNoteTimeout,
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

  prometheus::Registry& registry_;
  base::Disposer& disposer_;
  const std::unique_ptr<spool::SharedState> state_;
  ScreenMetrics screen_metrics_;
  MailboxMetrics mailbox_metrics_;
  std::unique_ptr<SharingMetrics> sharing_metrics_;
  std::map<std::string, std::unique_ptr<DirectoryMetrics>> directory_metrics_;  // by backend
  SharedScreen screen_;
  base::Current<Reporting> reporting_{std::make_shared<const Reporting>()};
  Fresh fresh_;  // prepared, not taken yet
  Fresh kept_;   // of the configuration that was taken last; its server is policy_server_
  std::unique_ptr<PolicyServer> policy_server_;
};

Neighbours::Neighbours(const config::v1::Config& config, prometheus::Registry& registry,
                       const rpc::Security* security, base::Disposer& disposer)
    : impl_(std::make_unique<Impl>(config, registry, security, disposer)) {}

Neighbours::~Neighbours() = default;

absl::StatusOr<Neighbours::Circle> Neighbours::Prepare(const config::v1::Config& config,
                                                       std::shared_ptr<const Site> site) {
  return impl_->Prepare(config, std::move(site));
}

void Neighbours::Take(const config::v1::Config& config) { impl_->Take(config); }

void Neighbours::DropPrepared() { impl_->DropPrepared(); }

void Neighbours::Forget() { impl_->Forget(); }

Screen& Neighbours::screen() { return impl_->screen(); }

std::unique_ptr<grpc::Service> Neighbours::MakeAdminService(
    std::function<void(v1::ExplainVerdictRequest, AdminServiceParts::ExplainDone)> explain) {
  return CreateAdminService({.screen = impl_->screen(),
                             .logins = [impl = impl_.get()] { return impl->logins(); },
                             .mailbox_metrics = impl_->mailbox_metrics(),
                             .explain = std::move(explain)});
}

}  // namespace turnpike::auth
