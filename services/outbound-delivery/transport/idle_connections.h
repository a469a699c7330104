// Connections that have nothing to send just now, for whoever needs one like them: so messages for
// one host share connections, whatever their domains (DL-40).
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_IDLE_CONNECTIONS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_IDLE_CONNECTIONS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "services/outbound-delivery/transport/connection.h"

namespace turnpike::delivery {

// Holds only what is on offer by sessions, which take it back when they need it or their time is
// over; so there are no more than there are sessions.
//
// Thread-safe. Connections are handed on, never used: by whom they are taken belongs on their
// context's thread.
class IdleConnections {
 public:
  // A connection on offer. Destroying it ends that, and the connection unless it was taken.
  class Offer {
   public:
    Offer(IdleConnections* idle, std::string host, uint64_t id)
        : idle_(idle), host_(std::move(host)), id_(id) {}
    Offer(const Offer&) = delete;
    Offer& operator=(const Offer&) = delete;
    ~Offer() { idle_->Remove(host_, id_); }

    // Takes the connection back; nothing if somebody has it now.
    std::optional<Connection> Withdraw() && { return idle_->Remove(host_, id_); }

   private:
    IdleConnections* const idle_;
    const std::string host_;
    const uint64_t id_;
  };

  // Offers a connection, under its `host` and `key`. `on_taken` is called at most once, on any
  // thread, after it was taken. This outlives the offer.
  std::unique_ptr<Offer> Add(Connection connection, absl::AnyInvocable<void()> on_taken);

  // Whether there is any for the host, so that it is worth while to find out the key.
  bool Has(const std::string& host) const;
  // The one that was offered last: the others may come to their end.
  std::optional<Connection> Take(const std::string& host, const std::string& key);

  size_t size() const;

 private:
  struct Entry {
    uint64_t id;
    Connection connection;
    absl::AnyInvocable<void()> on_taken;
  };

  std::optional<Connection> Remove(const std::string& host, uint64_t id);

  mutable absl::Mutex mu_;
  uint64_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
  // By host; never empty.
  absl::flat_hash_map<std::string, std::vector<Entry>> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_TRANSPORT_IDLE_CONNECTIONS_H_
