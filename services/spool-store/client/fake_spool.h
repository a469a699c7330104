// A spool in memory, for the tests of whoever uses one. It keeps the promises of
// turnpike.spool.v1.SpoolService (states, leases, fences, releases, idempotent ids), and can be
// told to fail.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SPOOL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SPOOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::spool {

// Callbacks run inside of the call that causes them (or of another one that is just running
// callbacks), never two at a time, and never with a lock held: they may call the spool again.
// Nothing happens by itself when time passes: call Poll after moving the clock.
//
// Thread-safe.
class FakeSpool : public Spool {
 public:
  // `clock` must outlive the spool and its lease streams. `shard`: the one that ids name.
  explicit FakeSpool(const base::Clock& clock = base::Clock::System(), uint32_t shard = 0);
  ~FakeSpool() override;

  // Hands out what has become due, and takes back leases that have run out.
  void Poll();

  // What an operator does: as turnpike.spool.v1.SpoolService's call of this name.
  absl::StatusOr<v1::UpdateDeliveryResponse> UpdateDelivery(
      const v1::UpdateDeliveryRequest& request);

  // What Enqueue and AppendContent answer from now on; OK means that they work.
  void SetEnqueueStatus(absl::Status status);
  // What Settle answers from now on, without doing it; nothing means that it works.
  void SetSettleResult(std::optional<absl::StatusOr<v1::SettleOutcome>> result);
  // What ReleaseQueue, GetQueue and ReadContent answer from now on; OK means that they work.
  void SetQueueStatus(absl::Status status);
  void SetReadStatus(absl::Status status);
  // How lease streams that are opened from now on end at once; OK means that they work.
  void SetLeaseStatus(absl::Status status);
  // Keeps back the answers of Enqueue and Settle, which do their work all the same, until
  // ReleaseAnswers; a caller whose process dies in between does not learn what became of it.
  void HoldAnswers();
  void ReleaseAnswers();
  // Ends all lease streams with `status`, as a store that goes away.
  void BreakStreams(const absl::Status& status);

  // All messages ever stored, in order, with their content also when it came in pieces.
  std::vector<v1::NewMessage> messages() const;
  // What is still there, by id; LEASED while it is.
  std::vector<v1::Delivery> deliveries() const;
  // All that Settle was called with, in order.
  std::vector<v1::Settlement> settlements() const;
  std::vector<v1::ReleaseQueueRequest> releases() const;
  // Octets of content that readers were given.
  int64_t content_bytes_read() const;
  // How each open lease stream was opened.
  std::vector<v1::LeaseOpen> lease_streams() const;

  void Enqueue(v1::NewMessage message, absl::Time deadline, EnqueueCallback done) override;
  void AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                     EnqueueCallback done) override;
  void AbortContent(absl::string_view message_id) override;
  std::unique_ptr<LeaseStream> OpenLease(v1::LeaseOpen open,
                                         std::shared_ptr<LeaseStream::Handler> handler) override;
  void Settle(v1::Settlement settlement, absl::Time deadline, SettleCallback done) override;
  std::unique_ptr<ContentReader> ReadContent(uint64_t delivery_id,
                                             absl::string_view message_id) override;
  void ReleaseQueue(
      v1::ReleaseQueueRequest request, absl::Time deadline,
      absl::AnyInvocable<void(absl::StatusOr<v1::ReleaseQueueResponse>)> done) override;
  void GetQueue(v1::GetQueueRequest request, absl::Time deadline,
                absl::AnyInvocable<void(absl::StatusOr<v1::GetQueueResponse>)> done) override;

 private:
  class State;
  class Stream;
  class Reader;
  const std::shared_ptr<State> state_;  // lease streams and readers may outlive this
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SPOOL_H_
