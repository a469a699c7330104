// A small corpus and thousands of mutations of it, from a fixed seed: what a fuzzer would find in
// its first minutes, in every test run.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "services/common/smtp/fuzz/targets.h"

namespace turnpike::smtp::fuzz {
namespace {

using Corpus = std::vector<std::string>;

// Pieces that matter to the grammar, put in by mutations.
const Corpus& Dictionary() {
  static const auto& words = *new Corpus{"\r\n",
                                         "\n",
                                         "\r",
                                         ".",
                                         "\r\n.\r\n",
                                         std::string(1, '\0'),
                                         " ",
                                         "<",
                                         ">",
                                         "@",
                                         "\"",
                                         "\\",
                                         "[",
                                         "]",
                                         "IPv6:",
                                         "::",
                                         ",",
                                         ":",
                                         "=",
                                         "+0A",
                                         "+",
                                         "\xc3\xbc",
                                         "\xff",
                                         "\xe2\x80\xa8",
                                         "xn--",
                                         "SIZE=",
                                         "BODY=8BITMIME",
                                         "SMTPUTF8",
                                         "NOTIFY=NEVER",
                                         "ORCPT=rfc822;a",
                                         "ENVID=x",
                                         "RET=FULL",
                                         "MAIL FROM:<a@b.c>\r\n",
                                         "RCPT TO:<a@b.c>\r\n",
                                         "DATA\r\n",
                                         "BDAT 5\r\n",
                                         "BDAT 0 LAST\r\n",
                                         "RSET\r\n",
                                         "EHLO b\r\n",
                                         "AUTH PLAIN\r\n",
                                         "250 ok\r\n",
                                         "354 go\r\n",
                                         "550 no\r\n",
                                         "250-x\r\n",
                                         "421 bye\r\n",
                                         "18446744073709551616",
                                         "99999999999999999999",
                                         "-1",
                                         "*"};
  return words;
}

std::string Mutate(std::string input, const Corpus& corpus, std::mt19937& random) {
  for (int edits = 1 + random() % 4; edits > 0; --edits) {
    const size_t position = random() % (input.size() + 1);
    switch (random() % 5) {
      case 0:
        input.insert(position, Dictionary()[random() % Dictionary().size()]);
        break;
      case 1:
        input.erase(position, random() % 8);
        break;
      case 2:
        if (position < input.size()) input[position] = static_cast<char>(random());
        break;
      case 3:
        input.insert(position, input.substr(0, position));
        break;
      case 4:
        input.insert(position, corpus[random() % corpus.size()]);
        break;
    }
  }
  if (input.size() > 4000) input.resize(4000);
  return input;
}

void RunMutations(void (*target)(absl::string_view), const Corpus& corpus, int count) {
  std::mt19937 random(20261122);
  for (const std::string& input : corpus) target(input);
  for (int i = 0; i < count; ++i) {
    target(Mutate(corpus[random() % corpus.size()], corpus, random));
  }
}

TEST(MutationTest, GrammarKeepsItsPromises) {
  RunMutations(FuzzGrammar,
               {"MAIL FROM:<ann@example.org> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=a+20b AUTH=<>",
                "MAIL FROM:<\"a b\\\"c\"@[IPv6:2001:db8::1]> SMTPUTF8",
                "RCPT TO:<@a.b,@c.d:m\xc3\xbcller@b\xc3\xbc"
                "cher.example> NOTIFY=SUCCESS,DELAY",
                "RCPT TO:<a@b.c> ORCPT=utf-8;m\\x{FC}ller@a.b", "ETRN @example.org",
                "ATRN a.example,b.example", "EHLO [192.0.2.1]", "BDAT 100 LAST",
                "AUTH PLAIN AHUAcA==", "AUTH SCRAM-SHA-256 =", "MAIL FROM:<>"},
               20'000);
}

TEST(MutationTest, ContentKeepsItsPromises) {
  RunMutations(FuzzContent,
               {"a\r\n.\r\n", "..\r\n.a\r\n\r\n.\r\nQUIT\r\n", "x\n.\n\r\n.\r\n", ".\r\n",
                std::string(60, 'x') + "\r\n.\r\n", "\r\n.\r\r\n.\r\n"},
               20'000);
}

TEST(MutationTest, ServerKeepsItsPromises) {
  RunMutations(FuzzServer,
               {"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
                "MAIL FROM:<>\r\nRCPT TO:<d@e.f>\r\nBDAT 4\r\nx\r\n.BDAT 2 LAST\r\n\r\n",
                "AUTH PLAIN\r\nAHUAcA==\r\nATRN a.example\r\n",
                "ETRN a.example\r\nRSET\r\nNOOP\r\n", "AUTH CRAM-MD5\r\n*\r\nVRFY a\r\nHELO x\r\n"},
               5'000);
}

TEST(MutationTest, ClientKeepsItsPromises) {
  const std::string open = "220 a\r\n250-a\r\n250 PIPELINING\r\n";
  const std::string chunks = "220 a\r\n250-a\r\n250-CHUNKING\r\n250 PIPELINING\r\n";
  const std::string envelope = "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n";
  RunMutations(FuzzClient,
               {open + envelope + "250 queued\r\n" + envelope + "250 queued\r\n221 bye\r\n",
                open + "250 ok\r\n550 5.1.1 no\r\n450 later\r\n354 go\r\n554 none\r\n",
                chunks + "250 ok\r\n250 ok\r\n250 ok\r\n250 done\r\n221 bye\r\n",
                "220 a\r\n500 what\r\n250 a\r\n" + envelope, open + "421 4.3.2 bye\r\n"},
               20'000);
}

}  // namespace
}  // namespace turnpike::smtp::fuzz
