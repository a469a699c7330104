// Random octets that nobody can guess, and jitter.
#ifndef TURNPIKE_SERVICES_COMMON_BASE_RANDOM_H_
#define TURNPIKE_SERVICES_COMMON_BASE_RANDOM_H_

#include <cstdint>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace turnpike::base {

// Fills `out` from the kernel's generator by way of a per-thread stock, so that a few octets cost
// some nanoseconds. Good for keys, nonces and session ids; octets given out are wiped from the
// stock. Thread-safe. Not for use in a child between fork and exec: it would share the stock.
void FillRandom(absl::Span<uint8_t> out);

// The same as a number.
uint64_t RandomUint64();

// Uniform in [0, 1).
double RandomUnit();

// `base` moved evenly within ± `fraction` of itself, so that many clients do not come back at one
// moment. `fraction` is in 0..1; `unit`, in [0, 1), decides where, for tests.
absl::Duration Jitter(absl::Duration base, double fraction, double unit = RandomUnit());

}  // namespace turnpike::base

#endif  // TURNPIKE_SERVICES_COMMON_BASE_RANDOM_H_
