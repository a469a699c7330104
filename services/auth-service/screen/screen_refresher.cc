#include "services/auth-service/screen/screen_refresher.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "services/auth-service/screen/screen_keys.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"

namespace turnpike::auth {
namespace {

constexpr absl::Duration kReadInterval = absl::Minutes(1);
constexpr int kPageSize = 1'000;

// Waits for a call's answer, which always comes.
template <typename Response, typename Start>
absl::StatusOr<Response> Await(Start start) {
  absl::Notification answered;
  absl::StatusOr<Response> answer;
  start([&](absl::StatusOr<Response> response) {
    answer = std::move(response);
    answered.Notify();
  });
  answered.WaitForNotification();
  return answer;
}

// Calls `visit` for every entry with this prefix.
template <typename Visit>
absl::Status ForEach(spool::SharedState& state, absl::string_view prefix, absl::Duration timeout,
                     Visit visit) {
  spool::v1::ListEntriesRequest request;
  request.set_prefix(std::string(prefix));
  request.set_page_size(kPageSize);
  do {
    absl::StatusOr<spool::v1::ListEntriesResponse> page = Await<spool::v1::ListEntriesResponse>(
        [&](auto done) { state.List(request, absl::Now() + timeout, std::move(done)); });
    if (!page.ok()) return page.status();
    for (const spool::v1::Entry& entry : page->entries()) visit(entry);
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

}  // namespace

ScreenRefresher::ScreenRefresher(Options options, spool::SharedState& state, ScreenView& view,
                                 ScreenMetrics& metrics, const base::Clock& clock)
    : options_(std::move(options)), state_(state), view_(view), metrics_(metrics), clock_(clock) {
  // A replica that has just started must not let in those whom the others refuse.
  const absl::Status status = Refresh();
  is_failing_ = !status.ok();
  thread_ = std::thread([this] { Run(); });
}

ScreenRefresher::~ScreenRefresher() {
  {
    absl::MutexLock lock(&mu_);
    is_stopping_ = true;
  }
  thread_.join();
}

void ScreenRefresher::Run() {
  absl::Duration wait = options_.interval;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (mu_.AwaitWithTimeout(absl::Condition(&is_stopping_), wait)) return;
    }
    const absl::Time begin_time = absl::Now();
    const absl::Status status = Refresh();
    wait = std::max(options_.interval, 10 * (absl::Now() - begin_time));
    if (!status.ok()) metrics_.refresh_errors.Increment();
    if (!status.ok() && !is_failing_) {
      TURNPIKE_LOG(kWarning, "the shared screen cannot be read", {{"error", status.ToString()}});
    }
    is_failing_ = !status.ok();
    if (status.ok()) options_.on_success();
  }
}

absl::Status ScreenRefresher::Refresh() {
  const auto found = Await<spool::v1::GetEntryResponse>([this](auto done) {
    spool::v1::GetEntryRequest request;
    request.set_key(std::string(kScreenChangeKey));
    state_.Get(std::move(request), absl::Now() + options_.call_timeout, std::move(done));
  });
  if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
  const uint64_t change = found.ok() ? found->entry().version() : 0;
  std::shared_ptr<const ScreenSettings> settings = options_.settings.Get();
  if (seen_change_ != change || seen_settings_ != settings ||
      absl::Now() - read_time_ >= kReadInterval) {
    TURNPIKE_RETURN_IF_ERROR(ReadAll(settings->rules));
    seen_settings_ = std::move(settings);
    seen_change_ = change;
    read_time_ = absl::Now();
  }
  metrics_.networks.Set(static_cast<double>(view_.block_count()));
  return absl::OkStatus();
}

absl::Status ScreenRefresher::ReadAll(const ScreenRules& rules) {
  const absl::Time now = clock_.Now();
  ScreenTable::Blocks blocks;
  ScreenView::Limits limits;
  view_.BeginListing();
  const auto add_block = [&](const spool::v1::Entry& entry) {
    const std::optional<net::IpNetwork> network = NetworkOfBlockKey(entry.key());
    BlockRecord block;
    if (!network || !block.ParseFromString(entry.value()) || !IsInForce(block, now)) return;
    // The list of those that are never blocked may have grown since.
    if (rules.OverlapsAllowed(*network)) return;
    if (blocks.size() < rules.entries_max) blocks.emplace(*network, std::move(block));
  };
  const auto add_limit = [&](const spool::v1::Entry& entry) {
    const int64_t until =
        google::protobuf::util::TimeUtil::TimestampToNanoseconds(entry.expire_time());
    limits.emplace(absl::StripPrefix(entry.key(), kLimitPrefix), absl::FromUnixNanos(until));
  };
  if (rules.is_enabled) {
    TURNPIKE_RETURN_IF_ERROR(ForEach(state_, kBlockPrefix, options_.call_timeout, add_block));
  }
  TURNPIKE_RETURN_IF_ERROR(ForEach(state_, kLimitPrefix, options_.call_timeout, add_limit));
  view_.FinishListing(std::move(blocks), std::move(limits), now);
  return absl::OkStatus();
}

}  // namespace turnpike::auth
