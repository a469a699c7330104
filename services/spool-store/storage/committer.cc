#include "services/spool-store/storage/committer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace turnpike::spool {
namespace {

constexpr uint64_t kReserveBlock = 1 << 20;

// Bounds how long a batch takes, and the memory of its copy.
constexpr size_t kOperationsMax = 4096;
constexpr size_t kBatchBytesMax = 16 << 20;

std::string TrackedKey(rocksdb::ColumnFamilyHandle* family, absl::string_view key) {
  return absl::StrCat(family->GetID(), "/", key);
}

}  // namespace

void CommitContext::PutTracked(rocksdb::ColumnFamilyHandle* family, absl::string_view key,
                               std::string value) {
  batch_.Put(family, ToSlice(key), value);
  tracked_[TrackedKey(family, key)] = std::move(value);
}

void CommitContext::DeleteTracked(rocksdb::ColumnFamilyHandle* family, absl::string_view key) {
  batch_.Delete(family, ToSlice(key));
  tracked_[TrackedKey(family, key)] = "";
}

absl::StatusOr<std::string> CommitContext::Get(rocksdb::ColumnFamilyHandle* family,
                                               absl::string_view key) {
  if (!tracked_.empty()) {
    auto found = tracked_.find(TrackedKey(family, key));
    if (found != tracked_.end()) {
      if (found->second.empty()) return absl::NotFoundError("deleted");
      return found->second;
    }
  }
  std::string value;
  TURNPIKE_RETURN_IF_ERROR(database_.Get(family, key, &value));
  return value;
}

uint64_t CommitContext::NextDeliveryId() {
  if (last_id_ >= reserved_) {
    reserved_ = last_id_ + kReserveBlock;
    batch_.Put(database_.meta(), ToSlice(kReservedIdsKey), absl::StrCat(reserved_));
  }
  return ++last_id_;
}

void CommitContext::Begin() {
  batch_.Clear();
  tracked_.clear();
}

void CommitContext::End(bool written) {
  if (!written) reserved_ = last_id_;  // the next one reserves again
}

Committer::Committer(Database& database, Hooks hooks)
    : database_(database), hooks_(std::move(hooks)), context_(database) {}

void Committer::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status Committer::Init(uint64_t ids_above) {
  std::string value;
  const absl::Status status = database_.Get(database_.meta(), kReservedIdsKey, &value);
  if (absl::IsNotFound(status)) {
    context_.last_id_ = ids_above;
  } else {
    TURNPIKE_RETURN_IF_ERROR(status);
    if (!absl::SimpleAtoi(value, &context_.last_id_)) {
      return absl::DataLossError("the mark of used delivery ids is no number");
    }
  }
  context_.reserved_ = context_.last_id_;  // the rest of the last block is given up
  return absl::OkStatus();
}

void Committer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Committer::Submit(std::unique_ptr<Operation> operation) {
  absl::MutexLock lock(&mu_);
  queue_.push_back(std::move(operation));
}

void Committer::WaitIdle() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &Committer::IsIdle));
}

void Committer::Run() {
  std::vector<std::unique_ptr<Operation>> operations;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &Committer::HasWork));
      if (queue_.empty()) return;
      operations.swap(queue_);
      is_committing_ = true;
    }
    Commit(operations);
    operations.clear();
    absl::MutexLock lock(&mu_);
    is_committing_ = false;
  }
}

void Committer::Commit(std::vector<std::unique_ptr<Operation>>& operations) {
  size_t begin = 0;
  while (begin < operations.size()) {
    const absl::Time start = absl::Now();
    context_.Begin();
    bool sync = false;
    size_t end = begin;
    while (end < operations.size() && end - begin < kOperationsMax &&
           context_.batch_.GetDataSize() < kBatchBytesMax) {
      operations[end]->Build(context_);
      sync = sync || operations[end]->needs_sync();
      ++end;
    }

    rocksdb::Status status;
    if (context_.batch_.Count() > 0) {
      // After a failed write RocksDB takes nothing until it is told to try again.
      if (failed_) status = database_.db().Resume();
      rocksdb::WriteOptions options;
      options.sync = sync;
      // This is the moment when responsibility moves to us (PL-20).
      if (status.ok()) status = database_.db().Write(options, &context_.batch_);
      failed_ = !status.ok();
    }
    context_.End(status.ok());
    {
      absl::MutexLock lock(hooks_.mu);
      for (size_t i = begin; i < end; ++i) operations[i]->Apply(status.ok());
      if (hooks_.after_apply) hooks_.after_apply();
    }
    if (hooks_.before_answer) hooks_.before_answer();
    if (hooks_.observe && context_.batch_.Count() > 0) {
      hooks_.observe(end - begin, absl::Now() - start, FromRocks(status));
    }
    const auto answer = [&operations, begin, end] {
      for (size_t i = begin; i < end; ++i) {
        operations[i]->Answer();
        operations[i] = nullptr;
      }
    };
    if (hooks_.around_answers) {
      hooks_.around_answers(answer);
    } else {
      answer();
    }
    begin = end;
  }
}

}  // namespace turnpike::spool
