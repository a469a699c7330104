// IP addresses and networks as values: for access lists, limits and logs.
#ifndef TURNPIKE_SERVICES_COMMON_NET_IP_H_
#define TURNPIKE_SERVICES_COMMON_NET_IP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace asio::ip {
class address;
}

namespace turnpike::net {

// An IPv4 or IPv6 address. IPv4 in IPv6 (`::ffff:192.0.2.1`) is the IPv4 address, always.
//
// Thread safety: thread-compatible value type.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0

  // `192.0.2.1`, `2001:db8::1`; no brackets, no scope, no port. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text);
  // 4 or 16 octets in network order. INVALID_ARGUMENT for any other number.
  static absl::StatusOr<IpAddress> FromBytes(absl::string_view bytes);
  static IpAddress From(const asio::ip::address& address);  // drops an IPv6 scope

  bool is_v4() const { return is_v4_; }
  absl::string_view bytes() const {  // 4 or 16 octets
    return {reinterpret_cast<const char*>(bytes_.data()), is_v4_ ? size_t{4} : size_t{16}};
  }
  asio::ip::address ToAsio() const;
  std::string ToString() const;  // canonical [RFC5952]

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& address) {
    return H::combine(std::move(h), address.is_v4_, address.bytes_);
  }

 private:
  bool is_v4_ = true;
  std::array<uint8_t, 16> bytes_{};  // those after the fourth are 0 for IPv4
};

// An address and the number of its leading bits that matter.
//
// Thread safety: thread-compatible value type.
class IpNetwork {
 public:
  // `192.0.2.0/24`, `2001:db8::/32`, or a single address. Bits after the prefix are dropped. A
  // network within ::ffff:0:0/96 is the IPv4 network. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<IpNetwork> Parse(absl::string_view text);
  // The network of `address` with this prefix length, cut to what the address has: the key of
  // limits that count a neighbourhood.
  static IpNetwork Around(const IpAddress& address, size_t prefix_bits);

  bool Contains(const IpAddress& address) const;
  const IpAddress& address() const { return address_; }
  size_t prefix_bits() const { return prefix_bits_; }  // 0..32 or 0..128
  std::string ToString() const;                        // always with the prefix length

  friend bool operator==(const IpNetwork&, const IpNetwork&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpNetwork& network) {
    return H::combine(std::move(h), network.address_, network.prefix_bits_);
  }

 private:
  IpNetwork(const IpAddress& address, size_t prefix_bits)
      : address_(address), prefix_bits_(prefix_bits) {}

  IpAddress address_;
  size_t prefix_bits_;
};

}  // namespace turnpike::net

#endif  // TURNPIKE_SERVICES_COMMON_NET_IP_H_
