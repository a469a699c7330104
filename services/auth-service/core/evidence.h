// What the rules cannot know by themselves: answers of directories and of other servers.
//
// A rule that needs such an answer looks for it in the case's evidence. When it is not there yet,
// judging stops with a want; whoever drives it gets the answer and judges anew (rpc/inquiry.h). So
// nobody is asked anything that no rule needs, and the rules stay plain functions.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_EVIDENCE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_EVIDENCE_H_

#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace turnpike::auth {

struct Evidence {
  // The account that has an address, by its own address; nothing: no directory knows the address.
  // Keys are as Want::address.
  absl::flat_hash_map<std::string, std::optional<std::string>> owners;
  std::optional<bool> is_sender_shared;      // domain sharing has found it elsewhere (AU-20)
  std::optional<bool> has_sender_logged_in;  // at a mailbox server, lately (AU-21)
};

struct Want {
  enum class Kind {
    kOwner,        // who has `address`?
    kSharing,      // is `address` on another server?
    kRecentLogin,  // has the account `address` logged in from the client's address?
  };
  Kind kind = Kind::kOwner;
  std::string address;  // canonical, in lower case

  friend bool operator==(const Want&, const Want&) = default;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_EVIDENCE_H_
