#include "services/spool-store/client/shard_enqueuer.h"

#include <utility>

#include "absl/hash/hash.h"
#include "services/spool-store/client/not_sent.h"

namespace turnpike::spool {
namespace {

// Known not to have stored it, now and later.
bool IsRefusal(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsFailedPrecondition(status);
}

// What a caller hears when every shard that is up has refused.
absl::Status AnswerTo(const absl::Status& refusal) {
  if (absl::IsResourceExhausted(refusal)) return refusal;
  return absl::UnavailableError(refusal.message());
}

}  // namespace

ShardEnqueuer::ShardEnqueuer(const Shards& shards, const Options& options, const base::Clock& clock)
    : shards_(shards), options_(options), clock_(clock), health_(shards.size()) {}

std::optional<size_t> ShardEnqueuer::Choose(absl::string_view message_id, const Set& tried,
                                            bool in_pieces) {
  std::vector<size_t> up;
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (!tried[i] && shards_[i].is_up()) up.push_back(i);
  }
  const absl::Time now = clock_.Now();
  std::vector<size_t> good;
  std::vector<size_t> usable;
  {
    absl::MutexLock lock(&mu_);
    for (const size_t i : up) {
      const Health& health = health_[i];
      if (!health.is_emptied || now >= health.avoid_until) usable.push_back(i);
      if (now >= (in_pieces ? health.avoid_in_pieces_until : health.avoid_until)) {
        good.push_back(i);
      }
    }
  }
  // When all have refused something lately, they may still take this.
  const std::vector<size_t>& choice = good.empty() ? usable : good;
  if (choice.empty()) return std::nullopt;
  return choice[absl::Hash<absl::string_view>()(message_id) % choice.size()];
}

void ShardEnqueuer::NoteOutcome(size_t shard, const absl::Status& status) {
  if (!status.ok() && !IsRefusal(status)) return;
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mu_);
  health_[shard] = status.ok()
                       ? Health()
                       : Health{.is_emptied = absl::IsFailedPrecondition(status),
                                .avoid_until = now + options_.avoid_time,
                                .avoid_in_pieces_until = now + options_.avoid_time_in_pieces};
}

void ShardEnqueuer::Enqueue(v1::NewMessage message, absl::Time deadline,
                            Spool::EnqueueCallback done) {
  if (message.inline_content().empty() && message.content_bytes() > 0) {
    EnqueueInPieces(std::move(message), deadline, std::move(done));
    return;
  }
  auto job = std::make_shared<Job>();
  job->bytes = message.ByteSizeLong();
  job->message = std::make_shared<const v1::NewMessage>(std::move(message));
  job->deadline = deadline;
  job->done = std::move(done);
  Try(std::move(job));
}

void ShardEnqueuer::Try(std::shared_ptr<Job> job) {
  if (!gate_.TryEnter()) return Finish(*job, absl::CancelledError("the client is shut down"));
  Give(std::move(job));
  gate_.Leave();
}

void ShardEnqueuer::Give(std::shared_ptr<Job> job) {
  const std::optional<size_t> shard =
      Choose(job->message->message_id(), job->tried, /*in_pieces=*/false);
  if (!shard.has_value()) {
    if (!job->refusal.ok() && !MayWait(*job)) return Finish(*job, AnswerTo(job->refusal));
    return Park(std::move(job));
  }
  const std::shared_ptr<const v1::NewMessage> message = job->message;
  const absl::Time deadline = job->deadline;
  shards_[*shard].enqueue(message, deadline,
                          [self = shared_from_this(), job = std::move(job), shard = *shard](
                              absl::Status status) { self->OnEnd(job, shard, std::move(status)); });
}

bool ShardEnqueuer::MayWait(const Job& job) const {
  if (!absl::IsFailedPrecondition(job.refusal)) return false;
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (!job.tried[i] && !shards_[i].is_up()) return true;
  }
  return false;
}

void ShardEnqueuer::OnEnd(std::shared_ptr<Job> job, size_t shard, absl::Status status) {
  NoteOutcome(shard, status);
  const bool is_refusal = IsRefusal(status);
  if (!is_refusal && !IsNotSent(status)) return Finish(*job, std::move(status));
  job->tried.set(shard);
  if (is_refusal) job->refusal = std::move(status);
  Try(std::move(job));
}

void ShardEnqueuer::Finish(Job& job, absl::Status status) {
  std::move(job.done)(std::move(status));
}

void ShardEnqueuer::Park(std::shared_ptr<Job> job) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mu_);
    if (is_shut_down_) {
      refused = absl::CancelledError("the client is shut down");
    } else if (waiting_bytes_ + job->bytes > options_.waiting_bytes_max) {
      refused =
          absl::UnavailableError("no shard of the spool is there, and too much waits for one");
    } else {
      waiting_bytes_ += job->bytes;
      waiting_.push_back(std::move(job));
      return;
    }
  }
  Finish(*job, std::move(refused));
}

void ShardEnqueuer::Tick(absl::Time now) {
  bool is_any_up = false;
  for (const Shard& shard : shards_) is_any_up = is_any_up || shard.is_up();
  std::vector<std::shared_ptr<Job>> ready;
  std::vector<std::shared_ptr<Job>> late;
  {
    absl::MutexLock lock(&mu_);
    std::vector<std::shared_ptr<Job>> kept;
    for (std::shared_ptr<Job>& job : waiting_) {
      auto& place = job->deadline <= now ? late : is_any_up ? ready : kept;
      if (&place != &kept) waiting_bytes_ -= job->bytes;
      place.push_back(std::move(job));
    }
    waiting_.swap(kept);
  }
  for (const auto& job : late) {
    Finish(*job, absl::DeadlineExceededError("no shard of the spool is there"));
  }
  for (std::shared_ptr<Job>& job : ready) {
    job->tried.reset();
    Try(std::move(job));
  }
}

void ShardEnqueuer::Shutdown() {
  std::vector<std::shared_ptr<Job>> waiting;
  {
    absl::MutexLock lock(&mu_);
    is_shut_down_ = true;
    waiting.swap(waiting_);
    waiting_bytes_ = 0;
  }
  gate_.Close();
  gate_.WaitUntil(absl::InfiniteFuture());
  for (const auto& job : waiting) Finish(*job, absl::CancelledError("the client is shut down"));
}

// --- Messages in pieces ---

void ShardEnqueuer::AppendContent(absl::string_view message_id, int64_t offset, std::string data,
                                  Spool::EnqueueCallback done) {
  if (offset == 0) {
    auto piece = std::make_shared<FirstPiece>();
    piece->message_id = std::string(message_id);
    piece->data = std::move(data);
    piece->done = std::move(done);
    TryFirstPiece(std::move(piece));
    return;
  }
  const std::optional<size_t> shard = FindUpload(message_id, /*ends=*/false);
  if (!shard.has_value()) {
    std::move(done)(absl::AbortedError("the message's content was lost"));
    return;
  }
  shards_[*shard].spool->AppendContent(message_id, offset, std::move(data),
                                       [self = shared_from_this(), id = std::string(message_id),
                                        done = std::move(done)](absl::Status status) mutable {
                                         if (!status.ok())
                                           self->FindUpload(
                                               id, /*ends=*/true);  // an error ends the message
                                         std::move(done)(std::move(status));
                                       });
}

// Nothing of a message is stored before it is enqueued, so that another shard may be tried after
// any failure of the first piece.
void ShardEnqueuer::TryFirstPiece(std::shared_ptr<FirstPiece> piece) {
  if (!gate_.TryEnter()) {
    return std::move(piece->done)(absl::CancelledError("the client is shut down"));
  }
  GiveFirstPiece(piece);
  gate_.Leave();
}

void ShardEnqueuer::GiveFirstPiece(const std::shared_ptr<FirstPiece>& piece) {
  const std::optional<size_t> shard = Choose(piece->message_id, piece->tried, /*in_pieces=*/true);
  if (!shard.has_value()) {
    FindUpload(piece->message_id, /*ends=*/true);
    std::move(piece->done)(absl::UnavailableError("no shard of the spool is there"));
    return;
  }
  {
    absl::MutexLock lock(&mu_);
    uploads_[piece->message_id] = *shard;
  }
  std::string data = piece->data;
  const std::string& message_id = piece->message_id;  // lives as long as the callback
  shards_[*shard].spool->AppendContent(
      message_id, 0, std::move(data),
      [self = shared_from_this(), piece, shard = *shard](absl::Status status) {
        if (!absl::IsUnavailable(status) && !absl::IsAborted(status)) {
          if (!status.ok()) self->FindUpload(piece->message_id, /*ends=*/true);
          std::move(piece->done)(std::move(status));
          return;
        }
        piece->tried.set(shard);
        self->TryFirstPiece(piece);
      });
}

void ShardEnqueuer::EnqueueInPieces(v1::NewMessage message, absl::Time deadline,
                                    Spool::EnqueueCallback done) {
  const std::optional<size_t> shard = FindUpload(message.message_id(), /*ends=*/true);
  if (!shard.has_value()) {
    std::move(done)(absl::AbortedError("the message's content was lost"));
    return;
  }
  auto shared = std::make_shared<const v1::NewMessage>(std::move(message));
  shards_[*shard].enqueue(std::move(shared), deadline,
                          [self = shared_from_this(), shard = *shard,
                           done = std::move(done)](absl::Status status) mutable {
                            self->NoteOutcome(shard, status);
                            if (IsRefusal(status)) status = AnswerTo(status);
                            std::move(done)(std::move(status));
                          });
}

void ShardEnqueuer::AbortContent(absl::string_view message_id) {
  const std::optional<size_t> shard = FindUpload(message_id, /*ends=*/true);
  if (shard.has_value()) shards_[*shard].spool->AbortContent(message_id);
}

std::optional<size_t> ShardEnqueuer::FindUpload(absl::string_view message_id, bool ends) {
  absl::MutexLock lock(&mu_);
  const auto found = uploads_.find(message_id);
  if (found == uploads_.end()) return std::nullopt;
  const size_t shard = found->second;
  if (ends) uploads_.erase(found);
  return shard;
}

}  // namespace turnpike::spool
