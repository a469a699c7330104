// What is fuzzed of the listeners: takes arbitrary octets and aborts if a promise is broken. The
// libFuzzer entry point beside this file hands its input on; mutation_test.cc runs a corpus and
// mutations of it as an ordinary test.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_FUZZ_TARGETS_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_FUZZ_TARGETS_H_

#include "absl/strings/string_view.h"

namespace turnpike::frontend::fuzz {

// A balancer's header: reads alike however it is cut, takes no octet past its end or its limits,
// and what it says of a client reads back.
void FuzzProxyHeader(absl::string_view input);

}  // namespace turnpike::frontend::fuzz

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_LISTENER_FUZZ_TARGETS_H_
