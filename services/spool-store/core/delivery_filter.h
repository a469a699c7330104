// Which deliveries a listing is of.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_DELIVERY_FILTER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_DELIVERY_FILTER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/spool-store/core/records.pb.h"

namespace turnpike::spool {

// An address, or all of a domain as `@example.org`. ASCII letters match in either case.
class AddressPattern {
 public:
  explicit AddressPattern(absl::string_view text);
  // An empty pattern matches all.
  bool Matches(absl::string_view address) const;

 private:
  const std::string text_;  // lower case
};

// All that ListDeliveriesRequest asks for but the queue and the state. Thread-compatible.
class DeliveryFilter {
 public:
  explicit DeliveryFilter(const v1::ListDeliveriesRequest& request);

  // What the delivery's own record shows; only then is its message looked at.
  bool MatchesRecord(const records::DeliveryRecord& record) const;
  bool MatchesEnvelope(const turnpike::mail::v1::Envelope& envelope) const {
    return sender_.Matches(envelope.return_path());
  }

 private:
  const AddressPattern sender_;
  const AddressPattern recipient_;
  const bool is_any_recipient_;
  const bool outcome_unknown_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_DELIVERY_FILTER_H_
