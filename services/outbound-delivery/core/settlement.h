// What the spool is told after an attempt: every recipient's fate, when the rest is tried again,
// and the notifications that are due. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_SETTLEMENT_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_SETTLEMENT_H_

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/message_id.h"
#include "services/common/dsn/report.h"
#include "services/common/routing/domain_classes.h"
#include "services/common/smtp/outgoing_message.h"
#include "services/outbound-delivery/core/retry_schedule.h"

namespace turnpike::delivery {

mail::v1::Reply ToProto(const smtp::Reply& reply);

// What became of the recipients, in their order; all by one host or by none.
struct Attempt {
  std::vector<smtp::RecipientOutcome> outcomes;  // one for each recipient of the delivery
  std::string host;            // `mx1.example.org [192.0.2.1]:25`; empty: none was reached
  bool peer_notifies = false;  // it offers DSN: notifying of success is its business
  bool is_lmtp = false;        // delivered to mailboxes
  bool is_damaged = false;     // the content is lost: what is left is set aside for an operator
};

// The content as far as it is at hand, for notifications.
struct ContentHead {
  absl::string_view bytes;
  bool is_complete = false;
};

struct SettleContext {
  absl::Time now;
  std::string host_name;               // ours
  const RetryPolicy* retry = nullptr;  // not null, nor is the next
  const routing::DomainClasses* classes = nullptr;
  double jitter_unit = 0.5;                  // in [0, 1)
  std::function<base::MessageId()> make_id;  // for notifications
};

struct SettlementPlan {
  spool::v1::Settlement settlement;
  RetryDecision retry;  // means something if a recipient is left
  int delivered = 0;    // recipients, by what became of them
  int returned = 0;
  int delayed = 0;
  // By dsn::Kind: reports, and those that nobody wanted or nobody may get.
  std::array<int, 4> notifications_queued{};
  std::array<int, 4> notifications_suppressed{};
};

// Whether a notification may be needed after such an attempt, so that the content's header is worth
// reading.
bool MayNotify(const spool::v1::LeasedDelivery& delivery, const Attempt& attempt,
               const SettleContext& context);

// `attempt.outcomes` has one entry for each of `delivery`'s recipients.
SettlementPlan PlanSettlement(const spool::v1::LeasedDelivery& delivery, const Attempt& attempt,
                              const ContentHead& content, const SettleContext& context);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_SETTLEMENT_H_
