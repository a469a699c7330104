#include "services/smtp-frontend/session/turn_records.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/await.h"
#include "services/common/observe/log.h"

namespace turnpike::frontend {
namespace {

constexpr int kTries = 3;

}  // namespace

TurnRecords::TurnRecords(const SessionEnvironment& environment, absl::Duration store_timeout,
                         std::string session_id)
    : environment_(environment),
      store_timeout_(store_timeout),
      session_id_(std::move(session_id)) {}

void TurnRecords::Add(spool::v1::Settlement settlement) {
  under_way_.push_back({.settlement = std::move(settlement), .result = nullptr});
  Start(under_way_.back());
}

void TurnRecords::Start(Record& record) {
  record.result = std::make_shared<OneShot<Result>>();
  environment_.spool->Settle(
      record.settlement, absl::Now() + store_timeout_,
      [shot = record.result](Result result) { shot->Set(std::move(result)); });
}

asio::awaitable<absl::Status> TurnRecords::AwaitAll() {
  absl::Status first_error;
  while (!under_way_.empty()) {
    Record record = std::move(under_way_.front());
    under_way_.pop_front();
    const absl::Status status = co_await Await(std::move(record));
    first_error.Update(status);
  }
  co_return first_error;
}

asio::awaitable<absl::Status> TurnRecords::Await(Record record) {
  for (int tries = 1;; ++tries) {
    net::StartOperation<Result> start = [shot =
                                             record.result](absl::AnyInvocable<void(Result)> done) {
      shot->WhenSet(std::move(done));
    };
    const Result result = co_await net::Await<Result>(std::move(start));
    const bool has_failed = result.ok() && *result == spool::v1::SETTLE_OUTCOME_FAILED;
    if (has_failed && tries < kTries) {
      Start(record);
      continue;
    }
    const bool is_settled = result.ok() && (*result == spool::v1::SETTLE_OUTCOME_SETTLED ||
                                            *result == spool::v1::SETTLE_OUTCOME_GONE);
    if (is_settled) co_return absl::OkStatus();
    const std::string detail =
        result.ok() ? absl::StrCat("not settled: ", *result) : result.status().ToString();
    TURNPIKE_LOG(kError, "outcome not recorded, the message may go out twice",
                 {{"session", session_id_},
                  {"delivery", record.settlement.token().delivery_id()},
                  {"error", detail}});
    // Somebody else has the lease: that is over, and no reason to stop here.
    if (result.ok() && *result == spool::v1::SETTLE_OUTCOME_LOST) co_return absl::OkStatus();
    co_return absl::UnavailableError(detail);
  }
}

}  // namespace turnpike::frontend
