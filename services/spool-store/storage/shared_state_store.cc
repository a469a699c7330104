#include "services/spool-store/storage/shared_state_store.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/iterator.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/log.h"
#include "services/spool-store/core/record_util.h"

namespace turnpike::spool {
namespace {

constexpr int kPageSizeDefault = 100;
constexpr int kPageSizeMax = 1000;
constexpr size_t kSweepMax = 1000;
constexpr size_t kListBytesMax = 4 << 20;  // of one page's values

// Entries, and what is over when.
std::string EntryKey(absl::string_view key) { return absl::StrCat("e", key); }
std::string ExpiryKey(int64_t expire_ms, absl::string_view key) {
  std::string out = "x";
  AppendBigEndian64(static_cast<uint64_t>(expire_ms), out);
  out.append(key.data(), key.size());
  return out;
}

bool IsAlive(const records::StateRecord& record, int64_t now_ms) {
  return record.expire_ms() == 0 || record.expire_ms() > now_ms;
}

void FillEntry(absl::string_view key, const records::StateRecord& record, v1::Entry& entry) {
  entry.set_key(std::string(key));
  entry.set_value(record.value());
  entry.set_version(record.version());
  if (record.expire_ms() != 0) *entry.mutable_expire_time() = MsToTimestamp(record.expire_ms());
}

absl::Status CheckKey(absl::string_view key) {
  if (key.empty() || key.size() > SharedStateStore::kKeyBytesMax) {
    return absl::InvalidArgumentError("key must have 1 to 512 octets");
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ExpireMs(const google::protobuf::Duration& time_to_live, int64_t now_ms) {
  const int64_t ms = time_to_live.seconds() * 1000 + time_to_live.nanos() / 1'000'000;
  if (ms <= 0) return absl::InvalidArgumentError("time_to_live_duration must be positive");
  return now_ms + ms;
}

}  // namespace

// One write: decided and built on the committer's thread.
class SharedStateStore::WriteOperation : public Operation {
 public:
  explicit WriteOperation(SharedStateStore& store) : store_(store) {}

  void Build(CommitContext& context) override {
    now_ms_ = absl::ToUnixMillis(store_.engine_.clock.Now());
    const int64_t before = store_.count_;
    Decide(context);
    added_ = store_.count_ - before;
  }
  void Apply(bool written) override {
    if (written) return;
    store_.count_ -= added_;
    Fail(absl::UnavailableError("the spool cannot be written"));
  }

 protected:
  virtual void Decide(CommitContext& context) = 0;
  virtual void Fail(absl::Status status) = 0;

  struct Found {
    bool on_disk = false;
    bool is_alive = false;
    records::StateRecord record;
  };
  absl::StatusOr<Found> Find(CommitContext& context, const std::string& key) {
    Found found;
    const auto bytes = context.Get(context.database().state(), EntryKey(key));
    if (absl::IsNotFound(bytes.status())) return found;
    TURNPIKE_RETURN_IF_ERROR(bytes.status());
    if (!found.record.ParseFromString(*bytes)) return absl::DataLossError("entry is damaged");
    found.on_disk = true;
    found.is_alive = IsAlive(found.record, now_ms_);
    return found;
  }

  void DropExpiry(CommitContext& context, const std::string& key, const Found& found) {
    if (found.on_disk && found.record.expire_ms() != 0) {
      context.DeleteTracked(context.database().state(), ExpiryKey(found.record.expire_ms(), key));
    }
  }

  // Gives the record its version, and writes it in the place of `found`.
  absl::Status Write(CommitContext& context, const std::string& key, const Found& found,
                     records::StateRecord& record) {
    if (!found.on_disk && store_.count_ >= store_.entries_max_) {
      return absl::ResourceExhaustedError("the shared state is full");
    }
    if (record.value().size() > kValueBytesMax) {
      return absl::InvalidArgumentError("value has more than 64 KiB");
    }
    record.set_version(++store_.version_);
    DropExpiry(context, key, found);
    if (record.expire_ms() != 0) {
      context.PutTracked(context.database().state(), ExpiryKey(record.expire_ms(), key), "1");
    }
    context.PutTracked(context.database().state(), EntryKey(key), record.SerializeAsString());
    if (!found.on_disk) ++store_.count_;
    return absl::OkStatus();
  }

  void Erase(CommitContext& context, const std::string& key, const Found& found) {
    if (!found.on_disk) return;
    DropExpiry(context, key, found);
    context.DeleteTracked(context.database().state(), EntryKey(key));
    --store_.count_;
  }

  SharedStateStore& store_;
  int64_t now_ms_ = 0;

 private:
  int64_t added_ = 0;
};

template <typename Request, typename Response>
class SharedStateStore::RequestOperation : public WriteOperation {
 public:
  RequestOperation(SharedStateStore& store, Request request, Done<Response> done)
      : WriteOperation(store), request_(std::move(request)), done_(std::move(done)) {}
  void Answer() override {
    if (status_.ok()) {
      std::move(done_)(std::move(response_));
    } else {
      std::move(done_)(status_);
    }
  }

 private:
  void Decide(CommitContext& context) override { status_ = Do(context); }
  void Fail(absl::Status status) override {
    if (status_.ok()) status_ = std::move(status);
  }

  absl::Status Do(CommitContext& context);

  const Request request_;
  Done<Response> done_;
  absl::Status status_;
  Response response_;
};

template <>
absl::Status SharedStateStore::RequestOperation<v1::PutEntryRequest, v1::PutEntryResponse>::Do(
    CommitContext& context) {
  TURNPIKE_RETURN_IF_ERROR(CheckKey(request_.key()));
  TURNPIKE_ASSIGN_OR_RETURN(const Found found, Find(context, request_.key()));
  if (request_.if_absent() && found.is_alive) return absl::AbortedError("the entry is there");
  if (request_.precondition_case() == v1::PutEntryRequest::kIfVersion &&
      (!found.is_alive || found.record.version() != request_.if_version())) {
    return absl::AbortedError("the entry has another version");
  }
  records::StateRecord record;
  record.set_value(request_.value());
  if (request_.has_time_to_live_duration()) {
    TURNPIKE_ASSIGN_OR_RETURN(const int64_t expire_ms,
                              ExpireMs(request_.time_to_live_duration(), now_ms_));
    record.set_expire_ms(expire_ms);
  }
  TURNPIKE_RETURN_IF_ERROR(Write(context, request_.key(), found, record));
  FillEntry(request_.key(), record, *response_.mutable_entry());
  return absl::OkStatus();
}

template <>
absl::Status
SharedStateStore::RequestOperation<v1::DeleteEntryRequest, v1::DeleteEntryResponse>::Do(
    CommitContext& context) {
  TURNPIKE_RETURN_IF_ERROR(CheckKey(request_.key()));
  TURNPIKE_ASSIGN_OR_RETURN(const Found found, Find(context, request_.key()));
  if (found.is_alive && request_.if_version() != 0 &&
      found.record.version() != request_.if_version()) {
    return absl::AbortedError("the entry has another version");
  }
  Erase(context, request_.key(), found);
  return absl::OkStatus();
}

template <>
absl::Status SharedStateStore::RequestOperation<v1::AddToEntryRequest, v1::AddToEntryResponse>::Do(
    CommitContext& context) {
  TURNPIKE_RETURN_IF_ERROR(CheckKey(request_.key()));
  TURNPIKE_ASSIGN_OR_RETURN(const Found found, Find(context, request_.key()));
  records::StateRecord record;
  int64_t value = 0;
  if (found.is_alive) {
    record = found.record;
    if (!absl::SimpleAtoi(record.value(), &value)) {
      return absl::FailedPreconditionError("the entry holds no number");
    }
  } else if (request_.has_time_to_live_duration()) {
    TURNPIKE_ASSIGN_OR_RETURN(const int64_t expire_ms,
                              ExpireMs(request_.time_to_live_duration(), now_ms_));
    record.set_expire_ms(expire_ms);
  }
  if (__builtin_add_overflow(value, request_.delta(), &value)) {
    return absl::InvalidArgumentError("the sum is too large");
  }
  record.set_value(absl::StrCat(value));
  TURNPIKE_RETURN_IF_ERROR(Write(context, request_.key(), found, record));
  response_.set_value(value);
  FillEntry(request_.key(), record, *response_.mutable_entry());
  return absl::OkStatus();
}

// Deletes entries whose time is over, unless they have been written anew.
class SharedStateStore::SweepOperation : public WriteOperation {
 public:
  SweepOperation(SharedStateStore& store, std::vector<std::string> keys)
      : WriteOperation(store), keys_(std::move(keys)) {}
  void Answer() override { store_.is_sweeping_ = false; }
  bool needs_sync() const override { return false; }

 private:
  void Decide(CommitContext& context) override {
    for (const std::string& key : keys_) {
      const auto found = Find(context, key);
      if (found.ok() && !found->is_alive) Erase(context, key, *found);
    }
  }
  void Fail(absl::Status) override {}

  const std::vector<std::string> keys_;
};

absl::Status SharedStateStore::Load() {
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      engine_.database.db().NewIterator(rocksdb::ReadOptions(), engine_.database.state()));
  int64_t count = 0;
  for (it->Seek("e"); it->Valid() && it->key().starts_with("e"); it->Next()) ++count;
  TURNPIKE_RETURN_IF_ERROR(FromRocks(it->status()));
  count_ = count;
  return absl::OkStatus();
}

void SharedStateStore::Put(v1::PutEntryRequest request, Done<v1::PutEntryResponse> done) {
  engine_.committer.Submit(
      std::make_unique<RequestOperation<v1::PutEntryRequest, v1::PutEntryResponse>>(
          *this, std::move(request), std::move(done)));
}

void SharedStateStore::Delete(v1::DeleteEntryRequest request, Done<v1::DeleteEntryResponse> done) {
  engine_.committer.Submit(
      std::make_unique<RequestOperation<v1::DeleteEntryRequest, v1::DeleteEntryResponse>>(
          *this, std::move(request), std::move(done)));
}

void SharedStateStore::Add(v1::AddToEntryRequest request, Done<v1::AddToEntryResponse> done) {
  engine_.committer.Submit(
      std::make_unique<RequestOperation<v1::AddToEntryRequest, v1::AddToEntryResponse>>(
          *this, std::move(request), std::move(done)));
}

void SharedStateStore::Get(v1::GetEntryRequest request, Done<v1::GetEntryResponse> done) {
  engine_.pool.Post([this, request = std::move(request), done = std::move(done)]() mutable {
    std::string bytes;
    records::StateRecord record;
    absl::Status status =
        engine_.database.Get(engine_.database.state(), EntryKey(request.key()), &bytes);
    if (status.ok() && !record.ParseFromString(bytes)) {
      status = absl::DataLossError("entry is damaged");
    }
    if (status.ok() && !IsAlive(record, absl::ToUnixMillis(engine_.clock.Now()))) {
      status = absl::NotFoundError("its time is over");
    }
    if (!status.ok()) return std::move(done)(status);
    v1::GetEntryResponse response;
    FillEntry(request.key(), record, *response.mutable_entry());
    std::move(done)(std::move(response));
  });
}

absl::StatusOr<v1::ListEntriesResponse> SharedStateStore::ReadList(
    const v1::ListEntriesRequest& request) {
  const int page_size = request.page_size() == 0 ? kPageSizeDefault : request.page_size();
  if (page_size < 1 || page_size > kPageSizeMax) {
    return absl::InvalidArgumentError("page_size must be 1 to 1000");
  }
  const int64_t now_ms = absl::ToUnixMillis(engine_.clock.Now());
  const std::string prefix = EntryKey(request.prefix());
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      engine_.database.db().NewIterator(rocksdb::ReadOptions(), engine_.database.state()));
  v1::ListEntriesResponse response;
  // The token is the last key of the page.
  it->Seek(request.page_token().empty() ? prefix : EntryKey(request.page_token()) + '\0');
  size_t bytes = 0;
  for (; it->Valid() && it->key().starts_with(prefix); it->Next()) {
    if (response.entries_size() == page_size || bytes > kListBytesMax) {
      response.set_next_page_token(response.entries(response.entries_size() - 1).key());
      break;
    }
    records::StateRecord record;
    if (!record.ParseFromArray(it->value().data(), static_cast<int>(it->value().size()))) continue;
    if (!IsAlive(record, now_ms)) continue;
    FillEntry(ToView(it->key()).substr(1), record, *response.add_entries());
    bytes += record.value().size();
  }
  TURNPIKE_RETURN_IF_ERROR(FromRocks(it->status()));
  return response;
}

void SharedStateStore::List(v1::ListEntriesRequest request, Done<v1::ListEntriesResponse> done) {
  engine_.pool.Post([this, request = std::move(request), done = std::move(done)]() mutable {
    std::move(done)(ReadList(request));
  });
}

void SharedStateStore::Sweep() {
  if (is_sweeping_.exchange(true)) return;
  const std::string end = ExpiryKey(absl::ToUnixMillis(engine_.clock.Now()) + 1, "");
  const auto it = std::unique_ptr<rocksdb::Iterator>(
      engine_.database.db().NewIterator(rocksdb::ReadOptions(), engine_.database.state()));
  std::vector<std::string> keys;
  for (it->Seek("x"); it->Valid() && ToView(it->key()) < absl::string_view(end); it->Next()) {
    if (keys.size() == kSweepMax) break;
    if (it->key().size() > 9) keys.push_back(it->key().ToString().substr(9));
  }
  if (!it->status().ok()) {
    TURNPIKE_LOG(kError, "shared state cannot be read", {{"error", it->status().ToString()}});
  }
  if (keys.empty()) {
    is_sweeping_ = false;
    return;
  }
  engine_.committer.Submit(std::make_unique<SweepOperation>(*this, std::move(keys)));
}

}  // namespace turnpike::spool
