// The store behind the two services, whatever keeps it. Implementation: RocksStore.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_STORE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

// What the calls mean, and their errors, is said in protos/turnpike/spool/v1/spool.proto.
//
// Thread-safe. No call blocks on the disk. Callbacks run exactly once, on the store's threads,
// without a lock held; they must not block. What is under way when the store is destroyed is
// finished first.
class Store {
 public:
  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;
  using EnqueueDone = absl::AnyInvocable<void(v1::EnqueueResult)>;
  using SettleDone = absl::AnyInvocable<void(v1::SettleResult)>;

  // Content that one client sends in pieces. Destroying it drops what was not committed. The calls
  // for one message, and its Enqueue, take effect in their order. A piece that does not fit makes
  // its message's Enqueue fail.
  class Upload {
   public:
    virtual ~Upload() = default;
    // `done`: the piece is written, not synced.
    virtual void Append(v1::ContentChunk chunk, absl::AnyInvocable<void()> done) = 0;
    virtual void Abort(absl::string_view message_id) = 0;
  };

  // Where leased deliveries go.
  class LeaseSink {
   public:
    virtual ~LeaseSink() = default;
    // Calls may come from several threads.
    virtual void OnLeased(v1::LeaseResponse response) = 0;
    // False: nothing is sent until Consumer::OnRoom.
    virtual bool HasRoom() = 0;
  };

  // A worker. Destroying it ends its leases but those that are being settled.
  class Consumer {
   public:
    virtual ~Consumer() = default;
    virtual void Handle(const v1::LeaseRequest& request) = 0;  // credit, renew, hand_back
    virtual void OnRoom() = 0;
  };

  // Pieces of a message's content in order.
  class ContentReader {
   public:
    virtual ~ContentReader() = default;
    // At most 256 KiB; empty at the end. NOT_FOUND, DATA_LOSS. Not while another is under way; the
    // reader must stay until `done`.
    virtual void Next(Done<std::string> done) = 0;
  };

  virtual ~Store() = default;

  virtual std::shared_ptr<Upload> OpenUpload() = 0;
  // `upload`: where the message's content was sent, when it is not inline; may be null.
  virtual void Enqueue(v1::NewMessage message, const std::shared_ptr<Upload>& upload,
                       EnqueueDone done) = 0;
  // INVALID_ARGUMENT; UNAVAILABLE when draining.
  virtual absl::StatusOr<std::unique_ptr<Consumer>> OpenConsumer(
      const v1::LeaseOpen& open, std::shared_ptr<LeaseSink> sink) = 0;
  virtual void Settle(v1::Settlement settlement, SettleDone done) = 0;
  virtual std::unique_ptr<ContentReader> ReadContent(absl::string_view message_id) = 0;
  virtual void ReleaseQueue(v1::ReleaseQueueRequest request,
                            Done<v1::ReleaseQueueResponse> done) = 0;
  virtual absl::StatusOr<v1::ListQueuesResponse> ListQueues(
      const v1::ListQueuesRequest& request) = 0;
  virtual absl::StatusOr<v1::GetQueueResponse> GetQueue(const v1::GetQueueRequest& request) = 0;
  virtual void ListDeliveries(v1::ListDeliveriesRequest request,
                              Done<v1::ListDeliveriesResponse> done) = 0;
  virtual void GetDelivery(v1::GetDeliveryRequest request, Done<v1::GetDeliveryResponse> done) = 0;
  virtual void UpdateDelivery(v1::UpdateDeliveryRequest request,
                              Done<v1::UpdateDeliveryResponse> done) = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_STORE_H_
