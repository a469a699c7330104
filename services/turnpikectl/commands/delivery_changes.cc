#include "services/turnpikectl/commands/delivery_changes.h"

#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/common/base/message_id.h"
#include "services/common/base/status_macros.h"
#include "services/common/spooled/queue_text.h"
#include "services/turnpikectl/commands/listing.h"
#include "services/turnpikectl/core/places.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

namespace v1 = spool::v1;

constexpr char kListDeliveries[] = "turnpike.spool.v1.SpoolService.ListDeliveries";
constexpr char kUpdateDelivery[] = "turnpike.spool.v1.SpoolService.UpdateDelivery";

// [RFC3463 3.8] X.7.1: not authorized; here by whoever runs the gateway.
constexpr int kReturnCode = 550;
constexpr char kReturnEnhancedCode[] = "5.7.1";
constexpr char kReturnText[] = "Returned by the operator of the mail gateway";

const View& ResultView() {
  static const auto* const kView =
      new View{.name = "delivery_id",
               .columns = {{"ID", "delivery_id"}, {"RESULT", "result"}, {"ERROR", "error"}}};
  return *kView;
}

std::optional<v1::DeliveryState> StateOf(const std::string& name) {
  v1::DeliveryState state;
  const std::string full = absl::StrCat("DELIVERY_STATE_", absl::AsciiStrToUpper(name));
  if (!v1::DeliveryState_Parse(full, &state)) return std::nullopt;
  return state;
}

std::string Deliveries(size_t count) {
  return count == 1 ? "1 delivery" : absl::StrCat(count, " deliveries");
}

std::string WouldBe(const DeliveryChange& change, size_t count) {
  return absl::StrCat(Deliveries(count), " would be ", change.done);
}

Value Result(uint64_t id, const std::string& result, absl::string_view error = "") {
  Value row;
  row.Set("delivery_id", id);
  row.Set("result", result);
  row.Set("error", error.empty() ? Value() : Value(std::string(error)));
  return row;
}

absl::Status NoId(absl::string_view word) {
  return absl::InvalidArgumentError(
      absl::StrCat("`", Printable(word),
                   "` is no id: write a delivery's number, as `turnpikectl messages` shows it, a "
                   "message's UUID, or `-` for ids on standard input"));
}

// Sorts words into deliveries and messages.
struct Ids {
  std::vector<uint64_t> deliveries;
  std::set<std::string> messages;  // 16 octets each

  absl::Status Add(absl::string_view word) {
    uint64_t number = 0;
    if (absl::SimpleAtoi(word, &number) && number > 0) {
      deliveries.push_back(number);
      return absl::OkStatus();
    }
    const absl::StatusOr<base::MessageId> id = base::MessageId::FromString(word);
    if (!id.ok()) return NoId(word);
    messages.insert(std::string(id->bytes()));
    return absl::OkStatus();
  }
};

// The store knows no index by message, so that all deliveries are looked at, once.
absl::Status AddDeliveriesOfMessages(Context& context, Ids& ids) {
  std::set<std::string> missing = ids.messages;
  v1::ListDeliveriesRequest request;
  v1::ListDeliveriesResponse response;
  const auto look = [&](const google::protobuf::Message& element) {
    const auto& delivery = static_cast<const v1::Delivery&>(element);
    if (ids.messages.count(delivery.message_id()) > 0) {
      missing.erase(delivery.message_id());
      ids.deliveries.push_back(delivery.delivery_id());
    }
    return true;
  };
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards, AllShards(context));
  size_t away = 0;
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& shard) {
    absl::Status status =
        ForEach(context.caller(), {kListDeliveries, "deliveries", request, response},
                {.target = shard.target}, look);
    if (!status.ok()) ++away;
    return status;
  }));
  if (missing.empty()) return absl::OkStatus();
  const absl::StatusOr<base::MessageId> id = base::MessageId::FromBytes(*missing.begin());
  const std::string message = absl::StrCat("message ", id.ok() ? id->ToString() : "");
  if (away > 0) {
    return absl::UnavailableError(absl::StrCat(message, " may be in one of the ", away, " of ",
                                               shards.size(),
                                               " shards that did not answer; repeat it when they "
                                               "do"));
  }
  return absl::NotFoundError(absl::StrCat(
      message, " is not in the spool: delivered, returned or deleted, or never there"));
}

absl::Status DryRun(Context& context, const DeliveryChange& change,
                    const std::vector<uint64_t>& ids) {
  if (context.printer().is_for_people()) {
    context.printer().Text(absl::StrCat(WouldBe(change, ids.size()), "\n"));
    return absl::OkStatus();
  }
  for (const uint64_t id : ids) {
    context.printer().Row(ResultView(), Result(id, absl::StrCat("would be ", change.done)));
  }
  context.printer().End(ResultView());
  return absl::OkStatus();
}

}  // namespace

DeliveryChange RetryChange() {
  return {.doing = "Retry", .done = "made due", .set = [](v1::UpdateDeliveryRequest& request) {
            request.set_make_due(true);
          }};
}

DeliveryChange HoldChange() {
  return {.doing = "Hold", .done = "held", .set = [](v1::UpdateDeliveryRequest& request) {
            request.set_hold(true);
          }};
}

DeliveryChange RerouteChange(const mail::v1::Route& route) {
  return {
      .doing = "Reroute",
      .done = absl::StrCat("rerouted to ", RouteText(route)),
      .set = [route](v1::UpdateDeliveryRequest& request) { *request.mutable_reroute() = route; }};
}

DeliveryChange MoveChange(const v1::QueueName& queue) {
  return {
      .doing = "Move",
      .done = absl::StrCat("moved to ", spool::QueueText(queue)),
      .set = [queue](v1::UpdateDeliveryRequest& request) { *request.mutable_move_to() = queue; }};
}

DeliveryChange ReturnChange(const std::string& reason) {
  return {.doing = "Return to the sender",
          .done = "set to be returned to the sender",
          .asks = true,
          .set = [reason](v1::UpdateDeliveryRequest& request) {
            mail::v1::Reply& reply = *request.mutable_return_to_sender();
            reply.set_code(kReturnCode);
            reply.set_enhanced_code(kReturnEnhancedCode);
            reply.set_text(reason.empty() ? kReturnText : reason);
          }};
}

DeliveryChange DeleteChange() {
  return {.doing = "Delete, without a word to the sender,",
          .done = "deleted",
          .asks = true,
          .set = [](v1::UpdateDeliveryRequest& request) { request.set_delete_(true); }};
}

std::vector<Flag> FilterFlags() {
  return {{.name = "--queue",
           .value = "QUEUE",
           .help = "of this queue: gateway/customer.example, remote/example.org, local/example.net",
           .completed_by = "queue list"},
          {.name = "--sender",
           .value = "ADDRESS",
           .help = "with this return path; @example.org: any of the domain"},
          {.name = "--recipient",
           .value = "ADDRESS",
           .help = "with this recipient left; @example.org: any of the domain"},
          {.name = "--state",
           .value = "STATE",
           .help = "in this state",
           .choices = {"held", "ready", "deferred", "leased", "parked"}},
          {.name = "--unknown",
           .value = "",
           .help = "whose last attempt ended without an answer to the data"}};
}

bool HasFilter(const Invocation& invocation) {
  for (const Flag& flag : FilterFlags()) {
    if (invocation.Has(flag.name)) return true;
  }
  return false;
}

absl::StatusOr<v1::ListDeliveriesRequest> ReadFilter(const Invocation& invocation) {
  v1::ListDeliveriesRequest request;
  if (invocation.Has("--queue")) {
    TURNPIKE_ASSIGN_OR_RETURN(*request.mutable_queue(), ParseQueue(invocation.Get("--queue")));
  }
  request.set_sender(invocation.Get("--sender"));
  request.set_recipient(invocation.Get("--recipient"));
  if (const auto state = StateOf(invocation.Get("--state")); state) request.set_state(*state);
  request.set_outcome_unknown(invocation.Has("--unknown"));
  return request;
}

absl::StatusOr<std::vector<uint64_t>> FindDeliveries(Context& context,
                                                     const std::vector<ShardPlace>& shards,
                                                     v1::ListDeliveriesRequest filter) {
  std::vector<uint64_t> ids;
  v1::ListDeliveriesResponse response;
  const auto add = [&](const google::protobuf::Message& element) {
    ids.push_back(static_cast<const v1::Delivery&>(element).delivery_id());
    return true;
  };
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& shard) {
    return ForEach(context.caller(), {kListDeliveries, "deliveries", filter, response},
                   {.target = shard.target}, add);
  }));
  return ids;
}

absl::StatusOr<std::vector<uint64_t>> ReadIds(Context& context,
                                              const std::vector<std::string>& words) {
  Ids ids;
  for (const std::string& word : words) {
    if (word != "-") {
      TURNPIKE_RETURN_IF_ERROR(ids.Add(word));
      continue;
    }
    const std::string text(std::istreambuf_iterator<char>(context.in()), {});
    for (const absl::string_view id :
         absl::StrSplit(text, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty())) {
      TURNPIKE_RETURN_IF_ERROR(ids.Add(id));
    }
  }
  if (!ids.messages.empty()) TURNPIKE_RETURN_IF_ERROR(AddDeliveriesOfMessages(context, ids));
  return ids.deliveries;
}

absl::Status ExplainDelivery(uint64_t id, const absl::Status& status) {
  if (!absl::IsNotFound(status)) return status;
  return absl::NotFoundError(absl::StrCat(
      "there is no delivery ", id,
      ": its message was delivered, returned, deleted or moved to another shard, or it "
      "was never there"));
}

Flag DryRunFlag() {
  return {.name = "--dry-run", .value = "", .help = "only say what would be done"};
}

absl::Status ChangeDeliveries(Context& context, const DeliveryChange& change,
                              const std::vector<uint64_t>& ids, bool is_dry_run) {
  if (is_dry_run) return DryRun(context, change, ids);
  if (change.asks && ids.size() > 1) {
    TURNPIKE_RETURN_IF_ERROR(context.Confirm(
        absl::StrCat(change.doing, " ", Deliveries(ids.size()), "?"), WouldBe(change, ids.size())));
  }
  const bool is_for_people = context.printer().is_for_people();
  std::vector<std::string> targets;
  for (const uint64_t id : ids) {
    TURNPIKE_ASSIGN_OR_RETURN(targets.emplace_back(), TargetOfDelivery(context, id));
  }
  const std::set<std::string> stores(targets.begin(), targets.end());
  v1::UpdateDeliveryRequest request;
  change.set(request);
  const auto fill = [&](size_t i) {
    request.set_request_id(base::MessageId::Generate(absl::Now()).ToString());
    request.set_delivery_id(ids[i]);
  };
  size_t changed = 0;
  absl::Status first_failure;
  const auto on_end = [&](size_t i, const absl::Status& answer) {
    const absl::Status status = ExplainDelivery(ids[i], answer);
    if (status.ok()) ++changed;
    if (first_failure.ok()) first_failure = status;
    if (!is_for_people) {
      context.printer().Row(ResultView(),
                            Result(ids[i], status.ok() ? change.done : "failed", status.message()));
    } else if (!status.ok() && ids.size() > 1) {
      context.Note(absl::StrCat("delivery ", ids[i], ": ", status.message()));
    }
    // Nobody is there for the rest either, unless that is elsewhere.
    return !absl::IsUnavailable(status) || stores.size() > 1;
  };
  TURNPIKE_RETURN_IF_ERROR(context.caller().CallEach(
      kUpdateDelivery, ids.size(), request, v1::UpdateDeliveryResponse(), fill, on_end, targets));
  if (!is_for_people) context.printer().End(ResultView());
  if (is_for_people && (changed > 0 || ids.empty())) {
    context.printer().Text(absl::StrCat(Deliveries(changed), " ", change.done, "\n"));
  }
  if (first_failure.ok()) return absl::OkStatus();
  if (changed == 0) return first_failure;
  context.SetPartlyDone();
  return absl::OkStatus();
}

}  // namespace turnpike::ctl
