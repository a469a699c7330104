// Sends moves to one shard, and collects its answers.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_MOVE_CALL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_MOVE_CALL_H_

#include <grpcpp/client_context.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "protos/turnpike/spool/v1/shard.grpc.pb.h"
#include "services/spool-store/storage/move_out.h"

namespace turnpike::spool {

// Ends calls that are under way when the process is to end. Thread-safe.
class CallCanceller {
 public:
  // While one exists, CancelAll cancels the call.
  class Entry {
   public:
    Entry(CallCanceller& canceller, grpc::ClientContext& context);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    CallCanceller& canceller_;
    grpc::ClientContext& context_;
  };
  // Later calls too.
  void CancelAll();

 private:
  absl::Mutex mu_;
  bool is_cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mu_);
};

struct MoveAnswers {
  absl::flat_hash_map<uint64_t, v1::MoveResult> results;  // by number; what is missing is unknown
  uint64_t forgotten_below = 0;
  absl::Status status;  // of the call
};

// Blocks until all is answered, or the call has failed, at the latest after ten seconds and four
// seconds for each MiB. `out` is only read; `moves` may be empty.
MoveAnswers SendMoves(v1::ShardService::Stub& stub, CallCanceller& canceller, MoveOut& out,
                      const std::vector<Outgoing>& moves, const std::string& source_id,
                      uint64_t forget_below);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_MOVE_CALL_H_
