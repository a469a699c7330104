// Where the screen keeps what in the shared state. Keys of one kind sort by network.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_KEYS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_KEYS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/net/ip.h"

namespace turnpike::auth {

inline constexpr absl::string_view kBlockPrefix = "screen/blocked/";    // BlockRecord
inline constexpr absl::string_view kLimitPrefix = "screen/limited/";    // accounts; empty
inline constexpr absl::string_view kScreenChangeKey = "screen/change";  // its version: any change

std::string BlockKey(const net::IpNetwork& network);
std::string WatchKey(const net::IpNetwork& network);  // WatchRecord
std::optional<net::IpNetwork> NetworkOfBlockKey(absl::string_view key);

// An account by its name in any spelling (NormalUser), as 32 hexadecimal digits.
std::string AccountDigest(absl::string_view user);
std::string FailuresKey(absl::string_view digest);  // a number
std::string LimitKey(absl::string_view digest);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_SCREEN_SCREEN_KEYS_H_
