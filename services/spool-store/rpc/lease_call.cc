#include "services/spool-store/rpc/lease_call.h"

#include <memory>
#include <utility>

#include "services/common/rpc/server_stream.h"

namespace turnpike::spool {
namespace {

using Stream = rpc::ServerStream<v1::LeaseRequest, v1::LeaseResponse>;

// Deliveries that wait for a client that does not read: with those of the next response, well below
// what one message may have.
constexpr size_t kPendingBytesMax = 1 << 20;

class StreamSink : public Store::LeaseSink {
 public:
  explicit StreamSink(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}

  void OnLeased(v1::LeaseResponse response) override {
    stream_->Send([&](v1::LeaseResponse& pending) {
      for (v1::LeasedDelivery& delivery : *response.mutable_deliveries()) {
        pending.add_deliveries()->Swap(&delivery);
      }
      for (v1::LeaseToken& token : *response.mutable_revoked()) {
        pending.add_revoked()->Swap(&token);
      }
      if (response.drained()) pending.set_drained(true);
    });
  }
  bool HasRoom() override { return stream_->pending_bytes() <= kPendingBytesMax; }

 private:
  const std::shared_ptr<Stream> stream_;
};

// The callbacks come one at a time, so `consumer_` needs no lock.
class LeaseCall : public Drainable {
 public:
  LeaseCall(Store& store, std::shared_ptr<Stream> stream)
      : store_(store), stream_(std::move(stream)) {}

  bool OnMessage(const v1::LeaseRequest& request) {
    if (is_over_) return false;
    if (request.has_open() != (consumer_ == nullptr)) {
      return End(absl::InvalidArgumentError("`open` must be in the first request, and only there"));
    }
    if (consumer_ == nullptr) {
      auto consumer = store_.OpenConsumer(request.open(), std::make_shared<StreamSink>(stream_));
      if (!consumer.ok()) return End(consumer.status());
      consumer_ = *std::move(consumer);
    }
    if (request.credit() < 0) return End(absl::InvalidArgumentError("credit is negative"));
    consumer_->Handle(request);
    return true;
  }
  void OnHalfClose() { End(absl::OkStatus()); }
  void OnWritable() {
    if (consumer_ != nullptr) consumer_->OnRoom();
  }
  void OnClosed() { consumer_ = nullptr; }
  void Drain() override { stream_->Finish(absl::UnavailableError("the spool is being shut down")); }

 private:
  bool End(const absl::Status& status) {
    is_over_ = true;
    consumer_ = nullptr;  // its leases end here
    stream_->Finish(status);
    return false;
  }

  Store& store_;
  const std::shared_ptr<Stream> stream_;
  std::unique_ptr<Store::Consumer> consumer_;
  bool is_over_ = false;
};

}  // namespace

grpc::ServerBidiReactor<v1::LeaseRequest, v1::LeaseResponse>* StartLeaseCall(
    Store& store, DrainList& drain_list) {
  auto [reactor, stream] = Stream::Create();
  auto call = std::make_shared<LeaseCall>(store, stream);
  stream->Start(
      {.on_message = [call](v1::LeaseRequest& request) { return call->OnMessage(request); },
       .on_half_close = [call] { call->OnHalfClose(); },
       .on_writable = [call] { call->OnWritable(); },
       .on_closed = [call] { call->OnClosed(); }});
  drain_list.Add(call);
  return reactor;
}

}  // namespace turnpike::spool
