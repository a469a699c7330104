// One page of a list of sessions. Pure.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_RPC_SESSION_PAGE_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_RPC_SESSION_PAGE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "protos/turnpike/frontend/v1/frontend.pb.h"

namespace turnpike::frontend {

// The page of `sessions` (in any order) that `request` asks for, oldest first. Sessions that begin
// or end between two requests move no others from page to page. INVALID_ARGUMENT for a page token
// that is none of ours, or a page size out of its range.
absl::StatusOr<v1::ListSessionsResponse> PageOf(std::vector<v1::Session> sessions,
                                                const v1::ListSessionsRequest& request);

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_RPC_SESSION_PAGE_H_
