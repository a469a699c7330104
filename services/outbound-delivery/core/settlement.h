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
#include "services/common/smtp/reply.h"
#include "services/outbound-delivery/core/attempt.h"
#include "services/outbound-delivery/core/retry_schedule.h"

namespace turnpike::delivery {

mail::v1::Reply ToProto(const smtp::Reply& reply);

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
  absl::Duration round;                      // the mail leaves in rounds (DL-8); zero: at any time
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
