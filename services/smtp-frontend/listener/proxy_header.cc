#include "services/smtp-frontend/listener/proxy_header.h"

#include <algorithm>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace turnpike::frontend {
namespace {

constexpr absl::string_view kLineStart = "PROXY ";
constexpr absl::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
// Signature, version and command, family and protocol, length.
constexpr size_t kFixedBytes = 16;

// The second octet after the signature: address family and transport.
constexpr uint8_t kUnspecified = 0x00;
constexpr uint8_t kTcp4 = 0x11;
constexpr uint8_t kTcp6 = 0x21;
constexpr uint8_t kUnixStream = 0x31;

uint8_t OctetAt(absl::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

uint16_t NumberAt(absl::string_view bytes, size_t i) {
  return static_cast<uint16_t>(OctetAt(bytes, i) << 8 | OctetAt(bytes, i + 1));
}

// Whether one of the two is the beginning of the other.
bool AgreeSoFar(absl::string_view a, absl::string_view b) {
  const size_t length = std::min(a.size(), b.size());
  return a.substr(0, length) == b.substr(0, length);
}

// Decimal, without a sign, a blank, or a zero in front.
std::optional<uint16_t> ParsePort(absl::string_view text) {
  const bool has_digits_only =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > 5 || !has_digits_only) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  uint32_t port;
  if (!absl::SimpleAtoi(text, &port) || port > UINT16_MAX) return std::nullopt;
  return static_cast<uint16_t>(port);
}

// In the notation of the family that the line names; a colon is in every IPv6 address, and in no
// IPv4 one.
std::optional<net::IpAddress> ParseAddress(absl::string_view text, bool is_v6) {
  if ((text.find(':') != absl::string_view::npos) != is_v6) return std::nullopt;
  const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(text);
  if (!address.ok()) return std::nullopt;
  return *address;
}

}  // namespace

size_t ProxyHeaderParser::Receive(absl::string_view bytes) {
  // The first octet tells which of the two it is, and each that follows whether it still is.
  const char first = header_.empty() ? bytes[0] : header_[0];
  if (first == kLineStart[0]) return ReceiveLine(bytes);
  if (first == kSignature[0]) return ReceiveBlock(bytes);
  Fail("no PROXY header");
  return 0;
}

void ProxyHeaderParser::Fail(absl::string_view error) {
  state_ = State::kBad;
  error_ = error;
}

// --- Version 1 ---

size_t ProxyHeaderParser::ReceiveLine(absl::string_view bytes) {
  const size_t newline = bytes.find('\n');
  const bool is_complete = newline != absl::string_view::npos;
  const size_t count =
      std::min(is_complete ? newline + 1 : bytes.size(), kProxyLineBytesMax - header_.size());
  header_.append(bytes.data(), count);
  if (!AgreeSoFar(header_, kLineStart)) {
    Fail("no PROXY header");
  } else if (header_.back() == '\n') {
    ParseLine();
  } else if (header_.size() == kProxyLineBytesMax) {
    Fail("the line is too long");
  }
  return count;
}

void ProxyHeaderParser::ParseLine() {
  absl::string_view line = header_;
  if (!absl::ConsumePrefix(&line, kLineStart) || !absl::ConsumeSuffix(&line, "\r\n")) {
    return Fail("the line does not end in CRLF");
  }
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words[0] == "UNKNOWN") {
    state_ = State::kDone;  // whatever follows
    return;
  }
  const bool is_v6 = words[0] == "TCP6";
  if (!is_v6 && words[0] != "TCP4") return Fail("the protocol is not known");
  if (words.size() != 5) return Fail("the line has not the words that it should");
  const std::optional<net::IpAddress> source = ParseAddress(words[1], is_v6);
  const std::optional<uint16_t> source_port = ParsePort(words[3]);
  if (!source || !source_port || !ParseAddress(words[2], is_v6) || !ParsePort(words[4])) {
    return Fail("an address or a port is none");
  }
  client_ = ProxyClient{.address = *source, .port = *source_port};
  state_ = State::kDone;
}

// --- Version 2 ---

size_t ProxyHeaderParser::ReceiveBlock(absl::string_view bytes) {
  size_t used = 0;
  while (state_ == State::kNeedMore && used < bytes.size()) {
    const size_t count = std::min(bytes.size() - used, BlockBytes() - header_.size());
    header_.append(bytes.data() + used, count);
    used += count;
    if (!AgreeSoFar(header_, kSignature)) {
      Fail("no PROXY header");
    } else if (header_.size() >= kFixedBytes && BlockBytes() > kProxyBlockBytesMax) {
      Fail("the header is too long");
    } else if (header_.size() >= kFixedBytes && header_.size() == BlockBytes()) {
      ParseBlock();
    }
  }
  return used;
}

size_t ProxyHeaderParser::BlockBytes() const {
  return header_.size() < kFixedBytes ? kFixedBytes : kFixedBytes + NumberAt(header_, 14);
}

void ProxyHeaderParser::ParseBlock() {
  const uint8_t version_and_command = OctetAt(header_, 12);
  if (version_and_command >> 4 != 2) return Fail("the version is not known");
  const uint8_t command = version_and_command & 0x0f;
  if (command == 0) {  // LOCAL: the balancer itself; addresses do not count
    state_ = State::kDone;
    return;
  }
  if (command != 1) return Fail("the command is not known");
  const uint8_t family = OctetAt(header_, 13);
  // What follows the addresses are records about the connection, which nothing here needs.
  const absl::string_view rest = absl::string_view(header_).substr(kFixedBytes);
  if (family == kUnspecified || family == kUnixStream) {
    state_ = State::kDone;
    return;
  }
  if (family != kTcp4 && family != kTcp6) return Fail("the protocol is not TCP");
  const size_t address_bytes = family == kTcp4 ? 4 : 16;
  if (rest.size() < 2 * address_bytes + 4) return Fail("the addresses are cut off");
  client_ = ProxyClient{.address = *net::IpAddress::FromBytes(rest.substr(0, address_bytes)),
                        .port = NumberAt(rest, 2 * address_bytes)};
  state_ = State::kDone;
}

}  // namespace turnpike::frontend
