// Changes of the dynamic screen on their way to a frontend.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SCREEN_UPDATE_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SCREEN_UPDATE_H_

#include "protos/turnpike/auth/v1/session.pb.h"

namespace turnpike::auth {

// Adds `update` to one that has not gone out yet, so that both have their effect in this order.
void MergeScreenUpdate(const v1::ScreenUpdate& update, v1::ScreenUpdate& pending);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_RPC_SCREEN_UPDATE_H_
