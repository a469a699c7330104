#include "services/common/net/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <asio/ip/address.hpp>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace turnpike::net {
namespace {

constexpr uint8_t kV4MappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr size_t kV4MappedPrefixBits = 96;

absl::Status NotAn(absl::string_view what, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("not an IP ", what, ": ", absl::CHexEscape(text.substr(0, 64))));
}

// The leading `bits` of `address`, the others 0.
IpAddress Masked(const IpAddress& address, size_t bits) {
  std::string bytes(address.bytes());
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t kept = std::min<size_t>(8, bits - std::min(bits, i * 8));
    bytes[i] = static_cast<char>(static_cast<uint8_t>(bytes[i]) & (0xff00 >> kept));
  }
  // Cannot fail for its length. An IPv6 address may have become one that stands for IPv4 only if it
  // stood for it before, and then it would not be IPv6 here.
  return *IpAddress::FromBytes(bytes);
}

}  // namespace

absl::StatusOr<IpAddress> IpAddress::Parse(absl::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof(terminated) || absl::StrContains(text, '\0')) {
    return NotAn("address", text);
  }
  text.copy(terminated, text.size());
  char bytes[16];
  if (inet_pton(AF_INET, terminated, bytes) == 1) return FromBytes({bytes, 4});
  if (inet_pton(AF_INET6, terminated, bytes) == 1) return FromBytes({bytes, 16});
  return NotAn("address", text);
}

absl::StatusOr<IpAddress> IpAddress::FromBytes(absl::string_view bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) {
    return absl::InvalidArgumentError(
        absl::StrCat("an IP address has 4 or 16 octets, not ", bytes.size()));
  }
  if (bytes.size() == 16 && memcmp(bytes.data(), kV4MappedPrefix, sizeof(kV4MappedPrefix)) == 0) {
    bytes.remove_prefix(sizeof(kV4MappedPrefix));
  }
  IpAddress address;
  address.is_v4_ = bytes.size() == 4;
  memcpy(address.bytes_.data(), bytes.data(), bytes.size());
  return address;
}

IpAddress IpAddress::From(const asio::ip::address& address) {
  if (address.is_v4()) {
    const auto bytes = address.to_v4().to_bytes();
    return *FromBytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  const auto bytes = address.to_v6().to_bytes();
  return *FromBytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

asio::ip::address IpAddress::ToAsio() const {
  if (is_v4_) {
    asio::ip::address_v4::bytes_type bytes;
    std::copy_n(bytes_.begin(), bytes.size(), bytes.begin());
    return asio::ip::address_v4(bytes);
  }
  asio::ip::address_v6::bytes_type bytes;
  std::copy_n(bytes_.begin(), bytes.size(), bytes.begin());
  return asio::ip::address_v6(bytes);
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(is_v4_ ? AF_INET : AF_INET6, bytes_.data(), text, sizeof(text));
}

absl::StatusOr<IpNetwork> IpNetwork::Parse(absl::string_view text) {
  const size_t slash = text.find('/');
  const absl::string_view address_text = text.substr(0, slash);
  absl::StatusOr<IpAddress> address = IpAddress::Parse(address_text);
  if (!address.ok()) return NotAn("address or network", text);
  const bool written_as_v6 = absl::StrContains(address_text, ':');
  const size_t bits_max = written_as_v6 ? 128 : 32;
  size_t bits = bits_max;
  if (slash != absl::string_view::npos) {
    const absl::string_view digits = text.substr(slash + 1);
    const bool plain = !digits.empty() && digits.size() <= 3 &&
                       digits.find_first_not_of("0123456789") == absl::string_view::npos;
    uint32_t value = 0;
    if (!plain || !absl::SimpleAtoi(digits, &value) || value > bits_max) {
      return NotAn("network", text);
    }
    bits = value;
  }
  if (written_as_v6 && address->is_v4()) {
    // Shorter prefixes would mean IPv6 addresses too, by an address that stands for none.
    if (bits < kV4MappedPrefixBits) return NotAn("network", text);
    bits -= kV4MappedPrefixBits;
  }
  return Around(*address, bits);
}

IpNetwork IpNetwork::Around(const IpAddress& address, size_t prefix_bits) {
  const size_t bits = std::min(prefix_bits, address.bytes().size() * 8);
  return IpNetwork(Masked(address, bits), bits);
}

bool IpNetwork::Contains(const IpAddress& address) const {
  return address.is_v4() == address_.is_v4() && Masked(address, prefix_bits_) == address_;
}

std::string IpNetwork::ToString() const {
  return absl::StrCat(address_.ToString(), "/", prefix_bits_);
}

}  // namespace turnpike::net
