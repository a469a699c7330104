#include "services/gateway-dequeue/rpc/queue_watch.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "services/common/observe/log.h"
#include "services/common/observe/metrics.h"

namespace turnpike::dequeue {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr size_t kCallsAtOnce = 32;

struct Answers {
  explicit Answers(size_t count) : left(static_cast<int>(count)), queues(count) {}
  absl::BlockingCounter left;
  std::vector<absl::StatusOr<spool::v1::GetQueueResponse>> queues;
};

void Add(const spool::v1::QueueStats& stats, QueueWatch::Figures& figures) {
  figures.held += stats.held();
  figures.bytes += stats.bytes();
  const int64_t oldest = stats.oldest_time().seconds();
  if (oldest > 0) {
    figures.oldest_seconds =
        figures.oldest_seconds == 0 ? oldest : std::min(figures.oldest_seconds, oldest);
  }
}

}  // namespace

QueueWatch::QueueWatch(const base::Current<Settings>& settings, spool::Spool& spool,
                       Metrics& metrics, const Options& options)
    : settings_(settings),
      spool_(spool),
      metrics_(metrics),
      options_(options),
      ticker_(options.interval, [this](const base::Ticker& ticker) { Round(ticker); }) {}

bool QueueWatch::IsOverdue(const Gateway& gateway, const spool::v1::QueueStats& stats,
                           absl::Time now) const {
  if (stats.held() == 0 || !stats.has_oldest_time()) return false;
  absl::Duration age = options_.overdue_age;
  if (gateway.retention > absl::ZeroDuration()) age = std::min(age, gateway.retention / 2);
  return absl::FromUnixSeconds(stats.oldest_time().seconds()) < now - age;
}

void QueueWatch::WarnOf(const Gateway& gateway, const spool::v1::QueueStats& stats,
                        absl::Time now) {
  const auto [place, is_new] = warned_.try_emplace(gateway.domain(), now);
  if (!is_new && now - place->second < options_.warning_interval) return;
  place->second = now;
  const absl::Time oldest = absl::FromUnixSeconds(stats.oldest_time().seconds());
  TURNPIKE_LOG(kWarning, "mail of a gateway is not collected",
               {{"gateway", gateway.domain()},
                {"held", stats.held()},
                {"bytes", stats.bytes()},
                {"oldest", absl::FormatTime(oldest, absl::UTCTimeZone())}});
}

void QueueWatch::Show(const std::map<std::string, Figures>& figures) {
  for (const std::string& label : shown_) {
    if (figures.contains(label)) continue;
    for (auto* family : {&metrics_.gateway_held_messages, &metrics_.gateway_held_bytes,
                         &metrics_.gateway_oldest_seconds}) {
      family->Remove(&family->Add({{"gateway", label}}));
    }
  }
  shown_.clear();
  for (const auto& [label, sums] : figures) {
    shown_.insert(label);
    metrics_.gateway_held_messages.Add({{"gateway", label}}).Set(static_cast<double>(sums.held));
    metrics_.gateway_held_bytes.Add({{"gateway", label}}).Set(static_cast<double>(sums.bytes));
    metrics_.gateway_oldest_seconds.Add({{"gateway", label}})
        .Set(static_cast<double>(sums.oldest_seconds));
  }
}

bool QueueWatch::Round(const base::Ticker& ticker) {
  observe::LabelCap labels(options_.gateways_max);
  std::map<std::string, Figures> figures;
  int waiting = 0;
  int overdue = 0;
  const absl::Time now = absl::Now();
  const std::shared_ptr<const Settings> settings = settings_.Get();
  std::vector<std::string> domains;
  for (const auto& [domain, gateway] : settings->gateways.all()) domains.push_back(domain);
  for (size_t first = 0; first < domains.size(); first += kCallsAtOnce) {
    if (ticker.is_stopping()) return false;
    const size_t count = std::min(kCallsAtOnce, domains.size() - first);
    auto answers = std::make_shared<Answers>(count);
    for (size_t i = 0; i < count; ++i) {
      spool::v1::GetQueueRequest request;
      request.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
      request.mutable_queue()->set_name(domains[first + i]);
      spool_.GetQueue(std::move(request), absl::Now() + kCallTimeout,
                      [answers, i](absl::StatusOr<spool::v1::GetQueueResponse> response) {
                        answers->queues[i] = std::move(response);
                        answers->left.DecrementCount();
                      });
    }
    answers->left.Wait();
    for (size_t i = 0; i < count; ++i) {
      if (!answers->queues[i].ok()) return false;
      const spool::v1::QueueStats& stats = answers->queues[i]->stats();
      if (stats.held() > 0) ++waiting;
      Add(stats, figures[labels.Admit(domains[first + i])]);
      const Gateway& gateway = *settings->gateways.all().at(domains[first + i]);
      if (IsOverdue(gateway, stats, now)) {
        ++overdue;
        WarnOf(gateway, stats, now);
      } else {
        warned_.erase(gateway.domain());
      }
    }
  }
  Show(figures);
  metrics_.domains_waiting.Set(waiting);
  metrics_.overdue_gateways.Set(overdue);
  return true;
}

}  // namespace turnpike::dequeue
