#include "services/turnpikectl/core/waiting.h"

#include "absl/strings/str_cat.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

using spool::v1::Delivery;

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string Tries(int32_t attempts) {
  return attempts == 1 ? "It was tried once" : absl::StrCat("It was tried ", attempts, " times");
}

// `; the last time mx1.example.org [192.0.2.1]:25 answered `450 4.2.1 busy``
std::string LastAnswer(const Delivery& delivery) {
  for (const spool::v1::RecipientOutcome& outcome : delivery.last_outcomes()) {
    const std::string reply = ReplyText(ToValue(outcome.reply()));
    if (reply.empty()) continue;
    const bool reached_host = !outcome.host().empty();
    return absl::StrCat("; the last time ", reached_host ? outcome.host() : "no host was reached",
                        reached_host ? " answered `" : ": `", reply, "`");
  }
  return "";
}

std::string History(const Delivery& delivery) {
  if (delivery.attempts() == 0) return "It has not been tried yet.";
  std::string text = absl::StrCat(Tries(delivery.attempts()), LastAnswer(delivery), ".");
  if (delivery.outcome_unknown()) {
    absl::StrAppend(&text,
                    " The answer to its data was lost: the receiver may have it already, and may "
                    "get it twice.");
  }
  return text;
}

// `; the gateway is suspended (line is down)`
std::string SuspensionText(const Suspension& suspension) {
  if (!suspension.is_suspended) return "";
  return absl::StrCat("; the gateway is suspended",
                      suspension.reason.empty() ? "" : absl::StrCat(" (", suspension.reason, ")"));
}

std::string State(const Delivery& delivery, const Suspension& suspension, absl::Time now) {
  switch (delivery.state()) {
    case spool::v1::DELIVERY_STATE_HELD:
      if (delivery.queue().kind() == spool::v1::QUEUE_KIND_GATEWAY) {
        return absl::StrCat("Held until ", delivery.queue().name(),
                            " asks for it (ETRN, ATRN) or an operator releases it",
                            SuspensionText(suspension), ".");
      }
      return "Held by an operator until it is released or retried.";
    case spool::v1::DELIVERY_STATE_READY:
      return "Due: waits for a free delivery worker.";
    case spool::v1::DELIVERY_STATE_DEFERRED: {
      if (!delivery.has_next_attempt_time()) return "Waits for its next attempt.";
      const absl::Time next = ToTime(delivery.next_attempt_time());
      return absl::StrCat("Waits for its next attempt, ",
                          next <= now
                              ? "which is due"
                              : absl::StrCat("in ", AgeText(next - now), ", at ", TimeText(next)),
                          ".");
    }
    case spool::v1::DELIVERY_STATE_LEASED:
      return absl::StrCat("With the worker ",
                          delivery.worker().empty() ? "(unnamed)" : delivery.worker(),
                          " at this moment.");
    case spool::v1::DELIVERY_STATE_PARKED:
      return "Set aside: only an operator moves it (retry, return, delete).";
    default:
      return "In a state that this turnpikectl does not know: it is older than the store.";
  }
}

}  // namespace

std::string WhyItWaits(const Delivery& delivery, const Suspension& suspension, absl::Time now) {
  return absl::StrCat(State(delivery, suspension, now), " ", History(delivery));
}

}  // namespace turnpike::ctl
