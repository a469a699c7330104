#include "services/smtp-frontend/listener/fuzz/targets.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/smtp-frontend/listener/proxy_header.h"

namespace turnpike::frontend::fuzz {
namespace {

using State = ProxyHeaderParser::State;

void Promise(bool is_kept, const char* promise) {
  if (is_kept) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

struct Outcome {
  State state = State::kNeedMore;
  std::optional<ProxyClient> client;
  size_t used = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome Read(absl::string_view input, size_t piece_bytes) {
  ProxyHeaderParser parser;
  Outcome outcome;
  while (parser.state() == State::kNeedMore && outcome.used < input.size()) {
    const absl::string_view piece = input.substr(outcome.used, piece_bytes);
    const size_t used = parser.Receive(piece);
    Promise(used <= piece.size(), "no more is taken than was given");
    Promise(used == piece.size() || parser.state() != State::kNeedMore,
            "all is taken before the end");
    outcome.used += used;
  }
  outcome.state = parser.state();
  if (outcome.state == State::kDone) outcome.client = parser.client();
  // Where a bad header was given up depends on how it was cut.
  if (outcome.state == State::kBad) outcome.used = 0;
  return outcome;
}

// As a balancer would say it.
std::string LineFor(const ProxyClient& client) {
  const std::string address = client.address.ToString();
  return absl::StrCat("PROXY ", client.address.is_v4() ? "TCP4 " : "TCP6 ", address, " ", address,
                      " ", client.port, " 25\r\n");
}

}  // namespace

void FuzzProxyHeader(absl::string_view input) {
  const Outcome whole = Read(input, input.size());
  Promise(whole.used <= std::max(kProxyLineBytesMax, kProxyBlockBytesMax), "headers are bounded");
  Promise(whole == Read(input, 1) && whole == Read(input, 5), "cuts make no difference");
  if (whole.state != State::kDone) return;
  Promise(whole == Read(input.substr(0, whole.used), whole.used), "what follows does not matter");
  if (!whole.client) return;
  const Outcome again = Read(LineFor(*whole.client), 1000);
  Promise(again.client == whole.client, "a client reads back");
}

}  // namespace turnpike::frontend::fuzz
