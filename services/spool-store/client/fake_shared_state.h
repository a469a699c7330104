// The shared state in memory, for the tests of whoever uses it.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SHARED_STATE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SHARED_STATE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::spool {

// Callbacks run inside of the call, without a lock held.
//
// Thread-safe.
class FakeSharedState : public SharedState {
 public:
  // `clock` must outlive this; entries are gone once it has passed their time.
  explicit FakeSharedState(const base::Clock& clock = base::Clock::System()) : clock_(clock) {}

  // What every call answers from now on; OK means that they work.
  void SetStatus(absl::Status status);
  // Bounds the number of entries; further ones get RESOURCE_EXHAUSTED.
  void SetEntriesMax(size_t entries_max);

  void Put(v1::PutEntryRequest request, absl::Time deadline,
           Callback<v1::PutEntryResponse> done) override;
  void Get(v1::GetEntryRequest request, absl::Time deadline,
           Callback<v1::GetEntryResponse> done) override;
  void Delete(v1::DeleteEntryRequest request, absl::Time deadline,
              Callback<v1::DeleteEntryResponse> done) override;
  void List(v1::ListEntriesRequest request, absl::Time deadline,
            Callback<v1::ListEntriesResponse> done) override;
  void Add(v1::AddToEntryRequest request, absl::Time deadline,
           Callback<v1::AddToEntryResponse> done) override;

 private:
  absl::StatusOr<v1::PutEntryResponse> DoPut(const v1::PutEntryRequest& request);
  absl::StatusOr<v1::GetEntryResponse> DoGet(const v1::GetEntryRequest& request);
  absl::StatusOr<v1::DeleteEntryResponse> DoDelete(const v1::DeleteEntryRequest& request);
  absl::StatusOr<v1::ListEntriesResponse> DoList(const v1::ListEntriesRequest& request);
  absl::StatusOr<v1::AddToEntryResponse> DoAdd(const v1::AddToEntryRequest& request);
  void DropExpired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const base::Clock& clock_;
  absl::Mutex mu_;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  size_t entries_max_ ABSL_GUARDED_BY(mu_) = 1'000'000;
  uint64_t last_version_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::string, v1::Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_FAKE_SHARED_STATE_H_
