// The shards of the spool: `shard list|describe|drain|undrain`. (PL-24, PL-27)
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/over_shards.h"
#include "services/turnpikectl/core/message_value.h"

namespace turnpike::ctl {
namespace {

namespace v1 = spool::v1;

constexpr char kGetShard[] = "turnpike.spool.v1.ShardService.GetShard";
constexpr char kSetDraining[] = "turnpike.spool.v1.ShardService.SetDraining";
constexpr absl::Duration kLookInterval = absl::Seconds(1);
constexpr absl::Duration kWaitDefault = absl::Hours(1);

const View& ShardView() {
  static const auto* const kView =
      new View{.name = "number",
               .columns = {{"SHARD", "number"},
                           {"STATE", "state"},
                           {"DELIVERIES", "deliveries"},
                           {"BYTES", "content_bytes", Format::kBytes},
                           {"DUE", "due"},
                           {"LEASED", "leased"},
                           {"OLDEST DUE", "oldest_due_time", Format::kAge},
                           {"TARGET", "target"},
                           {"DRAIN ERROR", "drain_error", Format::kText, true}},
               .fields = {{"Shard", "number"},
                          {"Target", "target"},
                          {"State", "state"},
                          {"Deliveries", "deliveries"},
                          {"Bytes", "content_bytes", Format::kBytes},
                          {"Due", "due"},
                          {"Leased", "leased"},
                          {"Oldest due", "oldest_due_time", Format::kTime},
                          {"Drain error", "drain_error"}}};
  return *kView;
}

const char* StateOf(const v1::Shard& shard) {
  if (shard.draining()) return shard.deliveries() == 0 ? "drained" : "draining";
  return shard.accepting() ? "accepting" : "not accepting";
}

Value ShardValue(const ShardPlace& place, const v1::Shard& shard) {
  Value value = ToValue(shard);
  value.Set("state", StateOf(shard));
  value.Set("target", place.target);
  return value;
}

absl::StatusOr<v1::Shard> GetShard(Context& context, const ShardPlace& place) {
  v1::GetShardResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(kGetShard, v1::GetShardRequest(), response, {.target = place.target}));
  if (response.shard().number() != place.number) {
    return absl::FailedPreconditionError(absl::StrCat("the store at ", place.target, " is shard ",
                                                      response.shard().number(),
                                                      ", and is named as shard ", place.number));
  }
  return std::move(*response.mutable_shard());
}

absl::StatusOr<ShardPlace> PlaceOfArgument(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards, AllShards(context));
  size_t number = 0;
  if (!absl::SimpleAtoi(invocation.Get("N"), &number) || number >= shards.size()) {
    return absl::InvalidArgumentError(absl::StrCat("there is no shard `", invocation.Get("N"),
                                                   "`; they are 0 to ", shards.size() - 1));
  }
  return shards[number];
}

absl::Status ListShards(const Invocation&, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<ShardPlace> shards, AllShards(context));
  TURNPIKE_RETURN_IF_ERROR(AskEach(context, shards, [&](const ShardPlace& place) {
    const absl::StatusOr<v1::Shard> shard = GetShard(context, place);
    if (shard.ok()) {
      context.printer().Row(ShardView(), ShardValue(place, *shard));
      return absl::OkStatus();
    }
    Value value;
    value.Set("number", static_cast<int64_t>(place.number));
    value.Set("state", "away");
    value.Set("target", place.target);
    context.printer().Row(ShardView(), std::move(value));
    return shard.status();
  }));
  context.printer().End(ShardView());
  return absl::OkStatus();
}

absl::Status DescribeShard(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const ShardPlace place, PlaceOfArgument(invocation, context));
  TURNPIKE_ASSIGN_OR_RETURN(const v1::Shard shard, GetShard(context, place));
  context.printer().One(ShardView(), ShardValue(place, shard));
  return absl::OkStatus();
}

// Until it has nothing left, or until then.
absl::StatusOr<v1::Shard> AwaitDrained(Context& context, const ShardPlace& place,
                                       absl::Time deadline) {
  std::string told;
  while (true) {
    absl::StatusOr<v1::Shard> shard = GetShard(context, place);
    // A store that is restarted goes on where it was.
    if (shard.ok() && shard->deliveries() == 0) return shard;
    if (!shard.ok() && !absl::IsUnavailable(shard.status())) return shard.status();
    if (shard.ok() && shard->drain_error() != told) {
      told = shard->drain_error();
      if (!told.empty()) context.Note(absl::StrCat("shard ", place.number, ": ", told));
    }
    if (absl::Now() + kLookInterval >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "shard ", place.number, " is not empty yet",
          shard.ok() ? absl::StrCat(": ", shard->deliveries(), " deliveries are left, ",
                                    shard->leased(), " of them leased")
                     : absl::StrCat(": ", shard.status().message()),
          "; it goes on by itself, look with `turnpikectl shard describe ", place.number, "`"));
    }
    absl::SleepFor(kLookInterval);
  }
}

absl::Status SetDraining(const Invocation& invocation, Context& context, bool draining) {
  TURNPIKE_ASSIGN_OR_RETURN(const ShardPlace place, PlaceOfArgument(invocation, context));
  TURNPIKE_RETURN_IF_ERROR(GetShard(context, place).status());
  v1::SetDrainingRequest request;
  request.set_draining(draining);
  v1::SetDrainingResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(kSetDraining, request, response, {.target = place.target}));
  v1::Shard shard = std::move(*response.mutable_shard());
  std::string sentence =
      absl::StrCat("shard ", place.number,
                   draining ? absl::StrCat(" takes no new mail; ", shard.deliveries(),
                                           " deliveries are to be moved to the others")
                            : std::string(" takes mail again"));
  if (draining && invocation.Has("--wait")) {
    TURNPIKE_ASSIGN_OR_RETURN(const absl::Duration timeout,
                              invocation.Duration("--timeout", kWaitDefault));
    TURNPIKE_ASSIGN_OR_RETURN(shard, AwaitDrained(context, place, absl::Now() + timeout));
    sentence = absl::StrCat("shard ", place.number, " is empty and may be taken away");
  }
  context.printer().Done(sentence, ShardValue(place, shard));
  return absl::OkStatus();
}

Argument NumberArgument() {
  return {.name = "N", .help = "a shard's number", .completed_by = "shard list"};
}

}  // namespace

std::vector<Command> ShardCommands() {
  return {
      {.path = "shard list",
       .summary = "the stores that the spool is spread over",
       .details = "Lists the shards of the spool with what they have, and whether they take new "
                  "mail. A store alone is shard 0.",
       .alias = "shards",
       .run = ListShards},
      {.path = "shard describe",
       .summary = "the state of one shard",
       .details = "Shows a shard's figures and, while it is being emptied, why that does not get "
                  "on.",
       .arguments = {NumberArgument()},
       .run = DescribeShard},
      {.path = "shard drain",
       .summary = "move a shard's mail to the others",
       .details = "Takes a shard out of service: it takes no new mail from now on, also after a "
                  "restart, and moves what it has to the other shards, with state, times and "
                  "order. It may be taken away when it has nothing left. Shard 0 cannot be "
                  "emptied: it has what the services share.",
       .arguments = {NumberArgument()},
       .flags = {{.name = "--wait",
                  .value = "",
                  .help = "until it is empty, or --timeout (default 1h) is over"}},
       .run = [](const Invocation& invocation,
                 Context& context) { return SetDraining(invocation, context, true); }},
      {.path = "shard undrain",
       .summary = "let a shard take mail again",
       .details = "Ends `shard drain`. What has been moved stays where it is.",
       .arguments = {NumberArgument()},
       .run = [](const Invocation& invocation,
                 Context& context) { return SetDraining(invocation, context, false); }},
  };
}

}  // namespace turnpike::ctl
