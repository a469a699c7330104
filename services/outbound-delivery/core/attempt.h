// What became of a delivery's recipients in one attempt, which may take more than one host. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ATTEMPT_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ATTEMPT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "services/common/smtp/outgoing_message.h"

namespace turnpike::delivery {

struct Attempt {
  // Who decided a recipient's fate.
  struct Peer {
    std::string host;       // `mx1.example.org [192.0.2.1]:25`; empty: none was reached
    bool notifies = false;  // it offers DSN: notifying of success is its business
  };

  // One of each for each recipient of the delivery, in their order; empty: nothing was tried yet.
  std::vector<smtp::RecipientOutcome> outcomes;
  std::vector<Peer> peers;

  bool is_lmtp = false;     // delivered to mailboxes
  bool is_damaged = false;  // the content is lost: what is left is set aside for an operator

  // The same outcome, by the same peer, for all.
  static Attempt OfAll(size_t recipients, const smtp::RecipientOutcome& outcome, const Peer& peer);
};

// The recipients that a host is to be offered: all of `count`, or those that every host asked in
// this attempt has refused for good (DL-32).
std::vector<size_t> OpenRecipients(const Attempt& so_far, size_t count);

// A host's answers for `open` (one each, in their order) on top of what earlier hosts said. A
// refusal stays what it was, with the first host's words, unless this host took the recipient or
// answered 4xx: then the mail is not returned (DL-32).
void Merge(const std::vector<size_t>& open, const std::vector<smtp::RecipientOutcome>& outcomes,
           const Attempt::Peer& peer, size_t count, Attempt* attempt);

// Whether a host has refused a recipient for good.
bool HasRefusal(const Attempt& attempt);

// Refusals of hosts count as failures for now; their words stay (DL-33).
void SoftenRefusals(Attempt* attempt);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_ATTEMPT_H_
