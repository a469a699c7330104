// The canary's own host: takes mail by SMTP and keeps its content.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CANARY_RECEIVER_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CANARY_RECEIVER_H_

#include <asio/awaitable.hpp>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/net/stream.h"

namespace turnpike::ctl {

// Serves one session as a server that takes every message, of 1 MiB at most, until its client ends
// it. `on_message` gets each content before it is answered. OK after QUIT or an orderly close;
// DEADLINE_EXCEEDED, UNAVAILABLE. The caller closes the stream.
asio::awaitable<absl::Status> ReceiveMail(net::Stream& stream, std::string host_name,
                                          absl::Time deadline,
                                          std::function<void(std::string content)> on_message);

// The content without the trace fields that hosts have put before it: Received and Return-Path
// [RFC5321 4.4].
absl::string_view WithoutTrace(absl::string_view content);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CANARY_RECEIVER_H_
