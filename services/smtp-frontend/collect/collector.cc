#include "services/smtp-frontend/collect/collector.h"

#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "services/common/observe/log.h"
#include "services/smtp-frontend/session/replies.h"

namespace turnpike::frontend {
namespace {

// Tells of a session's begin and, whatever ends it, of its end.
class SessionScope {
 public:
  SessionScope(const Collector::OnSession& on_session, Session& session)
      : on_session_(on_session), session_(session) {
    on_session_(session_, /*begins=*/true);
  }
  SessionScope(const SessionScope&) = delete;
  SessionScope& operator=(const SessionScope&) = delete;
  ~SessionScope() { on_session_(session_, /*begins=*/false); }

 private:
  const Collector::OnSession& on_session_;
  Session& session_;
};

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

}  // namespace

dequeue::v1::RunEnding EndingOfAtrn(const smtp::Reply& reply) {
  switch (reply.code()) {
    case 453:
      return dequeue::v1::RUN_ENDING_NO_MAIL;
    case 450:
      return dequeue::v1::RUN_ENDING_REFUSED;
    case 530:
    case 535:
      return dequeue::v1::RUN_ENDING_AUTH_FAILED;
    default:
      break;
  }
  if (reply.is_transient()) return dequeue::v1::RUN_ENDING_NOT_NOW;  // 451 above all
  if (reply.is_permanent()) return dequeue::v1::RUN_ENDING_REFUSED;
  return dequeue::v1::RUN_ENDING_LOST;  // makes no sense
}

Collector::Collector(const SessionEnvironment& environment,
                     std::shared_ptr<const Collection> collection, std::string run_id,
                     OnSession on_session)
    : environment_(environment),
      kept_collection_(std::move(collection)),
      collection_(*kept_collection_),
      run_id_(std::move(run_id)),
      on_session_(std::move(on_session)),
      begin_time_(absl::Now()),
      connection_(collection_.server, collection_.profile->options.host_name) {}

asio::awaitable<dequeue::v1::Run> Collector::Run(std::shared_ptr<Collector> self) {
  *self->run_.mutable_begin_time() = ToTimestamp(self->begin_time_);
  co_await self->Collect();
  *self->run_.mutable_end_time() = ToTimestamp(absl::Now());
  self->LogEnd();
  co_return self->run_;
}

asio::awaitable<void> Collector::Collect() {
  const std::optional<upstream::Ending> failure = co_await connection_.Open();
  if (failure.has_value()) co_return End(*failure);
  const std::optional<smtp::Reply> reply = co_await connection_.client().Atrn(collection_.domains);
  if (!reply.has_value()) co_return End(connection_.ending());
  if (!reply->is_positive()) {
    co_await connection_.client().Quit();
    co_return End({.ending = EndingOfAtrn(*reply), .reply = *reply});
  }
  *run_.mutable_reply() = ReplyToProto(*reply);
  // [RFC2645 5.3] from here on we are the server, and greet.
  session_ = std::make_shared<Session>(environment_, collection_.profile, connection_.TakeStream(),
                                       Session::Collected{.run_id = run_id_});
  {
    const SessionScope scope(on_session_, *session_);
    co_await Session::Run(session_);
  }
  const Session::Outcome outcome = session_->outcome();
  run_.set_messages(outcome.messages);
  run_.set_refused(outcome.refused);
  run_.set_detail(outcome.ending);
  run_.set_ending(outcome.failed > 0 ? dequeue::v1::RUN_ENDING_STORE_AWAY
                  : outcome.has_quit ? dequeue::v1::RUN_ENDING_COMPLETED
                                     : dequeue::v1::RUN_ENDING_LOST);
}

void Collector::End(const upstream::Ending& ending) {
  run_.set_ending(ending.ending);
  run_.set_detail(ending.detail);
  if (ending.reply.code() != 0) *run_.mutable_reply() = ReplyToProto(ending.reply);
}

void Collector::Drain() {
  if (session_ != nullptr) {
    session_->Drain();
  } else {
    connection_.Abort();
  }
}

void Collector::Abort() {
  if (session_ != nullptr) {
    session_->Abort();
  } else {
    connection_.Abort();
  }
}

void Collector::LogEnd() const {
  const bool is_good = run_.ending() == dequeue::v1::RUN_ENDING_COMPLETED ||
                       run_.ending() == dequeue::v1::RUN_ENDING_NO_MAIL;
  observe::WriteLog(is_good ? observe::LogLevel::kInfo : observe::LogLevel::kWarning,
                    "collection ended",
                    {{"session", run_id_},
                     {"collection", collection_.name},
                     {"host", collection_.server.host},
                     {"ending", dequeue::v1::RunEnding_Name(run_.ending())},
                     {"code", static_cast<int>(run_.reply().code())},
                     {"reply", run_.reply().text()},
                     {"messages", int64_t{run_.messages()}},
                     {"refused", int64_t{run_.refused()}},
                     {"detail", run_.detail()},
                     {"seconds", absl::ToDoubleSeconds(absl::Now() - begin_time_)}});
}

}  // namespace turnpike::frontend
