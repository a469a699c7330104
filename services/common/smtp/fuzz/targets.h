// What is fuzzed: each takes arbitrary octets and aborts if a promise is broken. The libFuzzer
// entry points beside this file hand their input on; mutation_test.cc runs a corpus and mutations
// of it as an ordinary test.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_FUZZ_TARGETS_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_FUZZ_TARGETS_H_

#include "absl/strings/string_view.h"

namespace turnpike::smtp::fuzz {

// One command line: what is understood prints and reads back, and holds nothing that ends a line.
void FuzzGrammar(absl::string_view input);

// What follows DATA: reads alike however it is cut; what decodes cleanly encodes back.
void FuzzContent(absl::string_view input);

// A client's words, after EHLO: replies are well formed and events alike however it is cut.
void FuzzServer(absl::string_view input);

// A server's words, while a message is sent: no CR or LF alone ever goes out, every recipient has
// one outcome, and none is delivered without a 2xx.
void FuzzClient(absl::string_view input);

}  // namespace turnpike::smtp::fuzz

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_FUZZ_TARGETS_H_
