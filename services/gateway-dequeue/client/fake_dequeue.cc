#include "services/gateway-dequeue/client/fake_dequeue.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"

namespace turnpike::dequeue {
namespace {

void SetReply(int code, const char* enhanced_code, const char* text,
              turnpike::mail::v1::Reply& reply) {
  reply.set_code(code);
  reply.set_enhanced_code(enhanced_code);
  reply.set_text(text);
}

}  // namespace

struct FakeDequeue::State {
  struct Atrn {
    AtrnRecord record;
    std::shared_ptr<AtrnSession::Handler> handler;  // null once the stream is over
  };

  // The handlers of the open streams; they are no longer open when `close`.
  std::vector<std::shared_ptr<AtrnSession::Handler>> OpenHandlers(bool close) {
    absl::MutexLock lock(&mu);
    std::vector<std::shared_ptr<AtrnSession::Handler>> handlers;
    for (Atrn& atrn : atrns) {
      if (atrn.handler == nullptr) continue;
      handlers.push_back(atrn.handler);
      if (close) atrn.handler = nullptr;
    }
    return handlers;
  }

  absl::Mutex mu;
  absl::StatusOr<v1::RequestEtrnResponse> etrn_response ABSL_GUARDED_BY(mu);
  absl::StatusOr<v1::RunAtrnResponse> atrn_response ABSL_GUARDED_BY(mu);
  std::vector<v1::RequestEtrnRequest> etrn_requests ABSL_GUARDED_BY(mu);
  std::vector<Atrn> atrns ABSL_GUARDED_BY(mu);
};

class FakeDequeue::Session : public AtrnSession {
 public:
  Session(std::shared_ptr<State> state, size_t index) : state_(std::move(state)), index_(index) {}

  ~Session() override {
    {
      absl::MutexLock lock(&state_->mu);
      state_->atrns[index_].record.destroyed = true;
    }
    Close(absl::CancelledError("session destroyed"));
  }

  void Report(const v1::AtrnProgress& progress) override {
    absl::MutexLock lock(&state_->mu);
    state_->atrns[index_].record.progress = progress;
  }

  void End(const v1::AtrnEnd& end) override {
    {
      absl::MutexLock lock(&state_->mu);
      state_->atrns[index_].record.end = end;
    }
    Close(absl::OkStatus());
  }

 private:
  void Close(const absl::Status& status) {
    std::shared_ptr<Handler> handler;
    {
      absl::MutexLock lock(&state_->mu);
      handler = std::exchange(state_->atrns[index_].handler, nullptr);
    }
    if (handler != nullptr) handler->OnClosed(status);
  }

  const std::shared_ptr<State> state_;
  const size_t index_;
};

FakeDequeue::FakeDequeue() : state_(std::make_shared<State>()) {
  v1::RequestEtrnResponse etrn;
  SetReply(250, "2.0.0", "Queuing started", *etrn.mutable_reply());
  SetEtrnResponse(std::move(etrn));
  v1::RunAtrnResponse atrn;
  SetReply(453, "4.0.0", "You have no mail", *atrn.mutable_refusal());
  SetAtrnResponse(std::move(atrn));
}

FakeDequeue::~FakeDequeue() { CloseAtrn(absl::CancelledError("dequeue destroyed")); }

void FakeDequeue::SetEtrnResponse(absl::StatusOr<v1::RequestEtrnResponse> response) {
  absl::MutexLock lock(&state_->mu);
  state_->etrn_response = std::move(response);
}

void FakeDequeue::SetAtrnResponse(absl::StatusOr<v1::RunAtrnResponse> response) {
  absl::MutexLock lock(&state_->mu);
  state_->atrn_response = std::move(response);
}

void FakeDequeue::GrantAtrn(const std::string& domain) {
  v1::RunAtrnResponse response;
  response.mutable_grant()->set_grant("grant");
  v1::GrantedQueue* queue = response.mutable_grant()->add_queues();
  queue->mutable_queue()->set_kind(turnpike::spool::v1::QUEUE_KIND_GATEWAY);
  queue->mutable_queue()->set_name(domain);
  queue->add_recipient_domains(domain);
  SetAtrnResponse(std::move(response));
}

void FakeDequeue::RevokeAtrn() {
  v1::RunAtrnResponse response;
  response.set_revoke(true);
  for (const auto& handler : state_->OpenHandlers(/*close=*/false)) handler->OnResponse(response);
}

void FakeDequeue::CloseAtrn(const absl::Status& status) {
  for (const auto& handler : state_->OpenHandlers(/*close=*/true)) handler->OnClosed(status);
}

std::vector<v1::RequestEtrnRequest> FakeDequeue::etrn_requests() const {
  absl::MutexLock lock(&state_->mu);
  return state_->etrn_requests;
}

std::vector<FakeDequeue::AtrnRecord> FakeDequeue::atrn_records() const {
  absl::MutexLock lock(&state_->mu);
  std::vector<AtrnRecord> records;
  for (const State::Atrn& atrn : state_->atrns) records.push_back(atrn.record);
  return records;
}

void FakeDequeue::RequestEtrn(
    v1::RequestEtrnRequest request, absl::Time /*deadline*/,
    absl::AnyInvocable<void(absl::StatusOr<v1::RequestEtrnResponse>)> done) {
  absl::StatusOr<v1::RequestEtrnResponse> response;
  {
    absl::MutexLock lock(&state_->mu);
    state_->etrn_requests.push_back(std::move(request));
    response = state_->etrn_response;
  }
  done(std::move(response));
}

std::unique_ptr<AtrnSession> FakeDequeue::RunAtrn(v1::AtrnBegin begin,
                                                  std::shared_ptr<AtrnSession::Handler> handler) {
  absl::StatusOr<v1::RunAtrnResponse> response;
  size_t index;
  {
    absl::MutexLock lock(&state_->mu);
    response = state_->atrn_response;
    index = state_->atrns.size();
    State::Atrn& atrn = state_->atrns.emplace_back();
    atrn.record.begin = std::move(begin);
    if (response.ok() && response->has_grant()) atrn.handler = handler;
  }
  auto session = std::make_unique<Session>(state_, index);
  if (response.ok()) handler->OnResponse(*response);
  // A refusal ends the stream.
  if (!response.ok()) {
    handler->OnClosed(response.status());
  } else if (!response->has_grant()) {
    handler->OnClosed(absl::OkStatus());
  }
  return session;
}

}  // namespace turnpike::dequeue
