// The spool over gRPC.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SPOOL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SPOOL_H_

#include <memory>

#include "absl/time/time.h"
#include "services/spool-store/client/spool.h"

namespace grpc {
class Channel;
}

namespace turnpike::spool {

// One Enqueue and one Settle stream for the whole process, on which any number of messages is in
// flight; what comes up while a write is under way goes out together. While spool-store is away,
// both are opened again and again (50 ms to 2 s apart), and what has no answer is repeated until
// its deadline. Messages in chunks are not repeated: ABORTED. Content is read on where it was.
// Lease streams are not reopened: their owner does that.
class RpcSpool : public Spool {
 public:
  struct Options {
    absl::Duration piece_timeout = absl::Minutes(1);  // of each piece that ReadContent reads
    // Enqueue answers NotSentError (not_sent.h) for a message that the store cannot have seen,
    // instead of waiting for it: for one of several stores.
    bool returns_unsent = false;
  };
  static std::unique_ptr<RpcSpool> Create(std::shared_ptr<grpc::Channel> channel,
                                          const Options& options);
  static std::unique_ptr<RpcSpool> Create(std::shared_ptr<grpc::Channel> channel) {
    return Create(std::move(channel), Options());
  }

  // Enqueue of a message that its caller keeps.
  virtual void EnqueueShared(std::shared_ptr<const v1::NewMessage> message, absl::Time deadline,
                             EnqueueCallback done) = 0;
  // Since when Enqueue waits for an answer without getting any; the infinite future: it does not.
  virtual absl::Time waiting_since() const = 0;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SPOOL_H_
