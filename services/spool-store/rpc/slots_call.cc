#include "services/spool-store/rpc/slots_call.h"

#include <memory>
#include <utility>
#include <vector>

#include "services/common/rpc/server_stream.h"

namespace turnpike::spool {
namespace {

using Stream = rpc::ServerStream<v1::HoldSlotsRequest, v1::HoldSlotsResponse>;

// What waits for a client that does not read is bounded by its slots: each is granted once.
class SlotsCall : public Drainable {
 public:
  SlotsCall(SlotDesk& desk, std::shared_ptr<Stream> stream)
      : desk_(desk),
        stream_(std::move(stream)),
        id_(desk.Open([stream = stream_](const std::vector<uint64_t>& slot_ids) {
          stream->Send([&](v1::HoldSlotsResponse& pending) {
            pending.mutable_granted()->Add(slot_ids.begin(), slot_ids.end());
          });
        })) {}

  bool OnMessage(const v1::HoldSlotsRequest& request) {
    const absl::Status status = desk_.Handle(id_, request);
    if (!status.ok()) End(status);
    return status.ok();
  }
  void End(const absl::Status& status) {
    desk_.Close(id_);
    stream_->Finish(status);
  }
  void Drain() override { End(absl::UnavailableError("the spool is being shut down")); }

 private:
  SlotDesk& desk_;
  const std::shared_ptr<Stream> stream_;
  const SlotDesk::StreamId id_;
};

}  // namespace

grpc::ServerBidiReactor<v1::HoldSlotsRequest, v1::HoldSlotsResponse>* StartSlotsCall(
    SlotDesk& desk, DrainList& drain_list) {
  auto [reactor, stream] = Stream::Create();
  auto call = std::make_shared<SlotsCall>(desk, stream);
  stream->Start(
      {.on_message = [call](v1::HoldSlotsRequest& request) { return call->OnMessage(request); },
       .on_half_close = [call] { call->End(absl::OkStatus()); },
       .on_closed = [call] { call->End(absl::CancelledError("the stream is closed")); }});
  drain_list.Add(call);
  return reactor;
}

}  // namespace turnpike::spool
