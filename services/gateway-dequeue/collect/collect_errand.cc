#include "services/gateway-dequeue/collect/collect_errand.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/await.h"

namespace turnpike::dequeue {
namespace {

// A frontend that drains says so at once, and another may take the run. One that is lost within a
// run is not replaced at once: the provider may still be busy with it.
constexpr int kTriesMax = 3;
constexpr absl::Duration kAtOnce = absl::Seconds(2);

}  // namespace

asio::awaitable<ErrandResult> CollectErrand::Run(std::string run_id) {
  run_id_ = std::move(run_id);
  is_cancelled_ = false;
  absl::StatusOr<v1::Run> run;
  for (int i = 0; i < kTriesMax && !is_cancelled_; ++i) {
    const absl::Time begin_time = absl::Now();
    net::StartOperation<absl::StatusOr<v1::Run>> start = [this](FrontendClient::Callback done) {
      frontend_.Collect(collection_, run_id_, std::move(done));
    };
    run = co_await net::Await<absl::StatusOr<v1::Run>>(std::move(start));
    if (!absl::IsUnavailable(run.status()) || absl::Now() - begin_time > kAtOnce) break;
  }
  ErrandResult result;
  if (run.ok()) {
    result.run = *std::move(run);
  } else {
    result.run.set_ending(v1::RUN_ENDING_STORE_AWAY);
    result.run.set_detail(absl::StrCat("no smtp-frontend: ", run.status().message()));
  }
  co_return result;
}

void CollectErrand::Cancel() {
  is_cancelled_ = true;
  frontend_.Cancel(run_id_);
}

}  // namespace turnpike::dequeue
