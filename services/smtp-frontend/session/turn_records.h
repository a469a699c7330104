// What became of the messages of an ATRN session, on its way to the spool.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_RECORDS_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_RECORDS_H_

#include <asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/one_shot.h"

namespace turnpike::frontend {

// Strand-confined.
class TurnRecords {
 public:
  // `environment` outlives this. `store_timeout`: for one settlement. `session_id` is for the log.
  TurnRecords(const SessionEnvironment& environment, absl::Duration store_timeout,
              std::string session_id);
  TurnRecords(const TurnRecords&) = delete;
  TurnRecords& operator=(const TurnRecords&) = delete;

  // Begins to record. The settlement's lease must be kept until it is recorded.
  void Add(spool::v1::Settlement settlement);

  // Settlements that nobody has awaited.
  size_t size() const { return under_way_.size(); }

  // Waits until all of them are durable. A settlement that the store could not take is sent again a
  // few times; one whose lease has become somebody else's is over. UNAVAILABLE: at least one is not
  // known to be recorded, and its message may go out twice.
  asio::awaitable<absl::Status> AwaitAll();

 private:
  using Result = absl::StatusOr<spool::v1::SettleOutcome>;
  struct Record {
    spool::v1::Settlement settlement;
    std::shared_ptr<OneShot<Result>> result;
  };

  void Start(Record& record);
  asio::awaitable<absl::Status> Await(Record record);

  const SessionEnvironment& environment_;
  const absl::Duration store_timeout_;
  const std::string session_id_;
  std::deque<Record> under_way_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_RECORDS_H_
