#include "services/spool-store/client/due_leases.h"

#include <algorithm>

#include "services/spool-store/client/shard_id.h"

namespace turnpike::spool {
namespace {

constexpr absl::Duration kReopenDelayMin = absl::Milliseconds(50);
constexpr absl::Duration kReopenDelayMax = absl::Seconds(2);
constexpr absl::Duration kGoodStreamTime = absl::Milliseconds(300);

}  // namespace

// Passes on what one stream reports.
class DueLeases::LineHandler : public LeaseStream::Handler {
 public:
  LineHandler(std::shared_ptr<DueLeases> leases, size_t shard, uint64_t number)
      : leases_(std::move(leases)), shard_(shard), number_(number) {}

  void OnLeased(v1::LeaseResponse response) override {
    leases_->OnLeased(shard_, number_, std::move(response));
  }
  void OnClosed(absl::Status status) override { leases_->OnLineClosed(shard_, number_, status); }

 private:
  const std::shared_ptr<DueLeases> leases_;
  const size_t shard_;
  const uint64_t number_;
};

DueLeases::DueLeases(const Shards& shards, v1::LeaseOpen open,
                     std::shared_ptr<LeaseStream::Handler> handler, const base::Clock& clock)
    : shards_(shards),
      open_(std::move(open)),
      clock_(clock),
      relay_(std::move(handler)),
      lines_(shards.size()) {
  for (Line& line : lines_) line.reopen_delay = kReopenDelayMin;
  for (const v1::QueueName& queue : open_.due().paused()) {
    paused_[QueueKey(queue.kind(), queue.name())] = queue;
  }
}

void DueLeases::Start() {
  for (size_t i = 0; i < shards_.size(); ++i) OpenLine(i);
}

void DueLeases::OpenLine(size_t shard) {
  v1::LeaseOpen open = open_;
  uint64_t number = 0;
  {
    absl::MutexLock lock(&mu_);
    if (is_closed_) return;
    Line& line = lines_[shard];
    number = ++line.number;
    line.is_open = true;
    line.is_good = false;
    line.opened_time = clock_.Now();
    line.unsaid.clear();
    open.mutable_due()->clear_paused();
    for (const auto& [key, queue] : paused_) *open.mutable_due()->add_paused() = queue;
  }
  std::shared_ptr<LeaseStream> stream = shards_[shard].spool->OpenLease(
      std::move(open), std::make_shared<LineHandler>(shared_from_this(), shard, number));
  int64_t credit = 0;
  std::vector<std::pair<bool, v1::QueueName>> unsaid;
  {
    absl::MutexLock lock(&mu_);
    Line& line = lines_[shard];
    if (line.number != number) return;  // it is over already
    line.stream = stream;
    credit = line.credit;
    unsaid.swap(line.unsaid);
  }
  for (const auto& [is_pause, queue] : unsaid) {
    is_pause ? stream->Pause(queue) : stream->Resume(queue);
  }
  if (credit > 0) stream->AddCredit(static_cast<int32_t>(credit));
}

void DueLeases::Free() {
  std::vector<std::shared_ptr<LeaseStream>> ended;  // ended without the lock
  {
    absl::MutexLock lock(&mu_);
    ended.swap(ended_);
  }
}

bool DueLeases::Tick(absl::Time now) {
  Free();
  std::vector<size_t> to_open;
  bool is_closed = false;
  {
    absl::MutexLock lock(&mu_);
    is_closed = is_closed_;
    for (size_t i = 0; i < lines_.size() && !is_closed; ++i) {
      Line& line = lines_[i];
      if (!line.is_open) {
        if (now >= line.reopen_time) to_open.push_back(i);
      } else if (!line.is_good && now - line.opened_time > kGoodStreamTime && shards_[i].is_up()) {
        line.is_good = true;
        line.has_failed = false;
        line.reopen_delay = kReopenDelayMin;
      }
    }
  }
  for (const size_t i : to_open) OpenLine(i);
  return !is_closed;
}

void DueLeases::OnLeased(size_t shard, uint64_t number, v1::LeaseResponse response) {
  {
    absl::MutexLock lock(&mu_);
    Line& line = lines_[shard];
    if (is_closed_ || line.number != number) return;
    line.is_good = true;
    line.has_failed = false;
    line.reopen_delay = kReopenDelayMin;
    line.credit = std::max<int64_t>(0, line.credit - response.deliveries_size());
    credit_ -= response.deliveries_size();
  }
  relay_.Leased(std::move(response));
}

void DueLeases::OnLineClosed(size_t shard, uint64_t number, const absl::Status& status) {
  bool is_new = false;
  bool is_last = false;
  {
    absl::MutexLock lock(&mu_);
    Line& line = lines_[shard];
    if (is_closed_ || line.number != number) return;
    ++line.number;
    ended_.push_back(std::move(line.stream));
    line.stream = nullptr;
    line.is_open = line.is_good = false;
    line.reopen_time = clock_.Now() + line.reopen_delay;
    line.reopen_delay = std::min(2 * line.reopen_delay, kReopenDelayMax);
    is_new = !std::exchange(line.has_failed, true);
    is_last =
        std::all_of(lines_.begin(), lines_.end(), [](const Line& each) { return each.has_failed; });
  }
  if (is_last) return Close(status);
  if (is_new) relay_.ShardLost(static_cast<uint32_t>(shard), status);
}

void DueLeases::Close(absl::Status status) {
  {
    absl::MutexLock lock(&mu_);
    if (is_closed_) return;
    is_closed_ = true;
    for (Line& line : lines_) {
      ++line.number;
      if (line.stream != nullptr) ended_.push_back(std::move(line.stream));
    }
  }
  relay_.Closed(std::move(status));
}

void DueLeases::AddCredit(int32_t deliveries) {
  std::vector<std::pair<std::shared_ptr<LeaseStream>, int32_t>> given;
  {
    absl::MutexLock lock(&mu_);
    if (is_closed_) return;
    credit_ += deliveries;
    int64_t sum = 0;
    for (const Line& line : lines_) sum += line.credit;
    std::vector<int64_t> more(lines_.size(), 0);
    const auto left = [&](size_t i) {
      mu_.AssertHeld();
      return lines_[i].credit + more[i];
    };
    for (; sum < credit_; ++sum) {
      size_t least = 0;
      for (size_t i = 1; i < lines_.size(); ++i) {
        if (left(i) < left(least)) least = i;
      }
      ++more[least];
    }
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (credit_ > 0 && left(i) == 0) more[i] = 1;
      lines_[i].credit += more[i];
      if (more[i] > 0 && lines_[i].stream != nullptr) {
        given.emplace_back(lines_[i].stream, static_cast<int32_t>(more[i]));
      }
    }
  }
  for (const auto& [stream, credit] : given) stream->AddCredit(credit);
}

void DueLeases::Say(const v1::QueueName& queue, bool is_pause) {
  std::vector<std::shared_ptr<LeaseStream>> streams;
  {
    absl::MutexLock lock(&mu_);
    const QueueKey key(queue.kind(), queue.name());
    if (!is_pause) {
      paused_.erase(key);
    } else if (paused_.size() < kPausedQueuesMax || paused_.contains(key)) {
      paused_[key] = queue;
    } else {
      return;
    }
    for (Line& line : lines_) {
      if (line.stream != nullptr) {
        streams.push_back(line.stream);
      } else if (line.is_open) {
        line.unsaid.emplace_back(is_pause, queue);
      }
    }
  }
  for (const auto& stream : streams) is_pause ? stream->Pause(queue) : stream->Resume(queue);
}

std::shared_ptr<LeaseStream> DueLeases::StreamOf(const v1::LeaseToken& token) {
  const size_t shard = ShardOf(token.delivery_id());
  absl::MutexLock lock(&mu_);
  return shard < lines_.size() ? lines_[shard].stream : nullptr;
}

}  // namespace turnpike::spool
