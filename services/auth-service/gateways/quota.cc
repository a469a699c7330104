#include "services/auth-service/gateways/quota.h"

namespace turnpike::auth {

bool Quota::IsReached(const GatewayFigures& figures) const {
  return (messages_max > 0 && figures.messages >= messages_max) ||
         (bytes_max > 0 && figures.bytes >= bytes_max);
}

bool Quota::IsFar(const GatewayFigures& figures) const {
  return (messages_max == 0 || messages_max - figures.messages >= kFarMessages) &&
         (bytes_max == 0 || bytes_max - figures.bytes >= kFarBytes);
}

}  // namespace turnpike::auth
