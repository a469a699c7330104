// Requests over a bidirectional stream that is opened anew when it breaks: what has no answer by
// then is sent again. Shared by Enqueue and Settle, whose items are idempotent by key.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RESENDING_STREAM_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RESENDING_STREAM_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/random.h"
#include "services/common/rpc/client_stream.h"
#include "services/spool-store/client/not_sent.h"

namespace turnpike::spool {

// Key: hashable and ordered. Item: what is kept for sending again. Result: what a callback gets;
// made from an absl::Status too.
//
// Thread-safe. Callbacks run on gRPC's threads, or on the one that calls Tick or Shutdown, without
// a lock held.
template <typename Request, typename Response, typename Key, typename Item, typename Result>
class ResendingStream
    : public std::enable_shared_from_this<ResendingStream<Request, Response, Key, Item, Result>> {
 public:
  using Stream = rpc::ClientStream<Request, Response>;
  using Done = absl::AnyInvocable<void(Result)>;
  using OnceDone = absl::AnyInvocable<void(absl::Status)>;
  using Answers = std::vector<std::pair<Key, Result>>;

  struct Options {
    std::function<void(grpc::ClientContext*, typename Stream::Reactor*)> start;
    std::function<void(const Item&, Request&)> add;  // appends a copy to the request
    std::function<Answers(Response&)> parse;
    size_t request_bytes_max = 512 * 1024;  // of one write, about
    size_t pending_bytes_max = 256 << 20;   // of everything that has no answer yet
    // What has never been written when its stream breaks, or comes while none may be opened, is
    // answered at once (NotSentError) instead of waiting for the next stream.
    bool returns_unsent = false;
  };

  explicit ResendingStream(Options options) : options_(std::move(options)) {}

  // Sends `item` until it is answered, or `deadline` (DEADLINE_EXCEEDED). With `fragile`, its
  // stream's end is its own: ABORTED. A key that is waiting already shares the answer. `bytes`:
  // about what it takes on the wire.
  void Send(Key key, Item item, size_t bytes, bool fragile, absl::Time deadline, Done done);

  // Sends something once; `done` is called when it is on its way, with ABORTED when its stream
  // broke before, and with UNAVAILABLE when there is no stream.
  void SendOnce(absl::AnyInvocable<void(Request&)> add, size_t bytes, OnceDone done);

  // Changes whenever a stream breaks.
  uint64_t generation() const {
    absl::MutexLock lock(&mu_);
    return generation_;
  }

  // Since when an answer is waited for; the infinite future when none is.
  absl::Time waiting_since() const {
    absl::MutexLock lock(&mu_);
    return pending_.empty() ? absl::InfiniteFuture() : waiting_since_;
  }

  // Ends what is over its deadline, and opens a new stream when it is time. Call every 50 ms or so.
  void Tick(absl::Time now);
  // Ends everything with CANCELLED; nothing may be sent afterwards.
  void Shutdown();

 private:
  struct Pending {
    Item item;
    size_t bytes = 0;
    bool fragile = false;
    bool is_written = false;  // to any stream
    absl::Time deadline;
    std::vector<Done> done;
  };
  struct Once {
    absl::AnyInvocable<void(Request&)> add;
    size_t bytes = 0;
    OnceDone done;
  };
  struct Queued {
    std::optional<Key> key;  // otherwise `once`
    Once once;
  };

  void Pump();
  void Open(uint64_t generation);
  bool Build(Request& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnMessage(Response& response);
  void OnWritable(uint64_t generation);
  void OnClosed(uint64_t generation, const absl::Status& status);
  std::vector<Done> Take(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  static constexpr absl::Duration kBackoffMin = absl::Milliseconds(50);
  static constexpr absl::Duration kBackoffMax = absl::Seconds(2);
  static constexpr int kItemsMax = 512;

  const Options options_;
  mutable absl::Mutex mu_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
  uint64_t generation_ ABSL_GUARDED_BY(mu_) = 0;  // of stream_, or of the next one
  bool opening_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time retry_at_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::Duration backoff_ ABSL_GUARDED_BY(mu_) = kBackoffMin;
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mu_);        // to be written
  std::vector<Once> written_once_ ABSL_GUARDED_BY(mu_);  // in the write under way
  absl::flat_hash_map<Key, Pending> pending_ ABSL_GUARDED_BY(mu_);
  absl::btree_set<std::pair<absl::Time, Key>> deadlines_ ABSL_GUARDED_BY(mu_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Time waiting_since_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::Send(Key key, Item item, size_t bytes,
                                                                 bool fragile, absl::Time deadline,
                                                                 Done done) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mu_);
    const bool is_away = stream_ == nullptr && !opening_ && absl::Now() < retry_at_;
    if (shut_down_) {
      refused = absl::CancelledError("the client is shut down");
    } else if (options_.returns_unsent && is_away) {
      refused = NotSentError("spool-store is away");
    } else if (auto found = pending_.find(key); found != pending_.end()) {
      found->second.done.push_back(std::move(done));
      return;
    } else if (pending_bytes_ + bytes > options_.pending_bytes_max) {
      refused = absl::UnavailableError("too much waits for an answer of spool-store");
    } else {
      if (pending_.empty()) waiting_since_ = absl::Now();
      Pending& pending = pending_[key];
      pending.item = std::move(item);
      pending.bytes = bytes;
      pending.fragile = fragile;
      pending.deadline = deadline;
      pending.done.push_back(std::move(done));
      pending_bytes_ += bytes;
      deadlines_.insert({deadline, key});
      queue_.push_back({.key = std::move(key)});
    }
  }
  if (!refused.ok()) {
    std::move(done)(Result(refused));
    return;
  }
  Pump();
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::SendOnce(
    absl::AnyInvocable<void(Request&)> add, size_t bytes, OnceDone done) {
  {
    absl::MutexLock lock(&mu_);
    const bool waiting_to_retry = stream_ == nullptr && !opening_ && absl::Now() < retry_at_;
    if (!shut_down_ && !waiting_to_retry) {
      queue_.push_back({.once = {std::move(add), bytes, std::move(done)}});
      done = nullptr;
    }
  }
  if (done != nullptr) {
    std::move(done)(absl::UnavailableError("spool-store is away"));
    return;
  }
  Pump();
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::Pump() {
  while (true) {
    Request request;
    std::shared_ptr<Stream> stream;
    std::optional<uint64_t> open;
    {
      absl::MutexLock lock(&mu_);
      if (writing_ || opening_ || shut_down_ || queue_.empty()) return;
      if (stream_ == nullptr) {
        if (absl::Now() < retry_at_) return;  // Tick comes back to it
        opening_ = true;
        open = generation_;
      } else {
        if (!Build(request)) continue;
        writing_ = true;
        stream = stream_;
      }
    }
    if (open.has_value()) {
      Open(*open);
      continue;
    }
    stream->TryWrite(request);  // if not, the stream is ending and OnClosed sends all of it again
    return;
  }
}

// Moves the head of the queue into `request`; false when nothing of it was still wanted.
template <typename Request, typename Response, typename Key, typename Item, typename Result>
bool ResendingStream<Request, Response, Key, Item, Result>::Build(Request& request) {
  size_t bytes = 0;
  int items = 0;
  while (!queue_.empty() && bytes < options_.request_bytes_max && items < kItemsMax) {
    Queued queued = std::move(queue_.front());
    queue_.pop_front();
    if (queued.key.has_value()) {
      auto found = pending_.find(*queued.key);
      if (found == pending_.end()) continue;  // over its deadline
      options_.add(found->second.item, request);
      found->second.is_written = true;
      bytes += found->second.bytes;
    } else {
      queued.once.add(request);
      bytes += queued.once.bytes;
      written_once_.push_back(std::move(queued.once));
    }
    ++items;
  }
  return items > 0;
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::Open(uint64_t generation) {
  auto self = this->shared_from_this();
  auto stream = Stream::Open(
      options_.start,
      {.on_message = [self](Response& response) { self->OnMessage(response); },
       .on_writable = [self, generation] { self->OnWritable(generation); },
       .on_closed =
           [self, generation](const absl::Status& status) { self->OnClosed(generation, status); }});
  bool unwanted;
  {
    absl::MutexLock lock(&mu_);
    if (generation_ != generation) return;  // closed already
    unwanted = shut_down_;
    opening_ = false;
    stream_ = stream;
  }
  if (unwanted) stream->Cancel();
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
auto ResendingStream<Request, Response, Key, Item, Result>::Take(const Key& key)
    -> std::vector<Done> {
  auto found = pending_.find(key);
  if (found == pending_.end()) return {};
  std::vector<Done> done = std::move(found->second.done);
  pending_bytes_ -= found->second.bytes;
  deadlines_.erase({found->second.deadline, key});
  pending_.erase(found);
  return done;
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::OnMessage(Response& response) {
  Answers answers = options_.parse(response);
  std::vector<std::vector<Done>> done;
  done.reserve(answers.size());
  {
    absl::MutexLock lock(&mu_);
    backoff_ = kBackoffMin;
    waiting_since_ = absl::Now();
    for (const auto& [key, result] : answers) done.push_back(Take(key));
  }
  for (size_t i = 0; i < answers.size(); ++i) {
    for (Done& callback : done[i]) std::move(callback)(answers[i].second);
  }
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::OnWritable(uint64_t generation) {
  std::vector<Once> written;
  {
    absl::MutexLock lock(&mu_);
    if (generation_ != generation) return;
    writing_ = false;
    written.swap(written_once_);
  }
  Pump();
  for (Once& once : written) std::move(once.done)(absl::OkStatus());
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::OnClosed(uint64_t generation,
                                                                     const absl::Status& status) {
  std::vector<Once> broken;
  std::vector<Done> aborted;
  std::vector<Done> unsent;
  {
    absl::MutexLock lock(&mu_);
    if (generation_ != generation) return;
    ++generation_;
    stream_ = nullptr;
    opening_ = false;
    writing_ = false;
    retry_at_ = absl::Now() + base::Jitter(backoff_, 0.3);
    backoff_ = std::min(2 * backoff_, kBackoffMax);
    broken.swap(written_once_);
    for (Queued& queued : queue_) {
      if (!queued.key.has_value()) broken.push_back(std::move(queued.once));
    }
    queue_.clear();
    std::vector<Key> fragile;
    std::vector<Key> unwritten;
    for (auto& [key, pending] : pending_) {
      if (pending.fragile) {
        fragile.push_back(key);
      } else if (options_.returns_unsent && !pending.is_written) {
        unwritten.push_back(key);
      } else {
        queue_.push_back({.key = key});
      }
    }
    for (const Key& key : fragile) {
      for (Done& callback : Take(key)) aborted.push_back(std::move(callback));
    }
    for (const Key& key : unwritten) {
      for (Done& callback : Take(key)) unsent.push_back(std::move(callback));
    }
  }
  const absl::Status aborted_status = absl::AbortedError("the stream to spool-store broke");
  const absl::Status once_status =
      status.code() == absl::StatusCode::kUnavailable ? status : aborted_status;
  for (Once& once : broken) std::move(once.done)(once_status);
  for (Done& callback : aborted) std::move(callback)(Result(aborted_status));
  const absl::Status unsent_status = NotSentError(status.message());
  for (Done& callback : unsent) std::move(callback)(Result(unsent_status));
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::Tick(absl::Time now) {
  std::vector<Done> late;
  {
    absl::MutexLock lock(&mu_);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const Key key = deadlines_.begin()->second;
      for (Done& callback : Take(key)) late.push_back(std::move(callback));
    }
  }
  for (Done& callback : late) {
    std::move(callback)(Result(absl::DeadlineExceededError("no answer of spool-store in time")));
  }
  Pump();
}

template <typename Request, typename Response, typename Key, typename Item, typename Result>
void ResendingStream<Request, Response, Key, Item, Result>::Shutdown() {
  std::vector<Once> once;
  absl::flat_hash_map<Key, Pending> pending;
  std::shared_ptr<Stream> stream;
  {
    absl::MutexLock lock(&mu_);
    shut_down_ = true;
    stream = stream_;
    once.swap(written_once_);
    for (Queued& queued : queue_) {
      if (!queued.key.has_value()) once.push_back(std::move(queued.once));
    }
    queue_.clear();
    pending.swap(pending_);
    deadlines_.clear();
    pending_bytes_ = 0;
  }
  if (stream != nullptr) stream->Cancel();
  const absl::Status cancelled = absl::CancelledError("the client is shut down");
  for (Once& item : once) std::move(item.done)(cancelled);
  for (auto& [key, item] : pending) {
    for (Done& callback : item.done) std::move(callback)(Result(cancelled));
  }
}

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RESENDING_STREAM_H_
