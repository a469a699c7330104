// ETRN: gateway-dequeue decides, releases, and words the reply. [RFC1985]
#include <utility>

#include "services/common/net/await.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/session/replies.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {
namespace {

dequeue::v1::EtrnForm FormOf(smtp::EtrnCommand::Kind kind) {
  switch (kind) {
    case smtp::EtrnCommand::Kind::kDomain:
      return dequeue::v1::ETRN_FORM_NODE;
    case smtp::EtrnCommand::Kind::kSubdomains:
      return dequeue::v1::ETRN_FORM_SUBDOMAINS;
    case smtp::EtrnCommand::Kind::kQueue:
      return dequeue::v1::ETRN_FORM_QUEUE;
  }
  return dequeue::v1::ETRN_FORM_UNSPECIFIED;
}

}  // namespace

asio::awaitable<void> Session::On(smtp::event::Etrn event) {
  using Response = absl::StatusOr<dequeue::v1::RequestEtrnResponse>;
  dequeue::v1::RequestEtrnRequest request;
  *request.mutable_asker() = Asker();
  request.set_form(FormOf(event.command.kind));
  request.set_name(event.command.name.ascii());
  const absl::Time deadline = absl::Now() + listener_.timeouts.policy;
  net::StartOperation<Response> start = [this, &request,
                                         deadline](absl::AnyInvocable<void(Response)> done) {
    environment_.dequeue->RequestEtrn(std::move(request), deadline, std::move(done));
  };
  const Response response = co_await net::Await<Response>(std::move(start));
  const smtp::Reply reply =
      response.ok() ? ReplyFromProto(response->reply()) : smtp::Reply(smtp::kUnableToQueue);
  TURNPIKE_LOG(kInfo, "etrn",
               {{"session", id_},
                {"client", facts_.client_address()},
                {"login", observe::LogAddress(facts_.identity().name())},
                {"name", event.command.name.ascii()},
                {"reply", reply.ToString()},
                {"released", response.ok() ? response->released() : 0},
                {"error", response.ok() ? "" : response.status().ToString()}});
  engine_->Answer(reply);
}

}  // namespace turnpike::frontend
