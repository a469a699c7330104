#include "services/spool-store/client/queue_leases.h"

#include <algorithm>
#include <utility>

#include "services/spool-store/client/shard_id.h"

namespace turnpike::spool {

// Passes on what one stream reports.
class QueueLeases::LineHandler : public LeaseStream::Handler {
 public:
  LineHandler(std::shared_ptr<QueueLeases> leases, size_t shard)
      : leases_(std::move(leases)), shard_(shard) {}

  void OnLeased(v1::LeaseResponse response) override {
    leases_->OnLeased(shard_, std::move(response));
  }
  void OnClosed(absl::Status status) override { leases_->OnLineClosed(shard_, status); }

 private:
  const std::shared_ptr<QueueLeases> leases_;
  const size_t shard_;
};

QueueLeases::QueueLeases(const Shards& shards, v1::LeaseOpen open,
                         std::shared_ptr<LeaseStream::Handler> handler, const base::Clock& clock)
    : shards_(shards),
      open_(std::move(open)),
      clock_(clock),
      relay_(std::move(handler)),
      lines_(shards.size()) {
  if (open_.queue().deliveries_max() > 0) left_ = open_.queue().deliveries_max();
}

void QueueLeases::BeginRound() {
  current_ = 0;
  ++round_;
  brought_ = 0;
  TakeUp(clock_.Now());
}

bool QueueLeases::TakeUp(absl::Time now) {
  bool is_any = false;
  for (Line& line : lines_) {
    if (!line.retry_time.has_value() || now < *line.retry_time) continue;
    line.retry_time = std::nullopt;
    is_any = true;
  }
  return is_any;
}

bool QueueLeases::IsPassedOver(const Line& line) const {
  return line.is_lost || line.retry_time.has_value() || line.drained_round == round_;
}

bool QueueLeases::IsAnyPutOff() const {
  return std::any_of(lines_.begin(), lines_.end(),
                     [](const Line& line) { return line.retry_time.has_value(); });
}

QueueLeases::Step QueueLeases::Next() {
  if (is_closed_ || is_drained_ || is_opening_ || credit_ <= 0) return {};
  while (true) {
    while (current_ < lines_.size() && IsPassedOver(lines_[current_])) ++current_;
    if (left_ == 0 || (current_ >= lines_.size() && brought_ == 0)) {
      asked_time_ = std::nullopt;
      if (left_ != 0 && IsAnyPutOff()) return {};
      const bool is_any_left =
          std::any_of(lines_.begin(), lines_.end(), [](const Line& line) { return !line.is_lost; });
      if (!is_any_left) return {.kind = Step::Kind::kOver};
      is_drained_ = true;
      return {.kind = Step::Kind::kDrained};
    }
    if (current_ < lines_.size()) break;
    BeginRound();
  }
  Line& line = lines_[current_];
  if (!line.is_opened) {
    line.is_opened = true;
    is_opening_ = true;
    Step step = {.kind = Step::Kind::kOpen, .shard = current_, .open = open_};
    if (left_.has_value()) step.open.mutable_queue()->set_deliveries_max(*left_);
    return step;
  }
  // A shard answers each time that it is given more.
  int64_t more = credit_ - line.credit;
  if (line.round != round_) more = std::max<int64_t>(more, 1);
  if (more <= 0) return {};
  line.round = round_;
  line.credit += more;
  asked_time_ = clock_.Now();
  return {.kind = Step::Kind::kAsk, .credit = static_cast<int32_t>(more), .stream = line.stream};
}

void QueueLeases::Advance() {
  while (true) {
    Step step;
    absl::Status lost;
    {
      absl::MutexLock lock(&mu_);
      step = Next();
      lost = lost_status_;
    }
    switch (step.kind) {
      case Step::Kind::kNothing:
        return;
      case Step::Kind::kAsk:
        step.stream->AddCredit(step.credit);
        return;
      case Step::Kind::kOpen:
        Open(step);
        break;
      case Step::Kind::kDrained: {
        v1::LeaseResponse response;
        response.set_drained(true);
        relay_.Leased(std::move(response));
        return;
      }
      case Step::Kind::kOver:
        return Close(lost);
    }
  }
}

// Not within a callback of the shard's own.
void QueueLeases::Open(const Step& step) {
  std::shared_ptr<LeaseStream> stream;
  if (opening_.TryEnter()) {
    stream = shards_[step.shard].spool->OpenLease(
        step.open, std::make_shared<LineHandler>(shared_from_this(), step.shard));
    opening_.Leave();
  }
  absl::MutexLock lock(&mu_);
  is_opening_ = false;
  Line& line = lines_[step.shard];
  // Otherwise it is over already.
  if (line.is_opened && !line.is_lost && !is_closed_) line.stream.swap(stream);
}

void QueueLeases::OnLeased(size_t shard, v1::LeaseResponse response) {
  std::vector<v1::LeaseToken> surplus;
  std::shared_ptr<LeaseStream> stream;
  bool is_news = false;
  bool goes_on = false;
  {
    absl::MutexLock lock(&mu_);
    Line& line = lines_[shard];
    if (is_closed_ || line.is_lost) return;
    line.is_reached = true;
    stream = line.stream;
    line.credit = std::max<int64_t>(0, line.credit - response.deliveries_size());
    auto& deliveries = *response.mutable_deliveries();
    if (left_.has_value() && deliveries.size() > *left_) {
      // A shard that was asked earlier has had more arrive.
      for (int i = static_cast<int>(*left_); i < deliveries.size(); ++i) {
        surplus.push_back(deliveries[i].token());
      }
      deliveries.DeleteSubrange(static_cast<int>(*left_), static_cast<int>(surplus.size()));
    }
    if (left_.has_value()) *left_ -= deliveries.size();
    credit_ = std::max<int64_t>(0, credit_ - deliveries.size());
    brought_ += deliveries.size();
    if (shard == current_) {
      asked_time_ = std::nullopt;
      if (response.drained() && !is_drained_) {
        line.drained_round = round_;
        goes_on = true;
      }
    }
    response.set_drained(is_drained_);  // as it was: this is what has arrived since
    is_news = !deliveries.empty() || !response.revoked().empty();
  }
  for (const v1::LeaseToken& token : surplus) stream->HandBack(token);
  if (is_news) relay_.Leased(std::move(response));
  if (goes_on) Advance();
}

void QueueLeases::OnLineClosed(size_t shard, const absl::Status& status) {
  if (PutOff(shard)) {
    Advance();
  } else {
    LeaveOut(shard, status);
  }
}

bool QueueLeases::PutOff(size_t shard) {
  const absl::Time now = clock_.Now();
  absl::MutexLock lock(&mu_);
  Line& line = lines_[shard];
  if (is_closed_ || line.is_lost || line.is_reached) return false;
  if (!line.away_since.has_value()) line.away_since = now;
  if (now - *line.away_since >= kReachTimeMax) return false;
  Part(shard);
  line.is_opened = false;
  line.retry_time = now + kReachInterval;
  return true;
}

void QueueLeases::LeaveOut(size_t shard, const absl::Status& status) {
  bool is_over = false;
  {
    absl::MutexLock lock(&mu_);
    if (is_closed_ || lines_[shard].is_lost) return;
    Part(shard);
    lines_[shard].is_lost = true;
    lost_status_ = status;
    is_over =
        std::all_of(lines_.begin(), lines_.end(), [](const Line& each) { return each.is_lost; });
  }
  if (is_over) return Close(status);
  relay_.ShardLost(static_cast<uint32_t>(shard), status);
  Advance();
}

void QueueLeases::Part(size_t shard) {
  Line& line = lines_[shard];
  line.credit = 0;
  if (line.stream != nullptr) ended_.push_back(std::move(line.stream));
  line.stream = nullptr;
  if (shard == current_) asked_time_ = std::nullopt;
}

bool QueueLeases::Tick(absl::Time now) {
  Free();
  std::optional<size_t> late;
  {
    absl::MutexLock lock(&mu_);
    if (is_closed_) return false;
    if (asked_time_.has_value() && now - *asked_time_ >= kAnswerTimeMax) {
      late = current_;
    } else if (current_ >= lines_.size() && TakeUp(now)) {
      current_ = 0;
    } else {
      return true;
    }
  }
  if (late.has_value()) {
    LeaveOut(*late, absl::DeadlineExceededError("the shard does not answer"));
  } else {
    Advance();
  }
  return true;
}

void QueueLeases::Close(absl::Status status) {
  {
    absl::MutexLock lock(&mu_);
    if (is_closed_) return;
    is_closed_ = true;
    for (Line& line : lines_) {
      if (line.stream != nullptr) ended_.push_back(std::move(line.stream));
    }
  }
  opening_.Close();
  relay_.Closed(std::move(status));
}

void QueueLeases::AwaitOpening() { opening_.WaitUntil(absl::InfiniteFuture()); }

void QueueLeases::Free() {
  std::vector<std::shared_ptr<LeaseStream>> ended;  // ended without the lock
  {
    absl::MutexLock lock(&mu_);
    ended.swap(ended_);
  }
}

void QueueLeases::AddCredit(int32_t deliveries) {
  {
    absl::MutexLock lock(&mu_);
    credit_ += deliveries;
    if (std::exchange(is_drained_, false)) BeginRound();
  }
  Advance();
}

std::shared_ptr<LeaseStream> QueueLeases::StreamOf(const v1::LeaseToken& token) {
  const size_t shard = ShardOf(token.delivery_id());
  absl::MutexLock lock(&mu_);
  return shard < lines_.size() ? lines_[shard].stream : nullptr;
}

}  // namespace turnpike::spool
