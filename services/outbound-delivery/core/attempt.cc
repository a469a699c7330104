#include "services/outbound-delivery/core/attempt.h"

#include <algorithm>
#include <numeric>

#include "services/common/base/check.h"

namespace turnpike::delivery {
namespace {

bool IsRefusal(const smtp::RecipientOutcome& outcome) {
  return outcome.is_from_peer && outcome.disposition == smtp::Disposition::kPermanentFailure;
}

}  // namespace

Attempt Attempt::OfAll(size_t recipients, const smtp::RecipientOutcome& outcome, const Peer& peer) {
  Attempt attempt;
  attempt.outcomes.assign(recipients, outcome);
  attempt.peers.assign(recipients, peer);
  return attempt;
}

std::vector<size_t> OpenRecipients(const Attempt& so_far, size_t count) {
  std::vector<size_t> open;
  if (so_far.outcomes.empty()) {
    open.resize(count);
    std::iota(open.begin(), open.end(), size_t{0});
    return open;
  }
  for (size_t i = 0; i < so_far.outcomes.size(); ++i) {
    if (IsRefusal(so_far.outcomes[i])) open.push_back(i);
  }
  return open;
}

void Merge(const std::vector<size_t>& open, const std::vector<smtp::RecipientOutcome>& outcomes,
           const Attempt::Peer& peer, size_t count, Attempt* attempt) {
  TURNPIKE_CHECK(open.size() == outcomes.size());
  const bool is_first = attempt->outcomes.empty();
  attempt->outcomes.resize(count);
  attempt->peers.resize(count);
  for (size_t i = 0; i < open.size(); ++i) {
    const smtp::RecipientOutcome& outcome = outcomes[i];
    const bool says_more =
        outcome.disposition == smtp::Disposition::kDelivered ||
        outcome.disposition == smtp::Disposition::kUnknown ||
        (outcome.is_from_peer && outcome.disposition == smtp::Disposition::kTransientFailure);
    if (!is_first && !says_more) continue;
    attempt->outcomes[open[i]] = outcome;
    attempt->peers[open[i]] = peer;
  }
}

bool HasRefusal(const Attempt& attempt) {
  return std::any_of(attempt.outcomes.begin(), attempt.outcomes.end(), IsRefusal);
}

void SoftenRefusals(Attempt* attempt) {
  for (smtp::RecipientOutcome& outcome : attempt->outcomes) {
    if (IsRefusal(outcome)) outcome.disposition = smtp::Disposition::kTransientFailure;
  }
}

}  // namespace turnpike::delivery
