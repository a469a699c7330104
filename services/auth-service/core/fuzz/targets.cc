#include "services/auth-service/core/fuzz/targets.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/auth-service/core/from_header.h"
#include "services/auth-service/core/mechanisms.h"
#include "services/auth-service/store/config_directory.h"
#include "services/common/base/check.h"

namespace turnpike::auth::fuzz {
namespace {

constexpr Mechanism kMechanisms[] = {Mechanism::kScramSha256Plus, Mechanism::kScramSha1Plus,
                                     Mechanism::kScramSha256,     Mechanism::kScramSha1,
                                     Mechanism::kExternal,        Mechanism::kCramMd5,
                                     Mechanism::kPlain,           Mechanism::kLogin};

// Nobody who knows no more than this file can log in as its one account.
std::shared_ptr<const ConfigDirectory> Directory() {
  config::v1::Config config;
  config.add_accounts()->set_address("ann@a.example");
  config.mutable_accounts(0)->set_password(
      "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  return *ConfigDirectory::Create(config);
}

SaslStep FinishStep(SaslExchange& exchange, const LoginDirectory& directory, SaslStep step) {
  while (step.kind == SaslStep::Kind::kLookup || step.kind == SaslStep::Kind::kWork) {
    if (step.kind == SaslStep::Kind::kWork) {
      step = exchange.Work();
      continue;
    }
    const Login* found = directory.Find(exchange.user(), exchange.audience());
    step = exchange.OnLogin(found == nullptr ? nullptr : std::make_shared<const Login>(*found));
  }
  return step;
}

}  // namespace

void FuzzFromHeader(absl::string_view input) {
  const FromHeader from = ReadFromHeader(input);
  const bool is_readable = from.problem == FromHeader::Problem::kNone;
  TURNPIKE_CHECK(from.addresses.size() <= kFromAddressesMax);
  if (!is_readable) return;
  TURNPIKE_CHECK(!from.addresses.empty());
  std::vector<std::string> texts;
  for (const smtp::Mailbox& address : from.addresses) texts.push_back(address.ToString());
  const FromHeader again = ReadFromHeader(absl::StrCat("From: ", absl::StrJoin(texts, ", ")));
  TURNPIKE_CHECK(again.addresses == from.addresses);
  // Whatever there is in front or behind.
  for (const std::string& more : {absl::StrCat("From: x@y.example\r\n", input),
                                  absl::StrCat(input, "\r\nfrom : x@y.example\r\n")}) {
    TURNPIKE_CHECK(ReadFromHeader(more).problem != FromHeader::Problem::kNone);
  }
}

void FuzzSasl(absl::string_view input) {
  static const auto& directory = *new std::shared_ptr<const ConfigDirectory>(Directory());
  const std::vector<absl::string_view> messages = absl::StrSplit(input, '\n');
  for (Mechanism mechanism : kMechanisms) {
    auto exchange =
        MakeExchange(mechanism, {.directory = directory,
                                 .audience = {.accounts = true, .gateways = true},
                                 .nonce = "3rfcNHYJY1ZVvWVs7j",
                                 .hostname = "mail.example.org",
                                 .bindings = {.exporter = "e", .server_end_point = "s"}});
    SaslStep step = FinishStep(*exchange, *directory, exchange->Start(messages[0]));
    for (size_t i = 1; i < messages.size() && step.kind == SaslStep::Kind::kChallenge; ++i) {
      step = FinishStep(*exchange, *directory, exchange->Respond(messages[i]));
    }
    TURNPIKE_CHECK(step.kind != SaslStep::Kind::kSuccess);
    TURNPIKE_CHECK(exchange->user().size() <= kUserBytesMax);
  }
}

}  // namespace turnpike::auth::fuzz
