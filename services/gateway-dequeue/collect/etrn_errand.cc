#include "services/gateway-dequeue/collect/etrn_errand.h"

#include <optional>
#include <utility>

#include "services/gateway-dequeue/rpc/request_log.h"

namespace turnpike::dequeue {
namespace {

v1::RunEnding EndingOfReply(uint32_t code) {
  if (code == 251) return v1::RUN_ENDING_NO_MAIL;
  if (code / 100 == 2) return v1::RUN_ENDING_COMPLETED;
  if (code == 530 || code == 535) return v1::RUN_ENDING_AUTH_FAILED;
  return v1::RUN_ENDING_REFUSED;
}

void SetEnding(const upstream::Ending& ending, v1::Run* run) {
  run->set_ending(ending.ending);
  run->set_detail(ending.detail);
  if (ending.reply.code() != 0) *run->mutable_reply() = ToProto(ending.reply);
}

// The reply that decided: the first that says what the ending says.
const mail::v1::Reply* DecidingReply(const std::vector<v1::RequestReply>& replies,
                                     v1::RunEnding ending) {
  for (const v1::RequestReply& each : replies) {
    if (EndingOfReply(each.reply().code()) == ending) return &each.reply();
  }
  return nullptr;
}

}  // namespace

v1::RunEnding EndingOfReplies(const std::vector<v1::RequestReply>& replies) {
  v1::RunEnding all = v1::RUN_ENDING_NO_MAIL;
  for (const v1::RequestReply& each : replies) {
    const v1::RunEnding ending = EndingOfReply(each.reply().code());
    if (ending == v1::RUN_ENDING_AUTH_FAILED || ending == v1::RUN_ENDING_REFUSED) return ending;
    if (ending == v1::RUN_ENDING_COMPLETED) all = ending;
  }
  return all;
}

EtrnErrand::EtrnErrand(upstream::Server server, std::string host_name,
                       std::vector<std::string> domains)
    : server_(std::move(server)), host_name_(std::move(host_name)), domains_(std::move(domains)) {}

asio::awaitable<ErrandResult> EtrnErrand::Run(std::string) {
  connection_ = std::make_unique<upstream::Connection>(server_, host_name_);
  ErrandResult result = co_await Ask();
  connection_ = nullptr;
  co_return result;
}

asio::awaitable<ErrandResult> EtrnErrand::Ask() {
  ErrandResult result;
  const std::optional<upstream::Ending> failure = co_await connection_->Open();
  if (failure.has_value()) {
    SetEnding(*failure, &result.run);
    co_return result;
  }
  for (const std::string& domain : domains_) {
    const std::optional<smtp::Reply> reply = co_await connection_->client().Etrn(domain);
    if (!reply.has_value()) {
      SetEnding(connection_->ending(), &result.run);
      co_return result;
    }
    v1::RequestReply& kept = result.replies.emplace_back();
    kept.set_domain(domain);
    *kept.mutable_reply() = ToProto(*reply);
  }
  co_await connection_->client().Quit();
  result.run.set_ending(EndingOfReplies(result.replies));
  if (const mail::v1::Reply* reply = DecidingReply(result.replies, result.run.ending())) {
    *result.run.mutable_reply() = *reply;
  }
  co_return result;
}

void EtrnErrand::Cancel() {
  if (connection_ != nullptr) connection_->Abort();
}

}  // namespace turnpike::dequeue
