// The small shared state, durable and with time limits, in the spool's database.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SHARED_STATE_STORE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SHARED_STATE_STORE_H_

#include <atomic>
#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "protos/turnpike/spool/v1/shared_state.pb.h"
#include "services/spool-store/storage/engine.h"

namespace turnpike::spool {

// What the calls mean is said in protos/turnpike/spool/v1/shared_state.proto. Writes are checked
// and done in one thread, in their order. An entry whose time is over is not seen any more at once,
// and is deleted by the next Sweep.
//
// Thread-safe. Callbacks run on the store's threads.
class SharedStateStore {
 public:
  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  static constexpr size_t kKeyBytesMax = 512;
  static constexpr size_t kValueBytesMax = 64 * 1024;

  SharedStateStore(Engine& engine, uint64_t boot, int64_t entries_max)
      : engine_(engine), entries_max_(entries_max), version_(boot << 40) {}

  // Counts the entries. Before anything else.
  absl::Status Load();

  void Put(v1::PutEntryRequest request, Done<v1::PutEntryResponse> done);
  void Get(v1::GetEntryRequest request, Done<v1::GetEntryResponse> done);
  void Delete(v1::DeleteEntryRequest request, Done<v1::DeleteEntryResponse> done);
  void List(v1::ListEntriesRequest request, Done<v1::ListEntriesResponse> done);
  void Add(v1::AddToEntryRequest request, Done<v1::AddToEntryResponse> done);

  // Deletes what is over. Reads the disk; a bounded number at a time.
  void Sweep();
  int64_t count() const { return count_; }

 private:
  class WriteOperation;
  template <typename Request, typename Response>
  class RequestOperation;
  class SweepOperation;

  absl::StatusOr<v1::ListEntriesResponse> ReadList(const v1::ListEntriesRequest& request);

  Engine& engine_;
  const int64_t entries_max_;
  std::atomic<int64_t> count_ = 0;  // changed on the committer's thread only
  uint64_t version_;                // the committer's thread only
  std::atomic<bool> is_sweeping_ = false;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_SHARED_STATE_STORE_H_
