#include "services/turnpikectl/core/places.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/config/value.h"

namespace turnpike::ctl {
namespace {

using spool::v1::QueueName;

absl::Status NoQueue(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("`", text,
                   "` is no queue: write gateway/DOMAIN, remote/DOMAIN or local/DOMAIN; "
                   "`turnpikectl queues` lists them"));
}

absl::Status NoRoute(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("`", text,
                   "` says no place to deliver to: write example.org (its MX hosts), "
                   "[mx.example.org] (that host) or an IP address, with :PORT where it is not the "
                   "usual one, and lmtp: before it for LMTP"));
}

bool IsAddress(absl::string_view text) { return config::NormalAddress(text).ok(); }

// Removes `:port` from the end of `*text`. False for a port that is none.
bool ConsumePort(absl::string_view* text, int32_t* port) {
  const size_t colon = text->rfind(':');
  // `2001:db8::1` has colons of its own; in brackets it may have a port.
  if (colon == absl::string_view::npos || IsAddress(*text) || absl::EndsWith(*text, "]")) {
    return true;
  }
  if (!absl::SimpleAtoi(text->substr(colon + 1), port) || *port < 1 || *port > 65535) return false;
  *text = text->substr(0, colon);
  return true;
}

}  // namespace

absl::StatusOr<QueueName> ParseQueue(absl::string_view text) {
  absl::string_view name = text;
  QueueName queue;
  if (absl::ConsumePrefix(&name, "gateway/")) {
    queue.set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  } else if (absl::ConsumePrefix(&name, "remote/")) {
    queue.set_kind(spool::v1::QUEUE_KIND_REMOTE);
  } else if (absl::ConsumePrefix(&name, "local/")) {
    queue.set_kind(spool::v1::QUEUE_KIND_LOCAL);
  } else {
    return NoQueue(text);
  }
  const bool is_literal = absl::StartsWith(name, "[") && absl::EndsWith(name, "]");
  absl::StatusOr<std::string> domain = is_literal ? std::string(name) : config::NormalDomain(name);
  if (!domain.ok()) return NoQueue(text);
  queue.set_name(*std::move(domain));
  return queue;
}

absl::StatusOr<mail::v1::Route> ParseRoute(absl::string_view text) {
  absl::string_view target = text;
  mail::v1::Route route;
  if (absl::ConsumePrefix(&target, "lmtp:")) route.set_lmtp(true);
  int32_t port = 0;
  if (!ConsumePort(&target, &port)) return NoRoute(text);
  route.set_port(port);
  const bool in_brackets = absl::StartsWith(target, "[") && absl::EndsWith(target, "]");
  if (in_brackets) target = target.substr(1, target.size() - 2);
  if (absl::StatusOr<std::string> address = config::NormalAddress(target); address.ok()) {
    route.set_address(*std::move(address));
    return route;
  }
  absl::StatusOr<std::string> domain = config::NormalDomain(target);
  if (!domain.ok()) return NoRoute(text);
  if (in_brackets) {
    route.set_host(*std::move(domain));
  } else {
    route.set_domain(*std::move(domain));
  }
  return route;
}

std::string RouteText(const mail::v1::Route& route) {
  std::string target;
  switch (route.target_case()) {
    case mail::v1::Route::kDomain:
      target = route.domain();
      break;
    case mail::v1::Route::kHost:
      target = absl::StrCat("[", route.host(), "]");
      break;
    case mail::v1::Route::kAddress:
      target = absl::StrContains(route.address(), ':') ? absl::StrCat("[", route.address(), "]")
                                                       : route.address();
      break;
    case mail::v1::Route::TARGET_NOT_SET:
      target = "DNS";
      break;
  }
  const int32_t usual_port = route.lmtp() ? 24 : 25;
  if (route.port() != 0 && route.port() != usual_port) absl::StrAppend(&target, ":", route.port());
  return absl::StrCat(route.lmtp() ? "lmtp:" : "", target);
}

}  // namespace turnpike::ctl
