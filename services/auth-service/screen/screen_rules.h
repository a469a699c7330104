// The dynamic screen as arithmetic on records: when failures become a block, and for how long.
// (AU-22)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_RULES_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_RULES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/auth.pb.h"
#include "services/auth-service/core/screen.h"
#include "services/auth-service/screen/records.pb.h"
#include "services/common/net/ip.h"

namespace turnpike::auth {

// dynamic_screening.* as values.
struct ScreenRules {
  bool is_enabled = true;
  size_t failures_max = 5;  // this many block; > 0
  absl::Duration window = absl::Minutes(10);
  absl::Duration block_time = absl::Hours(1);  // of the first block; each next one is twice as long
  absl::Duration block_time_max = absl::Hours(24);
  std::vector<net::IpNetwork> allowed;  // never blocked
  size_t entries_max = 100'000;

  // `config` is complete and checked.
  static ScreenRules From(const config::v1::DynamicScreening& config);

  bool IsAllowed(const net::IpAddress& address) const;
  // Whether the network shares an address with an allowed one.
  bool OverlapsAllowed(const net::IpNetwork& network) const;
};

// What the screen goes by; replaced as a whole when the configuration changes.
struct ScreenSettings {
  ScreenRules rules;
  uint32_t account_failures_max = 50;                          // auth.account_failures_max
  absl::Duration account_failures_window = absl::Minutes(10);  // auth.account_failures_window
};

// What is counted, and blocked, as one: an IPv4 address, an IPv6 /64.
net::IpNetwork ScreenedNetwork(const net::IpAddress& address);

// The user by any spelling (case, U-labels): what failures of an account are counted by.
std::string NormalUser(absl::string_view user);

// What an attempt has in common with the same one again; 0 if nobody can tell.
uint32_t MarkOf(const LoginAttempt& attempt);

enum class FailureEffect {
  kCounted,
  kRepeated,  // the same wrong password for the same account: a forgotten phone is no attacker
  kBlocks,    // that was one too many
};

// Adds a failure to the network's record, from which those before the window have gone.
FailureEffect AddFailure(const ScreenRules& rules, uint32_t mark, absl::Time now,
                         WatchRecord& watch);

// The block that follows on `earlier`, the network's record if it has one. Twice as long as the
// last one if that is still remembered.
BlockRecord NextBlock(const ScreenRules& rules, const std::optional<BlockRecord>& earlier,
                      absl::string_view reason, absl::Time now);

bool IsInForce(const BlockRecord& block, absl::Time now);

// How long from now a record is to be kept: past its end, so that the next block is longer. Nothing
// for a block that only ends when it is removed.
std::optional<absl::Duration> TimeToKeep(const ScreenRules& rules, const BlockRecord& block,
                                         absl::Time now);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_RULES_H_
