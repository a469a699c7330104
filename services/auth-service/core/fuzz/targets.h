// What is fuzzed: each takes arbitrary octets and aborts if a promise is broken. The libFuzzer
// entry points beside this file hand their input on; mutation_test.cc runs a corpus and mutations
// of it as an ordinary test.
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_CORE_FUZZ_TARGETS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_CORE_FUZZ_TARGETS_H_

#include "absl/strings/string_view.h"

namespace turnpike::auth::fuzz {

// A header section: what is read has addresses, which read alike when they are written down again,
// and a further From: field is always noticed.
void FuzzFromHeader(absl::string_view input);

// A client's messages, one a line, to every mechanism: nobody gets in without the password.
void FuzzSasl(absl::string_view input);

}  // namespace turnpike::auth::fuzz

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_CORE_FUZZ_TARGETS_H_
