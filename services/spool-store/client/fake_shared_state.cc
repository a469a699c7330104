#include "services/spool-store/client/fake_shared_state.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace turnpike::spool {
namespace {

void SetExpireTime(absl::Time now, const google::protobuf::Duration& time_to_live,
                   v1::Entry& entry) {
  const absl::Time time =
      now + absl::Seconds(time_to_live.seconds()) + absl::Nanoseconds(time_to_live.nanos());
  const int64_t seconds = absl::ToUnixSeconds(time);
  entry.mutable_expire_time()->set_seconds(seconds);
  entry.mutable_expire_time()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

}  // namespace

void FakeSharedState::SetStatus(absl::Status status) {
  absl::MutexLock lock(&mu_);
  status_ = std::move(status);
}

void FakeSharedState::SetEntriesMax(size_t entries_max) {
  absl::MutexLock lock(&mu_);
  entries_max_ = entries_max;
}

void FakeSharedState::DropExpired() {
  const absl::Time now = clock_.Now();
  std::erase_if(entries_, [&](const auto& item) {
    const v1::Entry& entry = item.second;
    return entry.has_expire_time() && absl::FromUnixSeconds(entry.expire_time().seconds()) +
                                              absl::Nanoseconds(entry.expire_time().nanos()) <=
                                          now;
  });
}

absl::StatusOr<v1::PutEntryResponse> FakeSharedState::DoPut(const v1::PutEntryRequest& request) {
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return status_;
  DropExpired();
  auto found = entries_.find(request.key());
  if (request.if_absent() && found != entries_.end()) return absl::AbortedError("is there");
  if (request.precondition_case() == v1::PutEntryRequest::kIfVersion &&
      (found == entries_.end() || found->second.version() != request.if_version())) {
    return absl::AbortedError("another version");
  }
  if (found == entries_.end() && entries_.size() >= entries_max_) {
    return absl::ResourceExhaustedError("too many entries");
  }
  v1::Entry& entry = entries_[request.key()];
  entry.Clear();
  entry.set_key(request.key());
  entry.set_value(request.value());
  entry.set_version(++last_version_);
  if (request.has_time_to_live_duration()) {
    SetExpireTime(clock_.Now(), request.time_to_live_duration(), entry);
  }
  v1::PutEntryResponse response;
  *response.mutable_entry() = entry;
  return response;
}

absl::StatusOr<v1::GetEntryResponse> FakeSharedState::DoGet(const v1::GetEntryRequest& request) {
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return status_;
  DropExpired();
  auto found = entries_.find(request.key());
  if (found == entries_.end()) return absl::NotFoundError("no such entry");
  v1::GetEntryResponse response;
  *response.mutable_entry() = found->second;
  return response;
}

absl::StatusOr<v1::DeleteEntryResponse> FakeSharedState::DoDelete(
    const v1::DeleteEntryRequest& request) {
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return status_;
  DropExpired();
  auto found = entries_.find(request.key());
  if (found == entries_.end()) return v1::DeleteEntryResponse();
  if (request.if_version() != 0 && found->second.version() != request.if_version()) {
    return absl::AbortedError("another version");
  }
  entries_.erase(found);
  return v1::DeleteEntryResponse();
}

absl::StatusOr<v1::ListEntriesResponse> FakeSharedState::DoList(
    const v1::ListEntriesRequest& request) {
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return status_;
  DropExpired();
  const int page_size = request.page_size() == 0 ? 100 : request.page_size();
  v1::ListEntriesResponse response;
  auto entry = request.page_token().empty() ? entries_.lower_bound(request.prefix())
                                            : entries_.upper_bound(request.page_token());
  for (; entry != entries_.end() && absl::StartsWith(entry->first, request.prefix()); ++entry) {
    if (response.entries_size() == page_size) {
      response.set_next_page_token(response.entries(page_size - 1).key());
      break;
    }
    *response.add_entries() = entry->second;
  }
  return response;
}

absl::StatusOr<v1::AddToEntryResponse> FakeSharedState::DoAdd(
    const v1::AddToEntryRequest& request) {
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return status_;
  DropExpired();
  auto [found, made] = entries_.try_emplace(request.key());
  v1::Entry& entry = found->second;
  int64_t value = 0;
  if (made) {
    entry.set_key(request.key());
    if (request.has_time_to_live_duration()) {
      SetExpireTime(clock_.Now(), request.time_to_live_duration(), entry);
    }
  } else if (!absl::SimpleAtoi(entry.value(), &value)) {
    return absl::FailedPreconditionError("the entry holds no number");
  }
  value += request.delta();
  entry.set_value(absl::StrCat(value));
  entry.set_version(++last_version_);
  v1::AddToEntryResponse response;
  response.set_value(value);
  *response.mutable_entry() = entry;
  return response;
}

void FakeSharedState::Put(v1::PutEntryRequest request, absl::Time,
                          Callback<v1::PutEntryResponse> done) {
  std::move(done)(DoPut(request));
}

void FakeSharedState::Get(v1::GetEntryRequest request, absl::Time,
                          Callback<v1::GetEntryResponse> done) {
  std::move(done)(DoGet(request));
}

void FakeSharedState::Delete(v1::DeleteEntryRequest request, absl::Time,
                             Callback<v1::DeleteEntryResponse> done) {
  std::move(done)(DoDelete(request));
}

void FakeSharedState::List(v1::ListEntriesRequest request, absl::Time,
                           Callback<v1::ListEntriesResponse> done) {
  std::move(done)(DoList(request));
}

void FakeSharedState::Add(v1::AddToEntryRequest request, absl::Time,
                          Callback<v1::AddToEntryResponse> done) {
  std::move(done)(DoAdd(request));
}

}  // namespace turnpike::spool
