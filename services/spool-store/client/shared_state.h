// The small shared state (turnpike.spool.v1.SharedStateService) as other services see it.
// Implementations: RpcSharedState and FakeSharedState.
//
// Thread safety: thread-safe; callbacks as in spool.h.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARED_STATE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARED_STATE_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/shared_state.pb.h"

namespace turnpike::spool {

class SharedState {
 public:
  template <typename Response>
  using Callback = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

  virtual ~SharedState() = default;

  // Errors are those of the service, and UNAVAILABLE or DEADLINE_EXCEEDED when it is away.
  virtual void Put(v1::PutEntryRequest request, absl::Time deadline,
                   Callback<v1::PutEntryResponse> done) = 0;
  virtual void Get(v1::GetEntryRequest request, absl::Time deadline,
                   Callback<v1::GetEntryResponse> done) = 0;
  virtual void Delete(v1::DeleteEntryRequest request, absl::Time deadline,
                      Callback<v1::DeleteEntryResponse> done) = 0;
  virtual void List(v1::ListEntriesRequest request, absl::Time deadline,
                    Callback<v1::ListEntriesResponse> done) = 0;
  virtual void Add(v1::AddToEntryRequest request, absl::Time deadline,
                   Callback<v1::AddToEntryResponse> done) = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARED_STATE_H_
