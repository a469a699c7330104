// The reversed half of an ATRN session: on the same connection we are the client now, and send what
// is held for those who asked. (DQ-31 to DQ-37) [RFC2645 5.3]
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_H_

#include <asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/net/smtp_client.h"
#include "services/common/net/stream.h"
#include "services/gateway-dequeue/client/dequeue.h"
#include "services/smtp-frontend/session/atrn_watch.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/lease_feed.h"
#include "services/smtp-frontend/session/turn_records.h"

namespace turnpike::frontend {

struct TurnAttempt;

// Strand-confined to the stream's I/O thread.
class Turn {
 public:
  struct Options {
    std::string session_id;
    std::string client_address;
    dequeue::v1::AtrnGrant grant;
  };

  // All references outlive the turn. Nothing more of what the peer has sent before the turn may
  // come from `stream`.
  Turn(const SessionEnvironment& environment, const ListenerProfile& listener, net::Stream& stream,
       Options options, dequeue::AtrnSession& session, std::shared_ptr<AtrnWatch> watch);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn();

  // Sends all that there is to send, and says QUIT. How it ended is told to gateway-dequeue and
  // returned.
  asio::awaitable<dequeue::v1::AtrnEnd> Run();

  // True until the peer has greeted and answered EHLO. Until then nothing is lost by a Close.
  bool is_opening() const { return is_opening_; }

 private:
  struct Leases;
  struct Offer;

  asio::awaitable<dequeue::v1::AtrnEnding> SendAll();
  // Sends what one queue holds. No ending: it is empty, and the next may follow.
  asio::awaitable<std::optional<dequeue::v1::AtrnEnding>> SendQueue(
      const dequeue::v1::GrantedQueue& granted);
  asio::awaitable<std::optional<dequeue::v1::AtrnEnding>> SendLeased(
      const dequeue::v1::GrantedQueue& granted);
  asio::awaitable<absl::StatusOr<int64_t>> CountMessages(const spool::v1::QueueName& queue);
  asio::awaitable<LeaseFeed::Next> NextDelivery();
  // Offers one message to the peer; what becomes of it is recorded as soon as it is known, which
  // may be when the next message is on its way. An ending: nothing more can be sent.
  asio::awaitable<std::optional<dequeue::v1::AtrnEnding>> Deliver(
      spool::v1::LeasedDelivery delivery);
  asio::awaitable<absl::Status> MayEndData(std::shared_ptr<const Offer> offer);
  bool IsGranted(const spool::v1::LeasedDelivery& delivery,
                 const dequeue::v1::GrantedQueue& granted) const;
  void OnOutcomes(const Offer& offer, std::vector<smtp::RecipientOutcome> outcomes);
  void Record(const spool::v1::LeasedDelivery& delivery, const TurnAttempt& attempt);
  dequeue::v1::AtrnEnding EndingOfClient() const;
  void Report();

  const SessionEnvironment& environment_;
  const ListenerProfile& listener_;
  net::Stream& stream_;
  const Options options_;
  dequeue::AtrnSession& session_;
  const std::shared_ptr<AtrnWatch> watch_;
  net::SmtpClient client_;
  std::string host_;  // the peer, once it has greeted
  std::string detail_;
  bool is_opening_ = true;
  dequeue::v1::AtrnProgress totals_;
  absl::Time last_report_;
  int64_t message_count_ = 0;       // leased in this session, over all queues
  std::shared_ptr<Leases> leases_;  // of the queue in progress
  TurnRecords records_;
  absl::flat_hash_set<uint64_t> tried_;  // delivery ids
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_TURN_H_
