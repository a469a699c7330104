// ATRN: gateway-dequeue grants or refuses; after a grant the roles turn. [RFC2645]
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/net/await.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/replies.h"
#include "services/smtp-frontend/session/session.h"
#include "services/smtp-frontend/session/turn.h"

namespace turnpike::frontend {

asio::awaitable<void> Session::On(smtp::event::Atrn event) {
  dequeue::v1::AtrnBegin begin;
  *begin.mutable_asker() = Asker();
  for (const smtp::DomainName& domain : event.command.domains) begin.add_domains(domain.ascii());
  atrn_watch_ = std::make_shared<AtrnWatch>();
  atrn_session_ = environment_.dequeue->RunAtrn(std::move(begin), atrn_watch_);
  net::StartOperation<AtrnWatch::Answer> start =
      [watch = atrn_watch_](absl::AnyInvocable<void(AtrnWatch::Answer)> done) {
        watch->WhenAnswered(std::move(done));
      };
  AtrnWatch::Answer answer = co_await net::Await<AtrnWatch::Answer>(std::move(start));
  const bool is_granted = answer.ok() && answer->has_grant() &&
                          atrn_watch_->cause() == AtrnWatch::Cause::kNone && !is_drain_requested_;
  smtp::Reply reply = smtp::kReversing;
  if (!is_granted) {
    // [RFC2645 5.2.1] 451 when it cannot be known now.
    reply = answer.ok() && answer->has_refusal() ? ReplyFromProto(answer->refusal())
                                                 : smtp::Reply(smtp::kAtrnUnavailable);
    if (reply.is_positive()) reply = smtp::kAtrnUnavailable;
    atrn_session_.reset();
    atrn_watch_.reset();
    if (reply.code() != smtp::kYouHaveNoMail.code) NoteRefusal(reply, "atrn");
  } else {
    atrn_grant_ = std::move(*answer->mutable_grant());
  }
  TURNPIKE_LOG(kInfo, "atrn",
               {{"session", id_},
                {"client", facts_.client_address()},
                {"login", observe::LogAddress(facts_.identity().name())},
                {"domains", static_cast<int>(event.command.domains.size())},
                {"reply", reply.ToString()},
                {"grant", atrn_grant_.grant()},
                {"error", answer.ok() ? "" : answer.status().ToString()}});
  engine_->Answer(reply);
}

asio::awaitable<void> Session::On(smtp::event::Turned) {
  stage_ = Stage::kAtrn;
  // Line-based clients on TLS stall on a record with more than one line. (dequeue.md, field facts)
  if (stream_->has_tls()) stream_->set_one_line_per_record(true);
  const bool is_flushed = co_await Flush();
  if (!is_flushed) {
    // The client never saw the grant: nothing has begun. (DQ-36)
    dequeue::v1::AtrnEnd end;
    end.set_ending(dequeue::v1::ATRN_ENDING_REFUSED);
    end.set_detail(ending_);
    atrn_session_->End(end);
    co_return;
  }
  Turn turn(environment_, listener_, *stream_,
            {.session_id = id_,
             .client_address = facts_.client_address(),
             .grant = std::move(atrn_grant_)},
            *atrn_session_, atrn_watch_);
  turn_ = &turn;
  const dequeue::v1::AtrnEnd end = co_await turn.Run();
  turn_ = nullptr;
  if (end.ending() == dequeue::v1::ATRN_ENDING_LOST) environment_.metrics->CountLost(stage_);
  ending_ = absl::StrCat("atrn: ", end.totals().delivered(), " delivered");
}

}  // namespace turnpike::frontend
