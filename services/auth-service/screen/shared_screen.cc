#include "services/auth-service/screen/shared_screen.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "prometheus/counter.h"
#include "services/auth-service/screen/screen_keys.h"
#include "services/auth-service/screen/screen_refresher.h"
#include "services/auth-service/screen/screen_reports.h"
#include "services/auth-service/screen/screen_view.h"

namespace turnpike::auth {
namespace {

constexpr size_t kReasonBytesMax = 200;

v1::ScreenEntry ToProto(const net::IpNetwork& network, const BlockRecord& block) {
  v1::ScreenEntry entry;
  entry.set_network(network.ToString());
  entry.set_reason(block.reason());
  entry.mutable_begin_time()->set_seconds(block.begin_time());
  if (block.end_time() != 0) entry.mutable_expire_time()->set_seconds(block.end_time());
  entry.set_times(block.times());
  return entry;
}

absl::StatusOr<net::IpNetwork> ReadNetwork(const std::string& text) {
  absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(text);
  if (!network.ok()) return absl::InvalidArgumentError("not an address or network");
  return network;
}

}  // namespace

class SharedScreen::Impl {
 public:
  Impl(Options options, spool::SharedState& state, ScreenMetrics& metrics, const base::Clock& clock)
      : options_(std::move(options)),
        state_(state),
        metrics_(metrics),
        clock_(clock),
        view_(std::make_shared<ScreenView>()),
        settings_(std::make_shared<const ScreenSettings>(options_.settings)),
        reports_({.settings = settings_,
                  .call_timeout = options_.call_timeout,
                  .calls_max = options_.calls_max},
                 state, *view_, metrics, clock),
        refresher_({.settings = settings_,
                    .interval = options_.refresh_interval,
                    .call_timeout = options_.call_timeout,
                    .on_success = [this] { reports_.RetryWaiting(); }},
                   state, *view_, metrics, clock) {}

  std::optional<v1::BlockedNetwork> FindBlocked(absl::string_view client_address) const {
    const absl::StatusOr<net::IpAddress> client = net::IpAddress::Parse(client_address);
    if (!client.ok()) return std::nullopt;
    return view_->FindBlocked(*client, clock_.Now());
  }

  bool MayTry(absl::string_view user, absl::string_view client_address) {
    const bool is_limited =
        view_->has_limits() && view_->IsLimited(AccountDigest(user), clock_.Now());
    if (!is_limited && !FindBlocked(client_address).has_value()) return true;
    metrics_.account_limited.Increment();
    return false;
  }

  ScreenReports& reports() { return reports_; }

  void Reconfigure(ScreenSettings settings) {
    settings_.Set(std::make_shared<const ScreenSettings>(std::move(settings)));
  }

  std::shared_ptr<void> Subscribe(OnUpdate on_update) {
    return view_->Subscribe(std::move(on_update), clock_.Now());
  }

  void List(const v1::ListScreenEntriesRequest& request, Done<v1::ListScreenEntriesResponse> done);
  void Add(const v1::AddScreenEntryRequest& request, Done<v1::AddScreenEntryResponse> done);
  void Remove(const v1::RemoveScreenEntryRequest& request,
              Done<v1::RemoveScreenEntryResponse> done);

 private:
  const Options options_;
  spool::SharedState& state_;
  ScreenMetrics& metrics_;
  const base::Clock& clock_;
  const std::shared_ptr<ScreenView> view_;
  base::Current<ScreenSettings> settings_;
  ScreenReports reports_;
  ScreenRefresher refresher_;
};

void SharedScreen::Impl::List(const v1::ListScreenEntriesRequest& request,
                              Done<v1::ListScreenEntriesResponse> done) {
  if (request.page_size() < 0 || request.page_size() > 1'000) {
    return done(absl::InvalidArgumentError("page_size: 1..1000"));
  }
  spool::v1::ListEntriesRequest list;
  list.set_prefix(std::string(kBlockPrefix));
  list.set_page_size(request.page_size());
  list.set_page_token(request.page_token());
  state_.List(std::move(list), absl::Now() + options_.call_timeout,
              [now = clock_.Now(), done = std::move(done)](
                  absl::StatusOr<spool::v1::ListEntriesResponse> page) mutable {
                if (!page.ok()) return done(page.status());
                v1::ListScreenEntriesResponse response;
                for (const spool::v1::Entry& entry : page->entries()) {
                  const std::optional<net::IpNetwork> network = NetworkOfBlockKey(entry.key());
                  BlockRecord block;
                  if (network && block.ParseFromString(entry.value()) && IsInForce(block, now)) {
                    *response.add_entries() = ToProto(*network, block);
                  }
                }
                response.set_next_page_token(page->next_page_token());
                done(std::move(response));
              });
}

void SharedScreen::Impl::Add(const v1::AddScreenEntryRequest& request,
                             Done<v1::AddScreenEntryResponse> done) {
  const absl::StatusOr<net::IpNetwork> network = ReadNetwork(request.network());
  if (!network.ok()) return done(network.status());
  const std::shared_ptr<const ScreenSettings> settings = settings_.Get();
  if (settings->rules.OverlapsAllowed(*network)) {
    return done(absl::InvalidArgumentError("dynamic_screening.allow has it, or a part of it"));
  }
  if (request.reason().size() > kReasonBytesMax) {
    return done(absl::InvalidArgumentError("reason: at most 200 octets"));
  }
  if (!settings->rules.is_enabled) {
    return done(absl::FailedPreconditionError("dynamic_screening.enabled is false"));
  }
  const absl::Time now = clock_.Now();
  BlockRecord block;
  block.set_reason(request.reason());
  block.set_begin_time(absl::ToUnixSeconds(now));
  block.set_times(1);
  if (request.has_block_duration()) {
    const absl::Duration time = absl::Seconds(request.block_duration().seconds());
    if (time <= absl::ZeroDuration() || time > absl::Hours(24 * 366)) {
      return done(absl::InvalidArgumentError("block_duration: 1s..366d"));
    }
    block.set_end_time(absl::ToUnixSeconds(now + time));
  }
  reports_.Put(*network, block,
               [entry = ToProto(*network, block),
                done = std::move(done)](const absl::Status& status) mutable {
                 if (!status.ok()) return done(status);
                 v1::AddScreenEntryResponse response;
                 *response.mutable_entry() = std::move(entry);
                 done(std::move(response));
               });
}

void SharedScreen::Impl::Remove(const v1::RemoveScreenEntryRequest& request,
                                Done<v1::RemoveScreenEntryResponse> done) {
  const absl::StatusOr<net::IpNetwork> network = ReadNetwork(request.network());
  if (!network.ok()) return done(network.status());
  reports_.Remove(*network, [done = std::move(done)](const absl::Status& status) mutable {
    if (!status.ok()) return done(status);
    done(v1::RemoveScreenEntryResponse());
  });
}

SharedScreen::SharedScreen(Options options, spool::SharedState& state, ScreenMetrics& metrics,
                           const base::Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), state, metrics, clock)) {}

SharedScreen::~SharedScreen() = default;

void SharedScreen::Reconfigure(ScreenSettings settings) { impl_->Reconfigure(std::move(settings)); }

std::optional<v1::BlockedNetwork> SharedScreen::FindBlocked(
    absl::string_view client_address) const {
  return impl_->FindBlocked(client_address);
}

bool SharedScreen::MayTry(absl::string_view user, absl::string_view client_address) {
  return impl_->MayTry(user, client_address);
}

void SharedScreen::OnFailure(const LoginAttempt& attempt) { impl_->reports().Failure(attempt); }

void SharedScreen::OnDisallowedAuth(absl::string_view client_address) {
  const absl::StatusOr<net::IpAddress> client = net::IpAddress::Parse(client_address);
  if (client.ok()) impl_->reports().DisallowedAuth(*client);
}

std::shared_ptr<void> SharedScreen::Subscribe(OnUpdate on_update) {
  return impl_->Subscribe(std::move(on_update));
}

void SharedScreen::List(const v1::ListScreenEntriesRequest& request,
                        Done<v1::ListScreenEntriesResponse> done) {
  impl_->List(request, std::move(done));
}

void SharedScreen::Add(const v1::AddScreenEntryRequest& request,
                       Done<v1::AddScreenEntryResponse> done) {
  impl_->Add(request, std::move(done));
}

void SharedScreen::Remove(const v1::RemoveScreenEntryRequest& request,
                          Done<v1::RemoveScreenEntryResponse> done) {
  impl_->Remove(request, std::move(done));
}

}  // namespace turnpike::auth
