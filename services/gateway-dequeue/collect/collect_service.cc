#include "services/gateway-dequeue/collect/collect_service.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/common/rpc/status.h"

namespace turnpike::dequeue {
namespace {

// A call whose answer may come when the caller has long given up: what was begun goes on, and the
// call ends with the caller.
template <typename Result>
class LongCall : public grpc::ServerUnaryReactor {
 public:
  using Fill = std::function<void(const Result& result)>;

  // `fill` writes a result to the response, which is there until the call is finished.
  static std::shared_ptr<LongCall> Create(Fill fill) {
    std::shared_ptr<LongCall> call(new LongCall(std::move(fill)));
    call->self_ = call;
    return call;
  }

  static Agenda::Callback<Result> WhenDone(std::shared_ptr<LongCall> call) {
    return [call = std::move(call)](const absl::StatusOr<Result>& result) { call->End(result); };
  }

  void OnCancel() override { End(absl::CancelledError("the caller has given up")); }
  void OnDone() override { const std::shared_ptr<LongCall> last = std::move(self_); }

 private:
  explicit LongCall(Fill fill) : fill_(std::move(fill)) {}

  void End(const absl::StatusOr<Result>& result) {
    {
      absl::MutexLock lock(&mu_);
      if (is_finished_) return;
      is_finished_ = true;
    }
    if (result.ok()) fill_(*result);
    Finish(rpc::ToGrpc(result.status()));
  }

  const Fill fill_;
  std::shared_ptr<LongCall> self_;  // until gRPC is done with it
  absl::Mutex mu_;
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
};

using StatesCall = LongCall<std::vector<v1::RequestState>>;
using RunCall = LongCall<ErrandResult>;

// What is kept of a collection is a request's state without replies.
void FillCollection(const v1::RequestState& state, v1::CollectionState* collection) {
  collection->set_name(state.name());
  collection->set_host(state.host());
  collection->set_running(state.running());
  if (state.has_last_run()) *collection->mutable_last_run() = state.last_run();
  if (state.has_next_run_time()) *collection->mutable_next_run_time() = state.next_run_time();
  collection->set_failures(state.failures());
}

}  // namespace

grpc::ServerUnaryReactor* CollectService::ListCollections(grpc::CallbackServerContext*,
                                                          const v1::ListCollectionsRequest*,
                                                          v1::ListCollectionsResponse* response) {
  auto call = StatesCall::Create([response](const std::vector<v1::RequestState>& states) {
    for (const v1::RequestState& state : states) {
      FillCollection(state, response->add_collections());
    }
  });
  StatesCall* const reactor = call.get();
  agenda_->Describe(RunKind::kCollection, StatesCall::WhenDone(std::move(call)));
  return reactor;
}

grpc::ServerUnaryReactor* CollectService::CollectNow(grpc::CallbackServerContext*,
                                                     const v1::CollectNowRequest* request,
                                                     v1::CollectNowResponse* response) {
  auto call = RunCall::Create(
      [response](const ErrandResult& result) { *response->mutable_run() = result.run; });
  RunCall* const reactor = call.get();
  agenda_->RunNow(RunKind::kCollection, request->name(), RunCall::WhenDone(std::move(call)));
  return reactor;
}

grpc::ServerUnaryReactor* CollectService::ListRequests(grpc::CallbackServerContext*,
                                                       const v1::ListRequestsRequest*,
                                                       v1::ListRequestsResponse* response) {
  auto call = StatesCall::Create([response](const std::vector<v1::RequestState>& states) {
    response->mutable_requests()->Add(states.begin(), states.end());
  });
  StatesCall* const reactor = call.get();
  agenda_->Describe(RunKind::kRequest, StatesCall::WhenDone(std::move(call)));
  return reactor;
}

grpc::ServerUnaryReactor* CollectService::RequestNow(grpc::CallbackServerContext*,
                                                     const v1::RequestNowRequest* request,
                                                     v1::RequestNowResponse* response) {
  auto call = RunCall::Create([response](const ErrandResult& result) {
    *response->mutable_run() = result.run;
    response->mutable_replies()->Add(result.replies.begin(), result.replies.end());
  });
  RunCall* const reactor = call.get();
  agenda_->RunNow(RunKind::kRequest, request->name(), RunCall::WhenDone(std::move(call)));
  return reactor;
}

}  // namespace turnpike::dequeue
