#include "services/auth-service/screen/screen_keys.h"

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/auth-service/screen/screen_rules.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

constexpr absl::string_view kWatchPrefix = "screen/watched/";
constexpr absl::string_view kFailuresPrefix = "screen/failures/";

// `4/c0000201/032`: the address in hexadecimal digits, then the prefix length.
std::string NetworkKey(const net::IpNetwork& network) {
  return absl::StrCat(network.address().is_v4() ? "4/" : "6/",
                      absl::BytesToHexString(network.address().bytes()), "/",
                      absl::Dec(network.prefix_bits(), absl::kZeroPad3));
}

}  // namespace

std::string BlockKey(const net::IpNetwork& network) {
  return absl::StrCat(kBlockPrefix, NetworkKey(network));
}

std::string WatchKey(const net::IpNetwork& network) {
  return absl::StrCat(kWatchPrefix, NetworkKey(network));
}

std::optional<net::IpNetwork> NetworkOfBlockKey(absl::string_view key) {
  if (!absl::ConsumePrefix(&key, kBlockPrefix)) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(key, '/');
  uint32_t bits = 0;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[2], &bits)) return std::nullopt;
  const absl::StatusOr<net::IpAddress> address =
      net::IpAddress::FromBytes(absl::HexStringToBytes(parts[1]));
  if (!address.ok()) return std::nullopt;
  return net::IpNetwork::Around(*address, bits);
}

std::string AccountDigest(absl::string_view user) {
  return absl::BytesToHexString(Sha256(NormalUser(user)).substr(0, 16));
}

std::string FailuresKey(absl::string_view digest) { return absl::StrCat(kFailuresPrefix, digest); }

std::string LimitKey(absl::string_view digest) { return absl::StrCat(kLimitPrefix, digest); }

}  // namespace turnpike::auth
