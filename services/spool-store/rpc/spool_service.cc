#include "services/spool-store/rpc/spool_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/status.h"
#include "services/spool-store/rpc/answering_call.h"
#include "services/spool-store/rpc/lease_call.h"
#include "services/spool-store/rpc/unary_answer.h"

namespace turnpike::spool {
namespace {

using EnqueueCall = AnsweringCall<v1::EnqueueRequest, v1::EnqueueResponse>;
using SettleCall = AnsweringCall<v1::SettleRequest, v1::SettleResponse>;

// What a stream has sent of large messages; gone with the stream.
struct UploadSlot {
  std::shared_ptr<Store::Upload> upload;
};

void TakeEnqueue(Store& store, UploadSlot& slot, EnqueueCall& call, v1::EnqueueRequest& request) {
  std::shared_ptr<EnqueueCall> self = call.shared_from_this();
  for (v1::EnqueueItem& item : *request.mutable_items()) {
    switch (item.item_case()) {
      case v1::EnqueueItem::kMessage: {
        const size_t bytes = item.message().inline_content().size() + 500;
        call.Begin(bytes);
        store.Enqueue(std::move(*item.mutable_message()), slot.upload,
                      [self, bytes](v1::EnqueueResult result) {
                        self->End(bytes, [&](v1::EnqueueResponse& response) {
                          response.add_results()->Swap(&result);
                        });
                      });
        break;
      }
      case v1::EnqueueItem::kChunk: {
        const size_t bytes = item.chunk().data().size();
        if (slot.upload == nullptr) slot.upload = store.OpenUpload();
        call.Begin(bytes);
        slot.upload->Append(std::move(*item.mutable_chunk()),
                            [self, bytes] { self->End(bytes, nullptr); });
        break;
      }
      case v1::EnqueueItem::kAbort:
        if (slot.upload != nullptr) slot.upload->Abort(item.abort());
        break;
      case v1::EnqueueItem::ITEM_NOT_SET:
        break;
    }
  }
}

void TakeSettle(Store& store, SettleCall& call, v1::SettleRequest& request) {
  std::shared_ptr<SettleCall> self = call.shared_from_this();
  for (v1::Settlement& settlement : *request.mutable_settlements()) {
    const size_t bytes = settlement.ByteSizeLong();
    call.Begin(bytes);
    store.Settle(std::move(settlement), [self, bytes](v1::SettleResult result) {
      self->End(bytes,
                [&](v1::SettleResponse& response) { response.add_results()->Swap(&result); });
    });
  }
}

// Cancels a call whose client reads slowly, or not at all, so that shutdown need not wait for it.
class ContentDrain : public Drainable {
 public:
  explicit ContentDrain(grpc::CallbackServerContext* context) : context_(context) {}
  void Drain() override {
    absl::MutexLock lock(&mu_);
    if (context_ != nullptr) context_->TryCancel();
  }
  void Forget() {
    absl::MutexLock lock(&mu_);
    context_ = nullptr;
  }

 private:
  absl::Mutex mu_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mu_);  // null: the call is over
};

// Deletes itself at the end of the call.
class ContentCall : public grpc::ServerWriteReactor<v1::ReadContentResponse> {
 public:
  ContentCall(std::unique_ptr<Store::ContentReader> reader, std::shared_ptr<ContentDrain> drain)
      : reader_(std::move(reader)), drain_(std::move(drain)) {
    Next();
  }

 private:
  void Next() {
    reader_->Next([this](absl::StatusOr<std::string> piece) {
      if (!piece.ok()) return Finish(rpc::ToGrpc(piece.status()));
      if (piece->empty()) return Finish(grpc::Status::OK);
      response_.set_data(*std::move(piece));
      StartWrite(&response_);
    });
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      Next();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override {
    drain_->Forget();
    delete this;
  }

  const std::unique_ptr<Store::ContentReader> reader_;
  const std::shared_ptr<ContentDrain> drain_;
  v1::ReadContentResponse response_;
};

template <typename Response>
grpc::ServerUnaryReactor* AnswerNow(grpc::CallbackServerContext* context, Response* response,
                                    absl::StatusOr<Response> result) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  UnaryAnswer(reactor, response)(std::move(result));
  return reactor;
}

}  // namespace

grpc::ServerBidiReactor<v1::EnqueueRequest, v1::EnqueueResponse>* SpoolService::Enqueue(
    grpc::CallbackServerContext*) {
  auto slot = std::make_shared<UploadSlot>();
  return EnqueueCall::Start(
      [this, slot](EnqueueCall& call, v1::EnqueueRequest& request) {
        TakeEnqueue(store_, *slot, call, request);
      },
      [slot] { slot->upload = nullptr; }, drain_list_);
}

grpc::ServerBidiReactor<v1::LeaseRequest, v1::LeaseResponse>* SpoolService::Lease(
    grpc::CallbackServerContext*) {
  return StartLeaseCall(store_, drain_list_);
}

grpc::ServerBidiReactor<v1::SettleRequest, v1::SettleResponse>* SpoolService::Settle(
    grpc::CallbackServerContext*) {
  return SettleCall::Start(
      [this](SettleCall& call, v1::SettleRequest& request) { TakeSettle(store_, call, request); },
      nullptr, drain_list_);
}

grpc::ServerWriteReactor<v1::ReadContentResponse>* SpoolService::ReadContent(
    grpc::CallbackServerContext* context, const v1::ReadContentRequest* request) {
  auto drain = std::make_shared<ContentDrain>(context);
  drain_list_.Add(drain);
  return new ContentCall(store_.ReadContent(request->message_id()), std::move(drain));
}

grpc::ServerUnaryReactor* SpoolService::ReleaseQueue(grpc::CallbackServerContext* context,
                                                     const v1::ReleaseQueueRequest* request,
                                                     v1::ReleaseQueueResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto answer = UnaryAnswer(reactor, response);
  if (!after_release_) {
    store_.ReleaseQueue(*request, std::move(answer));
    return reactor;
  }
  store_.ReleaseQueue(*request, [this, request, answer = std::move(answer)](
                                    absl::StatusOr<v1::ReleaseQueueResponse> result) mutable {
    if (!result.ok()) return answer(std::move(result));
    after_release_(*request, [answer = std::move(answer),
                              result = std::move(result)](const absl::Status& status) mutable {
      if (!status.ok()) result = status;
      answer(std::move(result));
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* SpoolService::ListQueues(grpc::CallbackServerContext* context,
                                                   const v1::ListQueuesRequest* request,
                                                   v1::ListQueuesResponse* response) {
  return AnswerNow(context, response, store_.ListQueues(*request));
}

grpc::ServerUnaryReactor* SpoolService::GetQueue(grpc::CallbackServerContext* context,
                                                 const v1::GetQueueRequest* request,
                                                 v1::GetQueueResponse* response) {
  return AnswerNow(context, response, store_.GetQueue(*request));
}

grpc::ServerUnaryReactor* SpoolService::ListDeliveries(grpc::CallbackServerContext* context,
                                                       const v1::ListDeliveriesRequest* request,
                                                       v1::ListDeliveriesResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.ListDeliveries(*request, UnaryAnswer(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* SpoolService::GetDelivery(grpc::CallbackServerContext* context,
                                                    const v1::GetDeliveryRequest* request,
                                                    v1::GetDeliveryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.GetDelivery(*request, UnaryAnswer(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* SpoolService::UpdateDelivery(grpc::CallbackServerContext* context,
                                                       const v1::UpdateDeliveryRequest* request,
                                                       v1::UpdateDeliveryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.UpdateDelivery(*request, UnaryAnswer(reactor, response));
  return reactor;
}

}  // namespace turnpike::spool
