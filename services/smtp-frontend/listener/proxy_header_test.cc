#include "services/smtp-frontend/listener/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace turnpike::frontend {
namespace {

using State = ProxyHeaderParser::State;

const std::string& Signature() {
  static const auto& signature = *new std::string("\r\n\r\n\0\r\nQUIT\n", 12);
  return signature;
}

std::string Block(char version_and_command, char family, const std::string& rest) {
  std::string block = Signature();
  block += version_and_command;
  block += family;
  block += static_cast<char>(rest.size() >> 8);
  block += static_cast<char>(rest.size());
  return block + rest;
}

const std::string& Tcp4() {
  static const auto& addresses =
      *new std::string("\xc0\x00\x02\x01\xc6\x33\x64\x19\x30\x39\x00\x19", 12);
  return addresses;
}

// What comes of `header`, fed in pieces of `piece_bytes`; `*used` is how much was taken.
ProxyHeaderParser Parse(const std::string& header, size_t piece_bytes, size_t* used) {
  ProxyHeaderParser parser;
  *used = 0;
  while (parser.state() == State::kNeedMore && *used < header.size()) {
    *used += parser.Receive(absl::string_view(header).substr(*used, piece_bytes));
  }
  return parser;
}

// The client, however it is cut and whatever follows.
std::string ClientOf(const std::string& header) {
  std::string client;
  for (size_t piece_bytes : {size_t{1}, size_t{7}, size_t{10'000}}) {
    size_t used = 0;
    const ProxyHeaderParser parser = Parse(header + "EHLO me\r\n", piece_bytes, &used);
    if (parser.state() != State::kDone) return absl::StrCat("bad: ", parser.error());
    EXPECT_EQ(used, header.size());
    client = parser.client()
                 ? absl::StrCat(parser.client()->address.ToString(), " ", parser.client()->port)
                 : "own";
  }
  return client;
}

State StateAfter(const std::string& header) {
  size_t used = 0;
  return Parse(header, 10'000, &used).state();
}

TEST(ProxyHeaderTest, LineNamesTheClient) {
  EXPECT_EQ(ClientOf("PROXY TCP4 192.0.2.1 198.51.100.25 12345 25\r\n"), "192.0.2.1 12345");
  EXPECT_EQ(ClientOf("PROXY TCP6 2001:db8::1 2001:db8::25 65535 25\r\n"), "2001:db8::1 65535");
  EXPECT_EQ(ClientOf("PROXY TCP4 192.0.2.1 198.51.100.25 0 25\r\n"), "192.0.2.1 0");
}

TEST(ProxyHeaderTest, LongestLineThatThereIsIsTaken) {
  const std::string address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff";
  EXPECT_EQ(ClientOf(absl::StrCat("PROXY TCP6 ", address, "e ", address, "f 65535 65535\r\n")),
            absl::StrCat(address, "e 65535"));
  EXPECT_EQ(ClientOf(absl::StrCat("PROXY UNKNOWN ", address, "e ", address, "f 65535 65535\r\n")),
            "own");
}

TEST(ProxyHeaderTest, LineWithoutAClientLeavesTheConnectionsOwnAddress) {
  EXPECT_EQ(ClientOf("PROXY UNKNOWN\r\n"), "own");
  EXPECT_EQ(ClientOf("PROXY UNKNOWN what ever it says\r\n"), "own");
}

TEST(ProxyHeaderTest, LineThatIsNotQuiteOneIsBad) {
  for (const std::string line :
       {"PROXY\r\n", "PROXY \r\n", "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "PROXY TCP4 192.0.2.1 192.0.2.2 1 +2\r\n",
        "PROXY TCP4 192.0.2.1 gate 1 2\r\n", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1\r\n192.0.2.2 1 2\r\n", "PROXY UNKNOWN2\r\n"}) {
    EXPECT_EQ(StateAfter(line), State::kBad) << line;
  }
}

TEST(ProxyHeaderTest, WhatIsNoHeaderIsBadWithItsFirstOctets) {
  EXPECT_EQ(StateAfter("E"), State::kBad);
  EXPECT_EQ(StateAfter("\x16\x03\x01"), State::kBad);  // TLS
  EXPECT_EQ(StateAfter("PE"), State::kBad);
  EXPECT_EQ(StateAfter("\r\nE"), State::kBad);
  EXPECT_EQ(StateAfter("PROXY"), State::kNeedMore);
  EXPECT_EQ(StateAfter(Signature()), State::kNeedMore);
}

TEST(ProxyHeaderTest, EndlessLineIsBadAtItsLimit) {
  const std::string line = "PROXY UNKNOWN " + std::string(1000, 'x');
  size_t used = 0;
  EXPECT_EQ(Parse(line, 10'000, &used).state(), State::kBad);
  EXPECT_EQ(used, kProxyLineBytesMax);
}

TEST(ProxyHeaderTest, BlockNamesTheClient) {
  EXPECT_EQ(ClientOf(Block('\x21', '\x11', Tcp4())), "192.0.2.1 12345");
  const std::string tcp6 = "\x20\x01\x0d\xb8" + std::string(11, '\0') + "\x01" +
                           std::string(16, '\x01') + std::string("\x00\x07\x00\x19", 4);
  EXPECT_EQ(ClientOf(Block('\x21', '\x21', tcp6)), "2001:db8::1 7");
}

TEST(ProxyHeaderTest, RecordsBehindTheAddressesAreSkipped) {
  const std::string record = std::string("\x02\x00\x09", 3) + "mx.exampl" + std::string(500, '\n');
  EXPECT_EQ(ClientOf(Block('\x21', '\x11', Tcp4() + record)), "192.0.2.1 12345");
}

TEST(ProxyHeaderTest, BlockWithoutAClientLeavesTheConnectionsOwnAddress) {
  EXPECT_EQ(ClientOf(Block('\x20', '\x00', "")), "own");          // LOCAL
  EXPECT_EQ(ClientOf(Block('\x20', '\x11', Tcp4())), "own");      // LOCAL, whatever it names
  EXPECT_EQ(ClientOf(Block('\x20', '\x77', "anything")), "own");  // not even looked at
  EXPECT_EQ(ClientOf(Block('\x21', '\x00', "abc")), "own");       // unspecified
  EXPECT_EQ(ClientOf(Block('\x21', '\x31', std::string(216, '/'))), "own");
}

TEST(ProxyHeaderTest, BlockThatIsNotQuiteOneIsBad) {
  EXPECT_EQ(StateAfter(Block('\x11', '\x11', Tcp4())), State::kBad);  // version 1 in this form
  EXPECT_EQ(StateAfter(Block('\x31', '\x11', Tcp4())), State::kBad);
  EXPECT_EQ(StateAfter(Block('\x22', '\x11', Tcp4())), State::kBad);  // no such command
  EXPECT_EQ(StateAfter(Block('\x21', '\x12', Tcp4())), State::kBad);  // UDP
  EXPECT_EQ(StateAfter(Block('\x21', '\x41', Tcp4())), State::kBad);
  EXPECT_EQ(StateAfter(Block('\x21', '\x11', Tcp4().substr(1))), State::kBad);
  EXPECT_EQ(StateAfter(Block('\x21', '\x21', Tcp4())), State::kBad);
}

TEST(ProxyHeaderTest, BlockPastTheLimitIsBadBeforeItHasCome) {
  const size_t most = kProxyBlockBytesMax - 16;
  EXPECT_EQ(StateAfter(Block('\x21', '\x11', Tcp4() + std::string(most - 12, 'x'))), State::kDone);
  const std::string header = Block('\x21', '\x11', std::string(most + 1, 'x'));
  EXPECT_EQ(StateAfter(header.substr(0, 16)), State::kBad);
  EXPECT_EQ(StateAfter(Block('\x20', '\x00', std::string(65535, 'x'))), State::kBad);
}

}  // namespace
}  // namespace turnpike::frontend
