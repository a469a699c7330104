// Who is blocked for guessing passwords: `screen list|add|remove`. (AU-22)
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "protos/turnpike/auth/v1/admin.pb.h"
#include "services/common/base/status_macros.h"
#include "services/common/net/ip.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/listing.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

namespace v1 = auth::v1;

constexpr char kService[] = "turnpike.auth.v1.AuthAdminService.";

const View& ScreenView() {
  static const auto* const kView = new View{.name = "network",
                                            .columns = {{"NETWORK", "network"},
                                                        {"SINCE", "begin_time", Format::kAge},
                                                        {"ENDS IN", "expire_time", Format::kUntil},
                                                        {"TIMES", "times"},
                                                        {"REASON", "reason"}}};
  return *kView;
}

absl::Status ListScreen(const Invocation& invocation, Context& context) {
  TURNPIKE_ASSIGN_OR_RETURN(const int64_t limit,
                            invocation.Number("--limit", 1000, 0, 1'000'000'000));
  v1::ListScreenEntriesRequest request;
  v1::ListScreenEntriesResponse response;
  return PrintListing(context, ScreenView(),
                      {absl::StrCat(kService, "ListScreenEntries"), "entries", request, response},
                      limit);
}

absl::Status AddToScreen(const Invocation& invocation, Context& context) {
  v1::AddScreenEntryRequest request;
  request.set_network(invocation.Get("NETWORK"));
  request.set_reason(invocation.Get("--reason"));
  if (invocation.Has("--for")) {
    TURNPIKE_ASSIGN_OR_RETURN(const absl::Duration duration,
                              invocation.Duration("--for", absl::ZeroDuration()));
    request.mutable_block_duration()->set_seconds(absl::ToInt64Seconds(duration));
  }
  v1::AddScreenEntryResponse response;
  TURNPIKE_RETURN_IF_ERROR(
      context.caller().Call(absl::StrCat(kService, "AddScreenEntry"), request, response));
  const Value entry = ToValue(response.entry());
  context.printer().Done(
      absl::StrCat(Printable(response.entry().network()), ": blocked until ",
                   response.entry().has_expire_time()
                       ? FormatCell(entry.At("expire_time"), Format::kTime, context.printer().now())
                       : "it is removed"),
      entry);
  return absl::OkStatus();
}

// Nothing is on the screen for `network` itself; a wider entry may refuse it all the same.
absl::Status NotBlocked(Context& context, const std::string& network) {
  const absl::StatusOr<net::IpNetwork> wanted = net::IpNetwork::Parse(network);
  std::string covering;
  v1::ListScreenEntriesRequest request;
  v1::ListScreenEntriesResponse response;
  const auto look = [&](const google::protobuf::Message& element) {
    const std::string& text = static_cast<const v1::ScreenEntry&>(element).network();
    const absl::StatusOr<net::IpNetwork> entry = net::IpNetwork::Parse(text);
    const bool covers = entry.ok() && entry->prefix_bits() < wanted->prefix_bits() &&
                        entry->Contains(wanted->address());
    if (covers) covering = text;
    return !covers;
  };
  if (wanted.ok()) {
    TURNPIKE_RETURN_IF_ERROR(ForEach(
        context.caller(),
        {absl::StrCat(kService, "ListScreenEntries"), "entries", request, response}, {}, look));
  }
  if (covering.empty()) {
    return absl::NotFoundError(absl::StrCat(Printable(network), " is not blocked"));
  }
  return absl::NotFoundError(absl::StrCat(wanted->ToString(), " is not on the screen, but ",
                                          Printable(covering), " is and covers it"));
}

absl::Status RemoveFromScreen(const Invocation& invocation, Context& context) {
  v1::RemoveScreenEntryRequest request;
  request.set_network(invocation.Get("NETWORK"));
  v1::RemoveScreenEntryResponse response;
  const absl::Status status =
      context.caller().Call(absl::StrCat(kService, "RemoveScreenEntry"), request, response);
  if (absl::IsNotFound(status)) return NotBlocked(context, request.network());
  TURNPIKE_RETURN_IF_ERROR(status);
  context.printer().Done(absl::StrCat(Printable(request.network()), ": no longer blocked"),
                         ToValue(request));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> ScreenCommands() {
  return {
      {.path = "screen list",
       .summary = "who is blocked for failed logins",
       .details = "Lists the networks that are refused at connect by all frontends: those that "
                  "failed to log in too often, and those that operators added.",
       .flags = {LimitFlag()},
       .run = ListScreen},
      {.path = "screen add",
       .summary = "block a network",
       .details = "Refuses a network at connect, on all frontends; or changes until when.",
       .arguments = {{.name = "NETWORK", .help = "192.0.2.1, 192.0.2.0/24, 2001:db8::/64"}},
       .flags = {{.name = "--for",
                  .value = "TIME",
                  .help = "as long as that: 90s, 4h, 5d (default: until it is removed)"},
                 {.name = "--reason", .value = "TEXT", .help = "shown to other operators"}},
       .run = AddToScreen},
      {.path = "screen remove",
       .summary = "free a network",
       .details = "Takes a network off the screen and forgets its failures.",
       .arguments = {{.name = "NETWORK",
                      .help = "as `screen list` shows it",
                      .completed_by = "screen list"}},
       .run = RemoveFromScreen},
  };
}

}  // namespace turnpike::ctl
