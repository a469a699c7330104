// How much may be held for a gateway, and how sure we are of what is held. (DQ-2)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_QUOTA_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_QUOTA_H_

#include <cstdint>

namespace turnpike::auth {

// What waits in a gateway's queue: held, and released but not delivered yet.
struct GatewayFigures {
  int64_t messages = 0;
  int64_t bytes = 0;
};

struct Quota {
  int64_t messages_max = 0;  // 0: no limit
  int64_t bytes_max = 0;     // 0: no limit

  bool is_limited() const { return messages_max > 0 || bytes_max > 0; }
  // Nothing more is taken.
  bool IsReached(const GatewayFigures& figures) const;
  // So far from the limit that figures of a moment ago, and a verdict that is remembered for a
  // moment, do no harm: fewer messages and octets arrive in that time than there is room for.
  bool IsFar(const GatewayFigures& figures) const;
};

// Room that counts as far.
inline constexpr int64_t kFarMessages = 10'000;
inline constexpr int64_t kFarBytes = int64_t{1} << 30;

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_GATEWAYS_QUOTA_H_
