// Looking at messages: `message list|describe|cat`. (DL-43)
#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/delivery_changes.h"
#include "services/turnpikectl/commands/listing.h"
#include "services/turnpikectl/commands/over_shards.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/text.h"
#include "services/turnpikectl/core/waiting.h"

namespace turnpike::ctl {
namespace {

namespace v1 = spool::v1;

// Longest wait for what is only said beside the rest.
constexpr absl::Duration kSuspensionTimeout = absl::Seconds(3);

const View& MessageView() {
  static const auto* const kView =
      new View{.name = "delivery_id",
               .columns = {{"ID", "delivery_id"},
                           {"QUEUE", "queue"},
                           {"STATE", "state"},
                           {"AGE", "received_time", Format::kAge},
                           {"SIZE", "content_bytes", Format::kBytes},
                           {"TRIES", "attempts"},
                           {"NEXT", "next_attempt_time", Format::kUntil},
                           {"SENDER", "envelope.return_path", Format::kAddress},
                           {"RECIPIENTS", "recipients.address", Format::kAddress},
                           {"LAST TRY", "last_attempt_time", Format::kAge, true},
                           {"UNKNOWN", "outcome_unknown", Format::kText, true},
                           {"CLIENT", "client.address", Format::kText, true},
                           {"ACCOUNT", "client.account", Format::kText, true},
                           {"WORKER", "worker", Format::kText, true},
                           {"MESSAGE", "message_id", Format::kText, true}},
               .fields = {{"Delivery", "delivery_id"},
                          {"Message", "message_id"},
                          {"Queue", "queue"},
                          {"State", "state"},
                          {"Why", "why"},
                          {"Sender", "envelope.return_path", Format::kAddress},
                          {"Size", "content_bytes", Format::kBytes},
                          {"Received", "received_time", Format::kTime},
                          {"  from", "client.address"},
                          {"  named", "client.helo"},
                          {"  by", "client.protocol"},
                          {"  account", "client.account"},
                          {"  listener", "client.listener"},
                          {"Attempts", "attempts"},
                          {"Last attempt", "last_attempt_time", Format::kTime},
                          {"Next attempt", "next_attempt_time", Format::kTime},
                          {"Outcome unknown", "outcome_unknown"},
                          {"Worker", "worker"},
                          {"Body", "envelope.body_type"},
                          {"SMTPUTF8", "envelope.smtputf8"},
                          {"Require TLS", "envelope.require_tls"},
                          {"DSN returns", "envelope.dsn_return"},
                          {"DSN id", "envelope.dsn_envelope_id"}},
               .sections = {{"Recipients",
                             "recipients",
                             {{"ADDRESS", "address", Format::kAddress},
                              {"DSN NOTIFY", "dsn_notify"},
                              {"DSN ORIGINAL", "dsn_original_recipient"}}},
                            {"Last answers",
                             "last_outcomes",
                             {{"RECIPIENT", "recipient", Format::kAddress},
                              {"OUTCOME", "disposition"},
                              {"HOST", "host"},
                              {"REPLY", "reply", Format::kReply}}}}};
  return *kView;
}

// What lists are sorted by: of one queue the state comes first, and deferred ones come by when they
// are due (spool.proto).
std::tuple<int, int64_t, int32_t> PlaceInList(const v1::Delivery& delivery, bool is_of_one_queue) {
  const google::protobuf::Timestamp* time = &delivery.received_time();
  int group = 0;
  if (is_of_one_queue && delivery.state() != v1::DELIVERY_STATE_HELD) {
    const bool is_deferred = delivery.state() == v1::DELIVERY_STATE_DEFERRED;
    if (is_deferred) time = &delivery.next_attempt_time();
    group = is_deferred ? 2 : delivery.state() == v1::DELIVERY_STATE_PARKED ? 3 : 1;
  }
  return {group, time->seconds(), time->nanos()};
}

// All that the shards have may be more than there is room for.
absl::Status PrintOneAfterTheOther(Context& context, const std::vector<ShardPlace>& shards,
                                   const Listing& listing) {
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& shard) {
    return ForEach(context.caller(), listing, {.target = shard.target},
                   [&](const google::protobuf::Message& element) {
                     context.printer().Row(MessageView(), ToValue(element));
                     return true;
                   });
  }));
  context.printer().End(MessageView());
  return absl::OkStatus();
}

absl::Status ListMessages(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const int64_t limit,
                            invocation.Number("--limit", 1000, 0, 1'000'000'000));
  TURNPIKE_ASSIGN_OR_RETURN(v1::ListDeliveriesRequest request, ReadFilter(invocation));
  v1::ListDeliveriesResponse response;
  const Listing listing = {"turnpike.spool.v1.SpoolService.ListDeliveries", "deliveries", request,
                           response};
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards,
                            ChooseShards(invocation, context));
  if (shards.size() == 1) {
    return PrintListing(context, MessageView(), listing, limit, ToValue,
                        {.target = shards[0].target});
  }
  if (limit == 0) return PrintOneAfterTheOther(context, shards, listing);
  // The first of all are among the first of each.
  std::vector<v1::Delivery> first;
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& shard) {
    int64_t taken = 0;
    return ForEach(context.caller(), listing, {.target = shard.target},
                   [&](const google::protobuf::Message& element) {
                     first.push_back(static_cast<const v1::Delivery&>(element));
                     return ++taken <= limit;
                   });
  }));
  std::stable_sort(first.begin(), first.end(), [&](const v1::Delivery& a, const v1::Delivery& b) {
    return PlaceInList(a, request.has_queue()) < PlaceInList(b, request.has_queue());
  });
  std::vector<Value> rows;
  for (const v1::Delivery& delivery : first) rows.push_back(ToValue(delivery));
  PrintRows(context, MessageView(), std::move(rows), limit);
  return absl::OkStatus();
}

absl::StatusOr<v1::Delivery> GetDelivery(Context& context, uint64_t id) {
  v1::GetDeliveryRequest request;
  request.set_delivery_id(id);
  v1::GetDeliveryResponse response;
  TURNPIKE_ASSIGN_OR_RETURN(const std::string target, TargetOfDelivery(context, id));
  TURNPIKE_RETURN_IF_ERROR(
      ExplainDelivery(id, context.caller().Call("turnpike.spool.v1.SpoolService.GetDelivery",
                                                request, response, {.target = target})));
  return std::move(*response.mutable_delivery());
}

// The outcomes with the addresses of their recipients. The store tells no numbers of those that are
// left, but it keeps both in one order: an address is known where all of them have an outcome, and
// always of the first of the message.
Value LastAnswers(const v1::Delivery& delivery) {
  const bool has_all = delivery.last_outcomes_size() == delivery.recipients_size();
  Value::List answers;
  for (int i = 0; i < delivery.last_outcomes_size(); ++i) {
    const v1::RecipientOutcome& outcome = delivery.last_outcomes(i);
    Value answer = ToValue(outcome);
    const bool is_known = i < delivery.recipients_size() && (has_all || outcome.index() == 0);
    answer.Set("recipient", is_known ? Value(delivery.recipients(i).address()) : Value());
    answers.push_back(std::move(answer));
  }
  return answers;
}

// Asks about a delivery's gateway, where it has one: who is suspended does not get what waits. Mail
// is described all the same when nobody answers for gateways.
class Suspensions {
 public:
  explicit Suspensions(Context& context) : context_(context) {}

  Suspension Of(const v1::Delivery& delivery) {
    if (delivery.state() != v1::DELIVERY_STATE_HELD ||
        delivery.queue().kind() != v1::QUEUE_KIND_GATEWAY) {
      return {};
    }
    const auto [found, is_new] = known_.try_emplace(delivery.queue().name());
    if (!is_new) return found->second;
    dequeue::v1::GetGatewayRequest request;
    request.set_domain(delivery.queue().name());
    dequeue::v1::GetGatewayResponse response;
    const absl::Status status =
        context_.caller().Call("turnpike.dequeue.v1.DequeueService.GetGateway", request, response,
                               {.timeout = kSuspensionTimeout});
    if (status.ok() && response.gateway().suspended()) {
      found->second = {.is_suspended = true, .reason = response.gateway().suspend_reason()};
    }
    return found->second;
  }

 private:
  Context& context_;
  std::map<std::string, Suspension> known_;  // by domain
};

absl::Status DescribeMessages(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids,
                            ReadIds(context, invocation.All("ID")));
  Suspensions suspensions(context);
  for (const uint64_t id : ids) {
    TURNPIKE_ASSIGN_OR_RETURN(const v1::Delivery delivery, GetDelivery(context, id));
    Value value = ToValue(delivery);
    value.Set("last_outcomes", LastAnswers(delivery));
    value.Set("why", WhyItWaits(delivery, suspensions.Of(delivery), context.printer().now()));
    if (context.printer().is_for_people() && id != ids.front()) context.printer().Text("\n");
    context.printer().One(MessageView(), value);
  }
  return absl::OkStatus();
}

// Where the header ends in what has been read so far: behind the empty line.
size_t EndOfHeader(absl::string_view content) {
  const size_t end = content.find("\r\n\r\n");
  return end == absl::string_view::npos ? end : end + 4;
}

absl::Status PrintContent(Context& context, const v1::Delivery& delivery, bool only_header) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::string target,
                            TargetOfDelivery(context, delivery.delivery_id()));
  v1::ReadContentRequest request;
  request.set_message_id(delivery.message_id());
  v1::ReadContentResponse response;
  std::string content;
  const bool is_shown = context.out_is_terminal();
  // Kept back as a whole only where it must be looked at.
  const auto on_piece = [&] {
    content += response.data();
    if (only_header && EndOfHeader(content) != std::string::npos) return false;
    if (!only_header && !is_shown) context.printer().Text(std::exchange(content, ""));
    return true;
  };
  TURNPIKE_RETURN_IF_ERROR(context.caller().Read("turnpike.spool.v1.SpoolService.ReadContent",
                                                 request, response, on_piece, target));
  if (only_header) content.resize(std::min(EndOfHeader(content), content.size()));
  context.printer().Text(is_shown ? PrintableLines(content) : content);
  return absl::OkStatus();
}

absl::Status CatMessages(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<uint64_t> ids,
                            ReadIds(context, invocation.All("ID")));
  for (const uint64_t id : ids) {
    TURNPIKE_ASSIGN_OR_RETURN(const v1::Delivery delivery, GetDelivery(context, id));
    TURNPIKE_RETURN_IF_ERROR(PrintContent(context, delivery, invocation.Has("--headers")));
  }
  return absl::OkStatus();
}

std::vector<Flag> ListFlags() {
  std::vector<Flag> flags = FilterFlags();
  flags.push_back(ShardFlag());
  flags.push_back(LimitFlag());
  return flags;
}

Argument IdArgument() {
  return {.name = "ID",
          .help =
              "deliveries: numbers as `turnpikectl messages` shows them, a message's UUID for "
              "all of its deliveries, or `-` for ids on standard input",
          .is_many = true,
          .completed_by = "message list"};
}

}  // namespace

std::vector<Command> MessageCommands() {
  return {
      {.path = "message list",
       .summary = "the deliveries in the spool",
       .details =
           "Lists deliveries: the part of a message that goes to one queue. Of one queue: by "
           "state, oldest first; of all: oldest first, but with --limit 0 shard after shard. "
           "-o name gives ids for other commands.",
       .flags = ListFlags(),
       .alias = "messages",
       .run = ListMessages},
      {.path = "message describe",
       .summary = "all about a delivery, and why it waits",
       .details = "Shows deliveries with envelope and history: what each waits for, what the last "
                  "host answered, when it is tried again.",
       .arguments = {IdArgument()},
       .run = DescribeMessages},
      {.path = "message cat",
       .summary = "print a message's content",
       .details =
           "Prints the content as it goes out, octet for octet; on a terminal with everything "
           "that could steer it made visible.",
       .arguments = {IdArgument()},
       .flags = {{.name = "--headers", .value = "", .help = "only the header"}},
       .run = CatMessages},
  };
}

}  // namespace turnpike::ctl
