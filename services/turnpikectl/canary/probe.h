// One probe of the canary: a message through the gateway and back. (PL-61)
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CANARY_PROBE_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CANARY_PROBE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/upstream/connection.h"

namespace turnpike::ctl {

// How a held message is fetched.
enum class ProbePath { kAtrn, kEtrn };

struct ProbeOptions {
  ProbePath path = ProbePath::kAtrn;
  std::string host_name;     // ours, for EHLO and the message's header
  upstream::Server submit;   // where the message is given
  std::string sender;        // `canary@example.org`
  std::string domain;        // of the recipient: a gateway's
  upstream::Server dequeue;  // where ATRN or ETRN is said, and who as
  std::string listen;        // kEtrn: where the gateway's mail comes in, address:port
  absl::Duration timeout = absl::Seconds(60);  // of the whole probe
};

struct ProbeStep {
  std::string name;  // `submit`, `collect`, `request`, `receive`, `compare`
  absl::Duration duration;
  absl::Status status;
};

struct ProbeResult {
  std::vector<ProbeStep> steps;  // to the first that failed
  absl::Duration duration;
  // Submitted, and not come back within the time: what the gateway has answered for is late or
  // lost.
  bool is_lost = false;

  bool ok() const { return steps.empty() || steps.back().status.ok(); }
};

// Submits a message with a random body, has it handed over, and compares what comes with what was
// sent, but for the trace fields before it. Other mail of the domain that comes along is taken and
// dropped. Blocks, for `timeout` and the time that looking up a name may take.
ProbeResult RunProbe(const ProbeOptions& options);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CANARY_PROBE_H_
