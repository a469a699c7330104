#include "services/spool-store/client/rpc_spool.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "protos/turnpike/spool/v1/spool.grpc.pb.h"
#include "services/common/rpc/unary.h"
#include "services/spool-store/client/resending_stream.h"
#include "services/spool-store/client/rpc_content.h"
#include "services/spool-store/client/rpc_lease_stream.h"

namespace turnpike::spool {
namespace {

using Stub = v1::SpoolService::Stub;
using EnqueueStream = ResendingStream<v1::EnqueueRequest, v1::EnqueueResponse, std::string,
                                      std::shared_ptr<const v1::NewMessage>, absl::Status>;
using SettleKey = std::pair<uint64_t, uint64_t>;  // delivery, fence
using SettleStream = ResendingStream<v1::SettleRequest, v1::SettleResponse, SettleKey,
                                     v1::Settlement, absl::StatusOr<v1::SettleOutcome>>;

constexpr absl::Duration kTick = absl::Milliseconds(50);

absl::Status ToStatus(const v1::EnqueueResult& result) {
  switch (result.outcome()) {
    case v1::ENQUEUE_OUTCOME_STORED:
      return absl::OkStatus();
    case v1::ENQUEUE_OUTCOME_FULL:
      return absl::ResourceExhaustedError(result.detail());
    case v1::ENQUEUE_OUTCOME_INVALID:
      return absl::InvalidArgumentError(result.detail());
    case v1::ENQUEUE_OUTCOME_DRAINING:
      return absl::FailedPreconditionError("the store is being emptied");
    default:  // FAILED, and whatever a newer store may say
      return absl::UnavailableError(result.detail());
  }
}

std::shared_ptr<EnqueueStream> MakeEnqueueStream(const std::shared_ptr<Stub>& stub,
                                                 bool returns_unsent) {
  return std::make_shared<EnqueueStream>(EnqueueStream::Options{
      .start = [stub](grpc::ClientContext* context,
                      auto* reactor) { stub->async()->Enqueue(context, reactor); },
      .add =
          [](const std::shared_ptr<const v1::NewMessage>& message, v1::EnqueueRequest& request) {
            *request.add_items()->mutable_message() = *message;
          },
      .parse =
          [](v1::EnqueueResponse& response) {
            EnqueueStream::Answers answers;
            answers.reserve(response.results_size());
            for (const v1::EnqueueResult& result : response.results()) {
              answers.emplace_back(result.message_id(), ToStatus(result));
            }
            return answers;
          },
      .returns_unsent = returns_unsent});
}

std::shared_ptr<SettleStream> MakeSettleStream(const std::shared_ptr<Stub>& stub) {
  return std::make_shared<SettleStream>(SettleStream::Options{
      .start = [stub](grpc::ClientContext* context,
                      auto* reactor) { stub->async()->Settle(context, reactor); },
      .add = [](const v1::Settlement& settlement,
                v1::SettleRequest& request) { *request.add_settlements() = settlement; },
      .parse =
          [](v1::SettleResponse& response) {
            SettleStream::Answers answers;
            answers.reserve(response.results_size());
            for (const v1::SettleResult& result : response.results()) {
              answers.emplace_back(SettleKey(result.token().delivery_id(), result.token().fence()),
                                   result.outcome());
            }
            return answers;
          }});
}

class RpcSpoolImpl : public RpcSpool {
 public:
  RpcSpoolImpl(const std::shared_ptr<grpc::Channel>& channel, const Options& options)
      : stub_(v1::SpoolService::NewStub(channel)),
        enqueue_(MakeEnqueueStream(stub_, options.returns_unsent)),
        settle_(MakeSettleStream(stub_)),
        content_(stub_, options.piece_timeout),
        ticker_([this] { Tick(); }) {}

  ~RpcSpoolImpl() override {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
    }
    ticker_.join();
    enqueue_->Shutdown();
    settle_->Shutdown();
    content_.Shutdown();
  }

  void Enqueue(v1::NewMessage message, absl::Time deadline, EnqueueCallback done) override {
    EnqueueShared(std::make_shared<const v1::NewMessage>(std::move(message)), deadline,
                  std::move(done));
  }

  void EnqueueShared(std::shared_ptr<const v1::NewMessage> message, absl::Time deadline,
                     EnqueueCallback done) override {
    const std::string id = message->message_id();
    const bool in_chunks = message->inline_content().empty() && message->content_bytes() > 0;
    if (in_chunks && !EndUpload(id)) {
      std::move(done)(absl::AbortedError("the message's content was lost"));
      return;
    }
    const size_t bytes = message->ByteSizeLong();
    enqueue_->Send(id, std::move(message), bytes, in_chunks, deadline, std::move(done));
  }

  absl::Time waiting_since() const override { return enqueue_->waiting_since(); }

  void AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                     EnqueueCallback done) override {
    if (data.size() > kInlineContentBytesMax) {
      std::move(done)(absl::InvalidArgumentError("content piece too large"));
      return;
    }
    if (!ContinueUpload(message_id, offset)) {
      std::move(done)(absl::AbortedError("the message's content was lost"));
      return;
    }
    const size_t bytes = data.size();
    auto add = [id = std::string(message_id), offset,
                data = std::move(data)](v1::EnqueueRequest& request) mutable {
      v1::ContentChunk& chunk = *request.add_items()->mutable_chunk();
      chunk.set_message_id(std::move(id));
      chunk.set_offset(offset);
      chunk.set_data(std::move(data));
    };
    auto end = [this, id = std::string(message_id),
                done = std::move(done)](absl::Status status) mutable {
      if (!status.ok()) EndUpload(id);
      std::move(done)(std::move(status));
    };
    enqueue_->SendOnce(std::move(add), bytes, std::move(end));
  }

  void AbortContent(absl::string_view message_id) override {
    const std::string id(message_id);
    EndUpload(id);
    enqueue_->SendOnce([id](v1::EnqueueRequest& request) { request.add_items()->set_abort(id); },
                       id.size(), [](const absl::Status&) {});
  }

  std::unique_ptr<LeaseStream> OpenLease(v1::LeaseOpen open,
                                         std::shared_ptr<LeaseStream::Handler> handler) override {
    return OpenRpcLease(stub_, std::move(open), std::move(handler));
  }

  void Settle(v1::Settlement settlement, absl::Time deadline, SettleCallback done) override {
    const SettleKey key(settlement.token().delivery_id(), settlement.token().fence());
    const size_t bytes = settlement.ByteSizeLong();
    settle_->Send(key, std::move(settlement), bytes, /*fragile=*/false, deadline, std::move(done));
  }

  std::unique_ptr<ContentReader> ReadContent(uint64_t /*delivery_id*/,
                                             absl::string_view message_id) override {
    return content_.Open(message_id);
  }

  void ReleaseQueue(
      v1::ReleaseQueueRequest request, absl::Time deadline,
      absl::AnyInvocable<void(absl::StatusOr<v1::ReleaseQueueResponse>)> done) override {
    rpc::CallUnary<v1::ReleaseQueueRequest, v1::ReleaseQueueResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->ReleaseQueue(context, request, response, std::move(done));
        },
        std::move(done));
  }

  void GetQueue(v1::GetQueueRequest request, absl::Time deadline,
                absl::AnyInvocable<void(absl::StatusOr<v1::GetQueueResponse>)> done) override {
    rpc::CallUnary<v1::GetQueueRequest, v1::GetQueueResponse>(
        std::move(request), deadline,
        [this](auto* context, auto* request, auto* response, auto done) {
          stub_->async()->GetQueue(context, request, response, std::move(done));
        },
        std::move(done));
  }

 private:
  // Pieces belong to one stream: the store drops them with it. The first piece names the stream,
  // the others must still be on it.
  bool ContinueUpload(absl::string_view message_id, int64_t offset) {
    const uint64_t generation = enqueue_->generation();
    absl::MutexLock lock(&mu_);
    if (offset == 0) {
      uploads_[std::string(message_id)] = generation;
      return true;
    }
    auto found = uploads_.find(message_id);
    if (found == uploads_.end()) return false;
    if (found->second == generation) return true;
    uploads_.erase(found);
    return false;
  }

  bool EndUpload(const std::string& message_id) {
    const uint64_t generation = enqueue_->generation();
    absl::MutexLock lock(&mu_);
    auto found = uploads_.find(message_id);
    if (found == uploads_.end()) return false;
    const bool alive = found->second == generation;
    uploads_.erase(found);
    return alive;
  }

  void Tick() {
    while (true) {
      {
        absl::MutexLock lock(&mu_);
        if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), kTick)) return;
      }
      const absl::Time now = absl::Now();
      enqueue_->Tick(now);
      settle_->Tick(now);
      content_.Tick(now);
    }
  }

  const std::shared_ptr<Stub> stub_;
  const std::shared_ptr<EnqueueStream> enqueue_;
  const std::shared_ptr<SettleStream> settle_;
  RpcContent content_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  // Message to the generation of the stream that has its pieces.
  absl::flat_hash_map<std::string, uint64_t> uploads_ ABSL_GUARDED_BY(mu_);
  std::thread ticker_;
};

}  // namespace

std::unique_ptr<RpcSpool> RpcSpool::Create(std::shared_ptr<grpc::Channel> channel,
                                           const Options& options) {
  return std::make_unique<RpcSpoolImpl>(channel, options);
}

}  // namespace turnpike::spool
