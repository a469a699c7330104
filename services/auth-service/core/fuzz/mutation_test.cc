// A small corpus and thousands of mutations of it, from a fixed seed: what a fuzzer would find in
// its first minutes, in every test run.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/auth-service/core/fuzz/targets.h"

namespace turnpike::auth::fuzz {
namespace {

using Corpus = std::vector<std::string>;
using std::string_literals::operator""s;

const Corpus& Headers() {
  static const auto& corpus = *new Corpus{
      "From: ann@a.example\r\n",
      "From: Ann Other <ann@a.example>\r\nTo: x\r\n",
      "From: \"Other, Ann\" <ann@a.example>, bob@b.example (Bob (B))\r\n",
      "From: Us: ann@a.example, Bob <bob@b.example>;\r\n",
      "From: =?utf-8?q?J=C3=B6rg?=\r\n <joerg@a.example>\r\n",
      "From: J\u00f6rg <j\u00f6rg@m\u00fcnchen.example>\r\n",
      "From: \"a@b\"@a.example, <ann@[192.0.2.1]>\r\n",
      "Subject: x\r\nfRoM :\r\n\tann@a.example\r\n\r\n",
  };
  return corpus;
}

const Corpus& Messages() {
  static const auto& corpus = *new Corpus{
      "\0ann@a.example\0secret"s,
      "ann@a.example\nsecret",
      "ann@a.example 0123456789abcdef0123456789abcdef",
      "n,,n=ann@a.example,r=abc\nc=biws,r=abc3rfcNHYJY1ZVvWVs7j,p="
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
      "p=tls-exporter,,n=ann@a.example,r=abc\nc=cD10bHMtZXhwb3J0ZXIsLGU=,r=abc3rfcNHYJY1ZVvWVs7j,p="
      "AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
      "y,a=ann@a.example,n=ann=2Cx=3D@a.example,r=abc\n",
  };
  return corpus;
}

std::string Mutate(const Corpus& corpus, const Corpus& words, std::mt19937& random) {
  std::string input = corpus[random() % corpus.size()];
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
        input.insert(position, corpus[random() % corpus.size()]);
        break;
    }
  }
  return input;
}

void RunMutations(void (*target)(absl::string_view), const Corpus& corpus, const Corpus& words,
                  int count) {
  std::mt19937 random(20261122);
  for (const std::string& input : corpus) target(input);
  for (int i = 0; i < count; ++i) target(Mutate(corpus, words, random));
}

TEST(MutationTest, FromHeaderKeepsItsPromises) {
  RunMutations(
      FuzzFromHeader, Headers(),
      {"\r\n",       "\r\n ", "\"", "\\", "(", ")",  "<",   ">",    "@",      ",",     ";", ":",
       "=?utf-8?q?", "?=",    "[",  "]",  " ", "\t", "\0"s, "\xff", "\u00fc", "From:", "."},
      20'000);
}

TEST(MutationTest, NobodyGetsInByMutations) {
  RunMutations(FuzzSasl, Messages(),
               {"\n", ",", "=", "\0"s, "n,,", "y,,", "p=", "p=tls-server-end-point,",
                "r=", "c=", "m=x,", "@", "biws", "\xff", "a="},
               3'000);
}

}  // namespace
}  // namespace turnpike::auth::fuzz
