#include "services/auth-service/gateways/gateway_gate.h"

#include <sys/stat.h>

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

// Changes whenever the file does, also when another takes its place. Empty: there is none.
std::string StateOf(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return "";
  return absl::StrCat(status.st_dev, " ", status.st_ino, " ", status.st_size, " ",
                      status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec, " ",
                      status.st_ctim.tv_sec, ".", status.st_ctim.tv_nsec);
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

}  // namespace

GatewayGate::GatewayGate(spool::Spool& spool, Options options)
    : spool_(spool), options_(std::move(options)) {}

absl::StatusOr<std::unique_ptr<GatewayGate>> GatewayGate::Create(const config::v1::Config& config,
                                                                 spool::Spool& spool,
                                                                 Options options) {
  std::unique_ptr<GatewayGate> gate(new GatewayGate(spool, std::move(options)));
  bool has_files = false;
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
      gate->file_states_[domain] = StateOf(gateway.recipients_file);
      TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<const RecipientList> list,
                                gate->ReadList(domain, gateway));
      absl::MutexLock lock(&gate->mu_);
      gate->lists_[domain] = std::move(list);
    }
    has_files = has_files || !gateway.recipients_file.empty();
    gate->gateways_.emplace(domain, std::move(gateway));
  }
  if (has_files) {
    gate->ticker_.emplace(gate->options_.file_interval,
                          [gate = gate.get()](const base::Ticker&) { gate->LookAtFiles(); });
  }
  return gate;
}

absl::StatusOr<std::shared_ptr<const RecipientList>> GatewayGate::ReadList(
    const std::string& domain, const Gateway& gateway) const {
  auto list = std::make_shared<RecipientList>();
  for (const std::string& recipient : gateway.recipients) {
    const absl::Status status = list->Add(recipient);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("recipients of gateway ", domain, ": ", status.message()));
    }
  }
  if (!gateway.recipients_file.empty()) {
    TURNPIKE_ASSIGN_OR_RETURN(const std::string text,
                              base::ReadFile(gateway.recipients_file, kFileBytesMax));
    const absl::Status status = list->AddLines(text);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "recipients of gateway ", domain, ": ", gateway.recipients_file, ": ", status.message()));
    }
  }
  return std::shared_ptr<const RecipientList>(std::move(list));
}

void GatewayGate::LookAtFiles() {
  for (const auto& [domain, gateway] : gateways_) {
    if (gateway.recipients_file.empty()) continue;
    std::string state = StateOf(gateway.recipients_file);
    if (state == file_states_[domain]) continue;
    file_states_[domain] = std::move(state);
    absl::StatusOr<std::shared_ptr<const RecipientList>> list = ReadList(domain, gateway);
    if (!list.ok()) {
      TURNPIKE_LOG(kError, "recipients not read again, those known before stay",
                   {{"gateway", domain}, {"error", list.status().ToString()}});
      continue;
    }
    TURNPIKE_LOG(kInfo, "recipients read again",
                 {{"gateway", domain}, {"addresses", (*list)->size()}});
    absl::MutexLock lock(&mu_);
    lists_[domain] = *std::move(list);
  }
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
    std::shared_ptr<const RecipientList> list;
    {
      absl::MutexLock lock(&mu_);
      list = lists_[domain];
    }
    const absl::StatusOr<smtp::Mailbox> mailbox =
        smtp::Mailbox::Parse(address, {.allow_utf8 = true});
    verdict.mutable_scope()->set_any_recipient_in_domain(false);
    if (!gateway.recipients_file.empty()) {
      ShortenLifetime(options_.verdict_lifetime, *verdict.mutable_scope());
    }
    if (!mailbox.ok() || !list->Knows(*mailbox)) {
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
