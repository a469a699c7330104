// A small corpus and thousands of mutations of it, from a fixed seed: what a fuzzer would find in
// its first minutes, in every test run.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "services/smtp-frontend/listener/fuzz/targets.h"

namespace turnpike::frontend::fuzz {
namespace {

using Corpus = std::vector<std::string>;

const Corpus& Headers() {
  static const auto& headers = *new Corpus{
      "PROXY TCP4 192.0.2.1 198.51.100.25 12345 25\r\nEHLO a\r\n",
      "PROXY TCP6 2001:db8::1 2001:db8::25 65535 25\r\n",
      "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 25\r\n",
      "PROXY UNKNOWN\r\n",
      std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16) +
          std::string("\xc0\0\x02\x01\xc6\x33\x64\x19\x30\x39\0\x19", 12) + "EHLO a\r\n",
      std::string("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24", 16) + std::string(36, '\x20'),
      std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16),
      std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xf0", 16) + std::string(4080, 'x')};
  return headers;
}

std::string Mutate(std::string input, std::mt19937& random) {
  static const auto& words = *new Corpus{
      "\r\n",     "\n",       " ",   ":", "::", "65536", "UNKNOWN", "TCP6", std::string(1, '\0'),
      "\xff\xff", "\x21\x11", "\x20"};
  for (int edits = 1 + random() % 4; edits > 0; --edits) {
    const size_t position = random() % (input.size() + 1);
    switch (random() % 4) {
      case 0:
        input.insert(position, words[random() % words.size()]);
        break;
      case 1:
        input.erase(position, random() % 8);
        break;
      case 2:
        if (position < input.size()) input[position] = static_cast<char>(random());
        break;
      case 3:
        input.insert(position, Headers()[random() % Headers().size()]);
        break;
    }
  }
  return input;
}

TEST(MutationTest, ProxyHeaderKeepsItsPromises) {
  std::mt19937 random(20261122);
  for (const std::string& header : Headers()) FuzzProxyHeader(header);
  for (int i = 0; i < 20'000; ++i) {
    FuzzProxyHeader(Mutate(Headers()[random() % Headers().size()], random));
  }
}

}  // namespace
}  // namespace turnpike::frontend::fuzz
