// Reading content over gRPC.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_CONTENT_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_CONTENT_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.grpc.pb.h"
#include "services/spool-store/client/spool.h"

namespace turnpike::spool {

// All readings of content of one spool. gRPC bounds the time of a whole call only, and a call lasts
// as long as its reader takes; so the time of each piece is bounded here, by Tick. When a call
// breaks, the content is read again from its beginning, and what was given already is passed over:
// it never changes.
//
// Thread-safe.
class RpcContent {
 public:
  RpcContent(std::shared_ptr<v1::SpoolService::Stub> stub, absl::Duration piece_timeout);
  ~RpcContent();

  // The reader may outlive this after Shutdown.
  std::unique_ptr<ContentReader> Open(absl::string_view message_id);
  // Begins anew what was broken; ends what is late. To be called every 50 ms or so.
  void Tick(absl::Time now);
  // Ends all: CANCELLED.
  void Shutdown();

 private:
  class Call;
  class Reading;
  class Reader;

  const std::shared_ptr<v1::SpoolService::Stub> stub_;
  const absl::Duration piece_timeout_;
  absl::Mutex mu_;
  std::vector<std::weak_ptr<Reading>> readings_ ABSL_GUARDED_BY(mu_);  // swept by Tick
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_CONTENT_H_
