// The SMTP client: a smtp::ClientEngine on a net::Stream. Used by outbound-delivery, by the reversed
// half of ATRN, and by the ODMR and ETRN clients.
//
// Strand-confined, like its stream.
#ifndef TURNPIKE_SERVICES_COMMON_NET_SMTP_CLIENT_H_
#define TURNPIKE_SERVICES_COMMON_NET_SMTP_CLIENT_H_

#include <asio/awaitable.hpp>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/net/stream.h"
#include "services/common/smtp/client_engine.h"

namespace turnpike::net {

struct SmtpTimeouts {  // [RFC5321 4.5.3.2]
  absl::Duration greeting = absl::Minutes(5);
  absl::Duration command = absl::Minutes(5);
  absl::Duration data_block = absl::Minutes(3);
  absl::Duration end_of_data = absl::Minutes(10);
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_SMTP_CLIENT_H_
