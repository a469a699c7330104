#include "services/gateway-dequeue/rpc/overrides_reader.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"

namespace turnpike::dequeue {
namespace {

// Shorter than a frontend waits.
constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr int kPageSize = 1000;

}  // namespace

struct OverridesReader::Reading {
  absl::Time begin_time;
  uint64_t changes = 0;  // when it began
  std::shared_ptr<Overrides> overrides = std::make_shared<Overrides>();
};

void OverridesReader::Read(Callback done) {
  std::shared_ptr<const Overrides> known;
  std::shared_ptr<Reading> started;
  {
    absl::MutexLock lock(&mu_);
    if (last_ != nullptr && absl::Now() - last_time_ < options_.age_max) {
      known = last_;
    } else if (reading_ != nullptr && reading_->changes != changes_) {
      // It may have passed the place of the change already.
      waiting_next_.push_back(std::move(done));
    } else {
      waiting_.push_back(std::move(done));
      if (reading_ == nullptr) started = Begin();
    }
  }
  if (known != nullptr) {
    done(std::move(known));
  } else if (started != nullptr) {
    ReadPage(std::move(started), "");
  }
}

void OverridesReader::Forget() {
  absl::MutexLock lock(&mu_);
  ++changes_;
  last_ = nullptr;
}

std::shared_ptr<OverridesReader::Reading> OverridesReader::Begin() {
  reading_ = std::make_shared<Reading>();
  reading_->begin_time = absl::Now();
  reading_->changes = changes_;
  return reading_;
}

void OverridesReader::ReadPage(std::shared_ptr<Reading> reading, const std::string& page_token) {
  spool::v1::ListEntriesRequest request;
  request.set_prefix(std::string(kOverridesPrefix));
  request.set_page_size(kPageSize);
  request.set_page_token(page_token);
  state_.List(std::move(request), absl::Now() + kCallTimeout,
              [this, reading](absl::StatusOr<spool::v1::ListEntriesResponse> response) {
                if (!response.ok()) return Finish(*reading, response.status());
                for (const spool::v1::Entry& entry : response->entries()) {
                  reading->overrides->Add(entry.key(), entry.value());
                }
                if (response->next_page_token().empty()) {
                  Finish(*reading, absl::OkStatus());
                } else {
                  ReadPage(reading, response->next_page_token());
                }
              });
}

void OverridesReader::Finish(const Reading& reading, const absl::Status& status) {
  std::vector<Callback> callbacks;
  std::shared_ptr<Reading> next;
  {
    absl::MutexLock lock(&mu_);
    callbacks.swap(waiting_);
    if (status.ok() && reading.changes == changes_) {
      last_ = reading.overrides;
      last_time_ = reading.begin_time;
    }
    waiting_.swap(waiting_next_);
    if (absl::IsCancelled(status)) {  // the shared state is being destroyed
      for (Callback& callback : waiting_) callbacks.push_back(std::move(callback));
      waiting_.clear();
    }
    reading_ = nullptr;
    if (!waiting_.empty()) next = Begin();
  }
  for (Callback& callback : callbacks) {
    if (status.ok()) {
      callback(std::shared_ptr<const Overrides>(reading.overrides));
    } else {
      callback(status);
    }
  }
  if (next != nullptr) ReadPage(std::move(next), "");
}

}  // namespace turnpike::dequeue
