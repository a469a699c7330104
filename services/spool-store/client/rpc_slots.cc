#include "services/spool-store/client/rpc_slots.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/shared_state.grpc.pb.h"
#include "services/common/base/check.h"
#include "services/common/rpc/client_stream.h"

namespace turnpike::spool {
namespace {

using Stub = v1::SharedStateService::Stub;
using Stream = rpc::ClientStream<v1::HoldSlotsRequest, v1::HoldSlotsResponse>;

constexpr absl::Duration kReopenDelayMin = absl::Milliseconds(50);
constexpr absl::Duration kReopenDelayMax = absl::Seconds(2);
constexpr int kTakesPerRequestMax = 1000;
constexpr size_t kKeyBytesMax = 512;

// All slots, and the stream that they are on. Callbacks of a stream carry its number: those of an
// earlier one are ignored.
class Holder : public std::enable_shared_from_this<Holder> {
 public:
  explicit Holder(std::shared_ptr<Stub> stub) : stub_(std::move(stub)) {}

  uint64_t Take(Slots::Wish wish, absl::AnyInvocable<void()> granted) {
    TURNPIKE_CHECK(!wish.key.empty() && wish.slots_max >= 0 && wish.per_minute_max >= 0);
    if (wish.key.size() > kKeyBytesMax) wish.key.resize(kKeyBytesMax);
    uint64_t id = 0;
    {
      absl::MutexLock lock(&mu_);
      id = ++last_id_;
      slots_.emplace(id, Entry{.wish = std::move(wish), .granted = std::move(granted)});
      unsaid_.push_back(id);
    }
    Pump();
    return id;
  }

  void Release(uint64_t id) {
    Entry gone;  // what its callback holds is freed without the lock
    {
      absl::MutexLock lock(&mu_);
      auto found = slots_.find(id);
      if (found == slots_.end()) return;
      if (found->second.is_said) releases_.push_back(id);
      gone = std::move(found->second);
      slots_.erase(found);
    }
    Pump();
  }

  // Opens the stream when it is time to, until Shutdown. Blocks.
  void Run() {
    while (true) {
      {
        absl::MutexLock lock(&mu_);
        mu_.Await(absl::Condition(this, &Holder::WantsStream));
        if (stopping_) return;
        const absl::Duration wait = reopen_time_ - absl::Now();
        if (wait > absl::ZeroDuration() &&
            mu_.AwaitWithTimeout(absl::Condition(&stopping_), wait)) {
          return;
        }
      }
      Open();
    }
  }

  void Shutdown() {
    std::shared_ptr<Stream> stream;
    absl::btree_map<uint64_t, Entry> gone;
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
      stream = std::move(stream_);
      ++stream_number_;
      gone.swap(slots_);
    }
    if (stream != nullptr) stream->Cancel();
  }

 private:
  struct Entry {
    Slots::Wish wish;
    absl::AnyInvocable<void()> granted;
    bool is_said = false;  // on this stream
    bool is_granted = false;
  };

  bool WantsStream() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return stopping_ || (!is_open_ && !slots_.empty());
  }

  void Open() {
    uint64_t number = 0;
    {
      absl::MutexLock lock(&mu_);
      number = ++stream_number_;
      is_open_ = true;
      is_writing_ = true;  // until the stream is there
      releases_.clear();
      unsaid_.clear();
      for (const bool is_granted : {true, false}) {
        for (auto& [id, entry] : slots_) {
          entry.is_said = false;
          if (entry.is_granted == is_granted) unsaid_.push_back(id);
        }
      }
    }
    auto self = shared_from_this();
    auto stream = Stream::Open(
        [&](grpc::ClientContext* context, Stream::Reactor* reactor) {
          stub_->async()->HoldSlots(context, reactor);
        },
        {.on_message =
             [self, number](v1::HoldSlotsResponse& response) { self->OnGranted(number, response); },
         .on_writable = [self, number] { self->OnWritable(number); },
         .on_closed = [self, number](const absl::Status&) { self->OnClosed(number); }});
    {
      absl::MutexLock lock(&mu_);
      if (stream_number_ == number) stream_ = stream;
    }
    OnWritable(number);
  }

  void OnWritable(uint64_t number) {
    {
      absl::MutexLock lock(&mu_);
      if (stream_number_ != number) return;
      is_writing_ = false;
    }
    Pump();
  }

  void OnGranted(uint64_t number, v1::HoldSlotsResponse& response) {
    std::vector<absl::AnyInvocable<void()>> granted;
    {
      absl::MutexLock lock(&mu_);
      if (stream_number_ != number) return;
      reopen_delay_ = kReopenDelayMin;
      for (const uint64_t id : response.granted()) {
        auto found = slots_.find(id);
        if (found == slots_.end() || std::exchange(found->second.is_granted, true)) continue;
        granted.push_back(std::exchange(found->second.granted, nullptr));
      }
    }
    response.Clear();
    for (auto& one : granted) std::move(one)();
  }

  void OnClosed(uint64_t number) {
    absl::MutexLock lock(&mu_);
    if (stream_number_ != number) return;
    ++stream_number_;
    stream_ = nullptr;
    is_open_ = false;
    reopen_time_ = absl::Now() + reopen_delay_;
    reopen_delay_ = std::min(2 * reopen_delay_, kReopenDelayMax);
  }

  void Pump() {
    v1::HoldSlotsRequest request;
    std::shared_ptr<Stream> stream;
    {
      absl::MutexLock lock(&mu_);
      if (stream_ == nullptr || is_writing_) return;
      while (!unsaid_.empty() && request.take_size() < kTakesPerRequestMax) {
        auto found = slots_.find(unsaid_.front());
        unsaid_.pop_front();
        if (found == slots_.end()) continue;  // given up already
        Entry& entry = found->second;
        entry.is_said = true;
        v1::SlotRequest& take = *request.add_take();
        take.set_slot_id(found->first);
        take.set_key(entry.wish.key);
        take.set_slots_max(entry.wish.slots_max);
        // One that was granted by an earlier stream has been counted.
        if (!entry.is_granted) take.set_per_minute_max(entry.wish.per_minute_max);
      }
      for (const uint64_t id : releases_) request.add_release(id);
      releases_.clear();
      if (request.take().empty() && request.release().empty()) return;
      is_writing_ = true;
      stream = stream_;
    }
    stream->TryWrite(request);  // if not, the stream is ending
  }

  const std::shared_ptr<Stub> stub_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
  absl::btree_map<uint64_t, Entry> slots_ ABSL_GUARDED_BY(mu_);  // in the order of asking
  std::deque<uint64_t> unsaid_ ABSL_GUARDED_BY(mu_);             // to be taken on this stream
  std::vector<uint64_t> releases_ ABSL_GUARDED_BY(mu_);          // to be released on it
  uint64_t stream_number_ ABSL_GUARDED_BY(mu_) = 0;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mu_);
  bool is_open_ ABSL_GUARDED_BY(mu_) = false;
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time reopen_time_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  absl::Duration reopen_delay_ ABSL_GUARDED_BY(mu_) = kReopenDelayMin;
};

class RpcSlot : public Slot {
 public:
  RpcSlot(std::shared_ptr<Holder> holder, uint64_t id) : holder_(std::move(holder)), id_(id) {}
  ~RpcSlot() override { holder_->Release(id_); }

 private:
  const std::shared_ptr<Holder> holder_;
  const uint64_t id_;
};

class RpcSlots : public Slots {
 public:
  explicit RpcSlots(const std::shared_ptr<grpc::Channel>& channel)
      : holder_(std::make_shared<Holder>(v1::SharedStateService::NewStub(channel))),
        opener_([holder = holder_] { holder->Run(); }) {}
  ~RpcSlots() override {
    holder_->Shutdown();
    opener_.join();
  }

  std::unique_ptr<Slot> Take(Wish wish, absl::AnyInvocable<void()> granted) override {
    const uint64_t id = holder_->Take(std::move(wish), std::move(granted));
    return std::make_unique<RpcSlot>(holder_, id);
  }

 private:
  const std::shared_ptr<Holder> holder_;
  std::thread opener_;
};

}  // namespace

std::unique_ptr<Slots> CreateRpcSlots(const std::shared_ptr<grpc::Channel>& channel) {
  return std::make_unique<RpcSlots>(channel);
}

}  // namespace turnpike::spool
