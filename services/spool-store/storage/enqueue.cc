#include "services/spool-store/storage/enqueue.h"

#include <string>
#include <utility>

#include "services/spool-store/storage/message_writer.h"
#include "services/spool-store/storage/upload.h"

namespace turnpike::spool {
namespace {

Metrics::Refusal RefusalOf(v1::EnqueueOutcome outcome) {
  switch (outcome) {
    case v1::ENQUEUE_OUTCOME_FULL:
      return Metrics::kFull;
    case v1::ENQUEUE_OUTCOME_INVALID:
      return Metrics::kInvalid;
    case v1::ENQUEUE_OUTCOME_DRAINING:
      return Metrics::kEmptying;
    default:
      return Metrics::kFailed;
  }
}

class EnqueueOperation : public Operation {
 public:
  EnqueueOperation(Engine& engine, PreparedMessage message, std::shared_ptr<UploadState> upload,
                   Store::EnqueueDone done)
      : engine_(engine),
        message_(std::move(message)),
        upload_(std::move(upload)),
        done_(std::move(done)) {
    result_.set_message_id(message_.id());
  }

  void Build(CommitContext& context) override {
    const absl::StatusOr<bool> known = PreparedMessage::IsKnown(context, message_.id());
    if (!known.ok()) return Refuse(v1::ENQUEUE_OUTCOME_FAILED, known.status().message());
    if (*known) {
      engine_.metrics.repeated->Increment();
      result_.set_outcome(v1::ENQUEUE_OUTCOME_STORED);
      BuildDropPieces(context, upload_.get(), message_.id());
      return;
    }
    if (engine_.emptying) {
      BuildDropPieces(context, upload_.get(), message_.id());
      return Refuse(v1::ENQUEUE_OUTCOME_DRAINING, "the shard is being emptied");
    }
    if (!engine_.accepting) {
      BuildDropPieces(context, upload_.get(), message_.id());
      return Refuse(v1::ENQUEUE_OUTCOME_FULL, "the spool's disk is nearly full");
    }
    if (message_.is_chunked() && !TakeContent(context)) return;
    message_.Build(context);
    is_built_ = true;
  }

  void Apply(bool written) override {
    if (result_.outcome() == v1::ENQUEUE_OUTCOME_STORED) {
      // Found, maybe in this very batch: it is as durable as that.
      if (!written) Refuse(v1::ENQUEUE_OUTCOME_FAILED, "the spool cannot be written");
      return;
    }
    if (!is_built_) return;
    if (!written) return Refuse(v1::ENQUEUE_OUTCOME_FAILED, "the spool cannot be written");
    result_.set_outcome(v1::ENQUEUE_OUTCOME_STORED);
    message_.Apply(engine_.schedule, engine_.metrics);
  }

  void Answer() override { std::move(done_)(std::move(result_)); }

 private:
  void Refuse(v1::EnqueueOutcome outcome, absl::string_view detail) {
    result_.set_outcome(outcome);
    result_.set_detail(std::string(detail));
    engine_.metrics.refused[RefusalOf(outcome)]->Increment();
  }

  // The pieces that were sent become the message's content.
  bool TakeContent(CommitContext& context) {
    const absl::StatusOr<TakenPieces> pieces = TakePieces(
        context, upload_.get(), message_.id(), message_.content_bytes(), message_.expected_hash());
    if (!pieces.ok()) {
      Refuse(v1::ENQUEUE_OUTCOME_INVALID, pieces.status().message());
      return false;
    }
    message_.SetChunks(pieces->upload, pieces->count, pieces->hash);
    return true;
  }

  Engine& engine_;
  PreparedMessage message_;
  const std::shared_ptr<UploadState> upload_;
  Store::EnqueueDone done_;
  v1::EnqueueResult result_;
  bool is_built_ = false;
};

}  // namespace

void SubmitEnqueue(Engine& engine, v1::NewMessage message,
                   const std::shared_ptr<Store::Upload>& upload, Store::EnqueueDone done) {
  v1::EnqueueResult refused;
  refused.set_message_id(message.message_id());
  absl::StatusOr<PreparedMessage> prepared =
      PreparedMessage::Make(std::move(message), engine.clock.Now());
  if (!prepared.ok()) {
    engine.metrics.refused[Metrics::kInvalid]->Increment();
    refused.set_outcome(v1::ENQUEUE_OUTCOME_INVALID);
    refused.set_detail(std::string(prepared.status().message()));
    return std::move(done)(std::move(refused));
  }
  engine.committer.Submit(std::make_unique<EnqueueOperation>(engine, *std::move(prepared),
                                                             StateOf(upload), std::move(done)));
}

}  // namespace turnpike::spool
