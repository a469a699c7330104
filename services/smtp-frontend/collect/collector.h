// One collection of mail: connect to the provider, ATRN, and serve it when the roles have turned.
// (DQ-50) [RFC2645]
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_COLLECT_COLLECTOR_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_COLLECT_COLLECTOR_H_

#include <asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/upstream/connection.h"
#include "services/smtp-frontend/collect/collection.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {

// How the provider's answer to ATRN, other than a 250, ends a run. [RFC2645 5.2.1]
dequeue::v1::RunEnding EndingOfAtrn(const smtp::Reply& reply);

// Strand-confined to its I/O thread.
class Collector {
 public:
  // Told of the session that takes the mail: when it begins (true), and when it has ended.
  using OnSession = std::function<void(Session& session, bool begins)>;

  // `environment` outlives it.
  Collector(const SessionEnvironment& environment, std::shared_ptr<const Collection> collection,
            std::string run_id, OnSession on_session);
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // From the connection to its close. Spawn once.
  static asio::awaitable<dequeue::v1::Run> Run(std::shared_ptr<Collector> self);

  // Ends before the turn at once, and after it behind the message in progress.
  void Drain();
  // Closes the connection at once; Run ends soon.
  void Abort();

  const std::string& run_id() const { return run_id_; }

 private:
  asio::awaitable<void> Collect();
  void End(const upstream::Ending& ending);
  void LogEnd() const;

  const SessionEnvironment& environment_;
  const std::shared_ptr<const Collection> kept_collection_;
  const Collection& collection_;
  const std::string run_id_;
  const OnSession on_session_;
  const absl::Time begin_time_;
  upstream::Connection connection_;
  std::shared_ptr<Session> session_;  // from the turn on
  dequeue::v1::Run run_;
};

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_COLLECT_COLLECTOR_H_
