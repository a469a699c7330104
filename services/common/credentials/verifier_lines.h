// Makes the lines that ParseVerifiers reads, with fresh salt. (AU-23)
#ifndef TURNPIKE_SERVICES_COMMON_CREDENTIALS_VERIFIER_LINES_H_
#define TURNPIKE_SERVICES_COMMON_CREDENTIALS_VERIFIER_LINES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {

// What checking one password by argon2id costs: 19 MiB and some 20 ms.
inline constexpr int kArgon2Passes = 2;
inline constexpr int kArgon2Kibibytes = 19456;

inline constexpr int kScramIterationsDefault = 10'000;

// What a password must be that can be sent by every mechanism: 1 to kPasswordBytesMax octets of
// UTF-8 without control characters. INVALID_ARGUMENT, which holds nothing of it.
absl::Status CheckNewPassword(absl::string_view password);

// `$argon2id$v=19$m=19456,t=2,p=1$…`: for PLAIN and LOGIN. RESOURCE_EXHAUSTED without the memory.
absl::StatusOr<std::string> MakeArgon2Line(absl::string_view password);

// `SCRAM-SHA-256$10000:…`: for SCRAM, and for PLAIN and LOGIN. Of the form that clients give a
// password before they hash it, which is the same for ASCII. [RFC5802 2.2] [RFC4013]
// INVALID_ARGUMENT: clients refuse such a password. `iterations`: kScramIterationsMin to
// kScramIterationsMax.
absl::StatusOr<std::string> MakeScramLine(HashKind hash, absl::string_view password,
                                          int iterations);

// `{CRAM-MD5}…`: for CRAM-MD5. As good as the password for that mechanism.
std::string MakeCramMd5Line(absl::string_view password);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_COMMON_CREDENTIALS_VERIFIER_LINES_H_
