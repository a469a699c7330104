#include "services/auth-service/gateways/gateway_gate.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/auth-service/core/rules.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/domain_name.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

constexpr size_t kFileBytesMax = 64 << 20;

int64_t ToLimit(uint64_t value) {
  return static_cast<int64_t>(std::min<uint64_t>(value, std::numeric_limits<int64_t>::max()));
}

// The configuration's names are normal already; one that is no name is nobody's.
std::string Normal(const std::string& name) {
  const absl::StatusOr<smtp::DomainName> domain = smtp::DomainName::Parse(name);
  return domain.ok() ? domain->ascii() : name;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// No longer than `lifetime`.
void ShortenLifetime(absl::Duration lifetime, v1::Scope& scope) {
  if (ToDuration(scope.lifetime_duration()) <= lifetime) return;
  google::protobuf::Duration* out = scope.mutable_lifetime_duration();
  out->set_seconds(absl::IDivDuration(lifetime, absl::Seconds(1), &lifetime));
  out->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(lifetime)));
}

v1::Verdict RefuseWithin(const v1::Scope& scope, absl::string_view rule,
                         const smtp::ReplyCode& reply) {
  v1::Verdict verdict = Refuse(rule, reply);
  *verdict.mutable_scope() = scope;
  return verdict;
}

absl::StatusOr<std::shared_ptr<const RecipientList>> ReadList(
    const std::string& domain, const std::vector<std::string>& recipients,
    const std::string& file) {
  auto list = std::make_shared<RecipientList>();
  for (const std::string& recipient : recipients) {
    const absl::Status status = list->Add(recipient);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("recipients of gateway ", domain, ": ", status.message()));
    }
  }
  if (!file.empty()) {
    TURNPIKE_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file, kFileBytesMax));
    const absl::Status status = list->AddLines(text);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("recipients of gateway ", domain, ": ", file, ": ", status.message()));
    }
  }
  return std::shared_ptr<const RecipientList>(std::move(list));
}

}  // namespace

GatewayGate::GatewayGate(spool::Spool& spool, const Options& options)
    : spool_(spool), options_(options) {}

absl::StatusOr<std::shared_ptr<GatewayGate>> GatewayGate::Create(const config::v1::Config& config,
                                                                 spool::Spool& spool,
                                                                 const Options& options,
                                                                 const GatewayGate* previous) {
  std::shared_ptr<GatewayGate> gate(new GatewayGate(spool, options));
  for (const config::v1::Gateway& entry : config.gateways()) {
    Gateway gateway{.quota = {.messages_max = ToLimit(entry.hold().max_messages()),
                              .bytes_max = ToLimit(entry.hold().max_bytes())},
                    .has_list = !entry.recipients().empty() || !entry.recipients_file().empty(),
                    .recipients = {entry.recipients().begin(), entry.recipients().end()},
                    .recipients_file = entry.recipients_file()};
    if (!gateway.has_list && !gateway.quota.is_limited()) continue;
    const std::string domain = Normal(entry.domain());
    if (gateway.has_list) {
      // Before the file is read: a change in between is seen later.
      gateway.file = config::IdentityOf(gateway.recipients_file);
      if (previous != nullptr) gateway.list = previous->ListLike(domain, gateway);
      if (gateway.list == nullptr) {
        TURNPIKE_ASSIGN_OR_RETURN(gateway.list,
                                  ReadList(domain, gateway.recipients, gateway.recipients_file));
        if (previous != nullptr) {
          TURNPIKE_LOG(kInfo, "recipients read again",
                       {{"gateway", domain}, {"addresses", gateway.list->size()}});
        }
      }
    }
    gate->gateways_.emplace(domain, std::move(gateway));
  }
  return gate;
}

std::shared_ptr<const RecipientList> GatewayGate::ListLike(const std::string& domain,
                                                           const Gateway& gateway) const {
  const auto found = gateways_.find(domain);
  if (found == gateways_.end() || found->second.recipients != gateway.recipients ||
      found->second.recipients_file != gateway.recipients_file ||
      found->second.file != gateway.file) {
    return nullptr;
  }
  return found->second.list;
}

bool GatewayGate::Guards(const v1::Verdict& verdict) const {
  return verdict.accepted() && verdict.recipient_class() == v1::RECIPIENT_CLASS_GATEWAY &&
         gateways_.contains(verdict.queue());
}

void GatewayGate::Judge(std::string address, v1::Verdict verdict,
                        absl::AnyInvocable<void(v1::Verdict)> done) {
  const auto found = gateways_.find(verdict.queue());
  if (!Guards(verdict) || found == gateways_.end()) return done(std::move(verdict));
  const auto& [domain, gateway] = *found;
  if (gateway.has_list) {
    const absl::StatusOr<smtp::Mailbox> mailbox =
        smtp::Mailbox::Parse(address, {.allow_utf8 = true});
    verdict.mutable_scope()->set_any_recipient_in_domain(false);
    if (!gateway.recipients_file.empty()) {
      ShortenLifetime(options_.verdict_lifetime, *verdict.mutable_scope());
    }
    if (!mailbox.ok() || !gateway.list->Knows(*mailbox)) {
      return done(RefuseWithin(verdict.scope(), "DQ-4", smtp::kNoSuchUser));
    }
  }
  if (!gateway.quota.is_limited()) return done(std::move(verdict));
  JudgeQuota(domain, gateway.quota, std::move(verdict), std::move(done));
}

std::optional<GatewayFigures> GatewayGate::KnownFigures(const std::string& domain,
                                                        const Quota& quota) {
  absl::MutexLock lock(&mu_);
  const auto found = known_.find(domain);
  if (found == known_.end() || absl::Now() - found->second.time >= options_.figures_age_max ||
      !quota.IsFar(found->second.figures)) {
    return std::nullopt;
  }
  return found->second.figures;
}

void GatewayGate::JudgeQuota(const std::string& domain, const Quota& quota, v1::Verdict verdict,
                             absl::AnyInvocable<void(v1::Verdict)> done) {
  if (KnownFigures(domain, quota).has_value()) {
    ShortenLifetime(options_.verdict_lifetime, *verdict.mutable_scope());
    return done(std::move(verdict));
  }
  spool::v1::GetQueueRequest request;
  request.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  request.mutable_queue()->set_name(domain);
  const absl::Time now = absl::Now();
  spool_.GetQueue(std::move(request), now + options_.call_timeout,
                  [this, domain, quota, now, verdict = std::move(verdict), done = std::move(done)](
                      absl::StatusOr<spool::v1::GetQueueResponse> response) mutable {
                    verdict.mutable_scope()->clear_lifetime_duration();
                    if (!response.ok()) return done(std::move(verdict));
                    const spool::v1::QueueStats& stats = response->stats();
                    const GatewayFigures figures{.messages = stats.held() + stats.ready() +
                                                             stats.deferred() + stats.leased(),
                                                 .bytes = stats.bytes()};
                    if (quota.IsFar(figures)) {
                      absl::MutexLock lock(&mu_);
                      known_[domain] = {figures, now};
                    }
                    if (quota.IsReached(figures)) {
                      return done(RefuseWithin(verdict.scope(), "DQ-2", smtp::kMailboxFull));
                    }
                    done(std::move(verdict));
                  });
}

}  // namespace turnpike::auth
