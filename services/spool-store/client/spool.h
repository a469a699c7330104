// The spool as other services see it. Implementations: RpcSpool (gRPC streams to one store),
// ShardedSpool (several stores; stores.h makes what a configuration says) and FakeSpool (in memory,
// for tests).
//
// Thread safety: every implementation is thread-safe. Callbacks run exactly once, on a thread of
// the implementation's choice; they must not block. They run also when the spool is destroyed
// (CANCELLED).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SPOOL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SPOOL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

// Content up to this size travels inside NewMessage and LeasedDelivery.
inline constexpr size_t kInlineContentBytesMax = 256 * 1024;
// Queues that one lease stream may leave out.
inline constexpr size_t kPausedQueuesMax = 10'000;

// A running Lease stream. Destroying it ends the stream, and with it all its leases; a settlement
// that arrives later is still taken while nobody else leases the delivery.
class LeaseStream {
 public:
  // What the stream reports. Calls come one at a time.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnLeased(v1::LeaseResponse response) = 0;
    // One of several stores is away: the leases of its deliveries (ShardOf, shard_id.h) have ended,
    // the others go on. With a DueScope it is asked again as soon as it is back; with a QueueScope
    // one that has just gone away is waited for, and then what it holds is left out. Never called
    // for a store alone.
    virtual void OnShardLost(uint32_t /*shard*/, const absl::Status& /*status*/) {}
    // The stream is over (store away: UNAVAILABLE; of several all are). All its leases have ended.
    // Last call.
    virtual void OnClosed(absl::Status status) = 0;
  };

  virtual ~LeaseStream() = default;
  // Asks for `deliveries` more than before.
  virtual void AddCredit(int32_t deliveries) = 0;
  virtual void Renew(const v1::LeaseToken& token) = 0;
  virtual void HandBack(const v1::LeaseToken& token) = 0;
  // DueScope: leaves a queue out until Resume. What was leased stays; a few more may be on their
  // way. At most kPausedQueuesMax at one time; further ones are not left out.
  virtual void Pause(const v1::QueueName& queue) = 0;
  virtual void Resume(const v1::QueueName& queue) = 0;
};

// A large message's content, read as fast as its owner asks for it: nothing is read ahead but what
// the transport holds (about one piece).
//
// Thread-compatible. Destroying it, also within a callback of its own, ends the reading; a Next
// that is under way then ends soon, with CANCELLED unless its piece was there.
class ContentReader {
 public:
  using NextCallback = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  virtual ~ContentReader() = default;
  // The next piece, of at most kInlineContentBytesMax; empty at the end, when the store has found
  // the whole to be what was stored. One at a time; the callback may call it again. Errors, all
  // final: NOT_FOUND (the message is gone), DATA_LOSS (its checksum does not match), UNAVAILABLE
  // and DEADLINE_EXCEEDED (the store is away or busy for longer than a piece may take; a shorter
  // absence is waited out), CANCELLED (the spool was destroyed).
  virtual void Next(NextCallback done) = 0;
};

class Spool {
 public:
  using EnqueueCallback = absl::AnyInvocable<void(absl::Status)>;
  using SettleCallback = absl::AnyInvocable<void(absl::StatusOr<v1::SettleOutcome>)>;

  virtual ~Spool() = default;

  // Stores a message. OK means durable: this is the moment when responsibility moves to us. The
  // caller made `message.message_id` (base::MessageId); content above kInlineContentBytesMax was
  // sent before by AppendContent. Repeated over a new stream while `deadline` lasts.
  // Errors: RESOURCE_EXHAUSTED (full: 452), UNAVAILABLE and DEADLINE_EXCEEDED (451),
  // INVALID_ARGUMENT (a bug of ours: 451), ABORTED (chunks were lost with their stream: 451),
  // FAILED_PRECONDITION (the store is being emptied: 451). But for UNAVAILABLE, DEADLINE_EXCEEDED
  // and CANCELLED it is not stored; after these the same message may be given again only to a store
  // alone: another of several might take it a second time.
  virtual void Enqueue(v1::NewMessage message, absl::Time deadline, EnqueueCallback done) = 0;

  // Sends a piece of a large message's content, at most kInlineContentBytesMax. `done` is called
  // when the caller may send the next one (flow control); an error ends the message.
  virtual void AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                             EnqueueCallback done) = 0;
  // Drops the chunks of a message that will not be enqueued.
  virtual void AbortContent(absl::string_view message_id) = 0;

  // Opens a lease stream. `handler` must outlive the stream's OnClosed, which comes even when the
  // returned object is destroyed before it.
  virtual std::unique_ptr<LeaseStream> OpenLease(v1::LeaseOpen open,
                                                 std::shared_ptr<LeaseStream::Handler> handler) = 0;

  // Ends a lease; the outcome is durable when `done` is called. Repeated over a new stream until
  // `deadline`. Errors: UNAVAILABLE and DEADLINE_EXCEEDED: not known to be recorded.
  virtual void Settle(v1::Settlement settlement, absl::Time deadline, SettleCallback done) = 0;

  // Reads the content of a delivery's message. The reader may outlive the spool.
  virtual std::unique_ptr<ContentReader> ReadContent(uint64_t delivery_id,
                                                     absl::string_view message_id) = 0;

  // Of several stores each is asked. When one does not answer, ReleaseQueue says so (UNAVAILABLE or
  // DEADLINE_EXCEEDED, naming the shard) although the others have released: repeat it later.
  // GetQueue adds up what those say that answer (`shards_away` counts the others), and fails when
  // none does.
  virtual void ReleaseQueue(
      v1::ReleaseQueueRequest request, absl::Time deadline,
      absl::AnyInvocable<void(absl::StatusOr<v1::ReleaseQueueResponse>)> done) = 0;
  virtual void GetQueue(v1::GetQueueRequest request, absl::Time deadline,
                        absl::AnyInvocable<void(absl::StatusOr<v1::GetQueueResponse>)> done) = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SPOOL_H_
