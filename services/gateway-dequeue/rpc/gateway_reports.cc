#include "services/gateway-dequeue/rpc/gateway_reports.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/gateway-dequeue/rpc/request_log.h"
#include "services/gateway-dequeue/rpc/session_lock.h"

namespace turnpike::dequeue {
namespace {

// What is still missing, and what has come.
class Collection {
 public:
  using Callback = absl::AnyInvocable<void(absl::StatusOr<std::vector<v1::Gateway>>)>;

  Collection(const std::vector<GatewayPointer>& gateways, size_t answers_left, Callback done)
      : done_(std::move(done)), answers_left_(answers_left) {
    for (const GatewayPointer& gateway : gateways) {
      v1::Gateway& report = reports_.emplace_back();
      report.set_domain(gateway->domain());
      for (size_t i = 1; i < gateway->names.size(); ++i) {
        report.add_aliases(gateway->names[i].ascii());
      }
      report.set_etrn_enabled(gateway->etrn_enabled);
      report.set_atrn_enabled(gateway->atrn_enabled);
      report.set_messages_max(gateway->messages_max);
      report.set_bytes_max(gateway->bytes_max);
    }
  }

  // One answer has come; `fill` puts it into the report if it is good.
  void Add(size_t index, const absl::Status& status,
           const std::function<void(v1::Gateway&)>& fill) {
    {
      absl::MutexLock lock(&mu_);
      if (status.ok()) {
        fill(reports_[index]);
      } else if (!absl::IsNotFound(status) && status_.ok()) {
        status_ = status;
      }
      if (--answers_left_ > 0) return;
    }
    Finish();
  }

 private:
  void Finish() {
    absl::StatusOr<std::vector<v1::Gateway>> result;
    {
      absl::MutexLock lock(&mu_);
      if (status_.ok()) {
        result = std::move(reports_);
      } else {
        result = status_;
      }
    }
    done_(std::move(result));
  }

  Callback done_;
  absl::Mutex mu_;
  size_t answers_left_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  std::vector<v1::Gateway> reports_ ABSL_GUARDED_BY(mu_);
};

constexpr size_t kAnswersPerGateway = 5;
constexpr int kEntriesMax = 1000;  // of one gateway; there are fewer

void FillChanges(const Gateway& gateway,
                 const google::protobuf::RepeatedPtrField<spool::v1::Entry>& entries,
                 v1::Gateway& report) {
  Overrides overrides;
  for (const spool::v1::Entry& entry : entries) overrides.Add(entry.key(), entry.value());
  const GatewayOverrides& changed = overrides.For(gateway.domain());
  for (v1::AccessEntry& entry : AccessEntries(gateway, changed)) {
    *report.add_access() = std::move(entry);
  }
  if (!changed.is_suspended()) return;
  report.set_suspended(true);
  *report.mutable_suspend_time() = changed.suspension->suspend_time();
  report.set_suspend_reason(changed.suspension->suspend_reason());
}

}  // namespace

void ReportGateways(const std::vector<GatewayPointer>& gateways, const Parts& parts,
                    absl::Time deadline,
                    absl::AnyInvocable<void(absl::StatusOr<std::vector<v1::Gateway>>)> done) {
  if (gateways.empty()) {
    done(std::vector<v1::Gateway>());
    return;
  }
  auto all =
      std::make_shared<Collection>(gateways, gateways.size() * kAnswersPerGateway, std::move(done));
  for (size_t i = 0; i < gateways.size(); ++i) {
    const std::string& domain = gateways[i]->domain();
    spool::v1::GetQueueRequest queue;
    queue.mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
    queue.mutable_queue()->set_name(domain);
    parts.spool.GetQueue(std::move(queue), deadline,
                         [all, i](absl::StatusOr<spool::v1::GetQueueResponse> response) {
                           all->Add(i, response.status(), [&response](v1::Gateway& report) {
                             *report.mutable_queue() = response->stats();
                           });
                         });
    spool::v1::GetEntryRequest last;
    last.set_key(LastRequestKey(domain));
    parts.state.Get(
        std::move(last), deadline, [all, i](absl::StatusOr<spool::v1::GetEntryResponse> response) {
          all->Add(i, response.status(), [&response](v1::Gateway& report) {
            if (!report.mutable_last_request()->ParseFromString(response->entry().value())) {
              report.clear_last_request();
            }
          });
        });
    spool::v1::ListEntriesRequest sessions;
    sessions.set_prefix(SessionKeyPrefix(domain));
    parts.state.List(std::move(sessions), deadline,
                     [all, i](absl::StatusOr<spool::v1::ListEntriesResponse> response) {
                       all->Add(i, response.status(), [&response](v1::Gateway& report) {
                         for (const spool::v1::Entry& entry : response->entries()) {
                           v1::RunningSession session;
                           if (session.ParseFromString(entry.value())) {
                             *report.add_running_sessions() = std::move(session);
                           }
                         }
                       });
                     });
    spool::v1::ListEntriesRequest changes;
    changes.set_prefix(OverridesPrefix(domain));
    changes.set_page_size(kEntriesMax);
    parts.state.List(
        std::move(changes), deadline,
        [all, i, gateway = gateways[i]](absl::StatusOr<spool::v1::ListEntriesResponse> response) {
          all->Add(i, response.status(), [&response, gateway](v1::Gateway& report) {
            FillChanges(*gateway, response->entries(), report);
          });
        });
    parts.unknown_outcomes.Count(domain, deadline, [all, i](absl::StatusOr<int64_t> count) {
      all->Add(i, count.status(),
               [&count](v1::Gateway& report) { report.set_outcomes_unknown(*count); });
    });
  }
}

}  // namespace turnpike::dequeue
