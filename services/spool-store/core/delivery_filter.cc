#include "services/spool-store/core/delivery_filter.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace turnpike::spool {

AddressPattern::AddressPattern(absl::string_view text) : text_(absl::AsciiStrToLower(text)) {}

bool AddressPattern::Matches(absl::string_view address) const {
  if (text_.empty()) return true;
  if (text_.front() != '@') return absl::EqualsIgnoreCase(address, text_);
  const size_t at = address.rfind('@');
  return at != address.npos && absl::EqualsIgnoreCase(address.substr(at), text_);
}

DeliveryFilter::DeliveryFilter(const v1::ListDeliveriesRequest& request)
    : sender_(request.sender()),
      recipient_(request.recipient()),
      is_any_recipient_(request.recipient().empty()),
      outcome_unknown_(request.outcome_unknown()) {}

bool DeliveryFilter::MatchesRecord(const records::DeliveryRecord& record) const {
  if (outcome_unknown_ && !record.outcome_unknown()) return false;
  return is_any_recipient_ || std::any_of(record.recipients().begin(), record.recipients().end(),
                                          [&](const auto& recipient) {
                                            return recipient_.Matches(recipient.address());
                                          });
}

}  // namespace turnpike::spool
