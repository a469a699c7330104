// Mail that others hold for us: `collection list`, `request list`, `collect now`, `request now`.
// (DQ-50 to DQ-52)
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/base/status_macros.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/commands/listing.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

namespace v1 = dequeue::v1;

constexpr char kService[] = "turnpike.dequeue.v1.DequeueService.";

// These answer when the dialogue with the provider has ended.
constexpr absl::Duration kRunTimeout = absl::Hours(1);

// Both kinds have these.
std::vector<Column> StateColumns(Column counted) {
  return {{"NAME", "name"},
          {"HOST", "host"},
          {"RUNNING", "running"},
          {"LAST", "last_run.end_time", Format::kAge},
          {"ENDING", "last_run.ending"},
          counted,
          {"REPLY", "last_run.reply", Format::kReply},
          {"FAILURES", "failures"},
          {"NEXT", "next_run_time", Format::kUntil},
          {"DETAIL", "last_run.detail", Format::kText, true}};
}

const View& CollectionView() {
  static const auto* const kView =
      new View{.name = "name", .columns = StateColumns({"MESSAGES", "last_run.messages"})};
  return *kView;
}

const View& RequestView() {
  static const auto* const kView =
      new View{.name = "name",
               .columns = StateColumns({"DOMAINS", "last_replies.domain", Format::kText, true})};
  return *kView;
}

const View& RunView() {
  static const auto* const kView = new View{
      .name = "run.ending",
      .columns = {},
      .fields = {{"Began", "run.begin_time", Format::kTime},
                 {"Ended", "run.end_time", Format::kTime},
                 {"Ending", "run.ending"},
                 {"Reply", "run.reply", Format::kReply},
                 {"Messages", "run.messages"},
                 {"Refused", "run.refused"},
                 {"Detail", "run.detail"}},
      .sections = {
          {"Replies", "replies", {{"DOMAIN", "domain"}, {"REPLY", "reply", Format::kReply}}}}};
  return *kView;
}

// A run that did not reach its aim is an error of the command, told after its answer.
absl::Status JudgeRun(const std::string& name, const v1::Run& run) {
  const std::string what = absl::StrCat(Printable(name), " ended with ",
                                        FormatCell(ToValue(run).At("ending"), Format::kText, {}));
  switch (run.ending()) {
    case v1::RUN_ENDING_COMPLETED:
    case v1::RUN_ENDING_NO_MAIL:
      return absl::OkStatus();
    case v1::RUN_ENDING_UNREACHABLE:
    case v1::RUN_ENDING_NOT_NOW:
    case v1::RUN_ENDING_STORE_AWAY:
      return absl::UnavailableError(absl::StrCat(what, "; try again later"));
    case v1::RUN_ENDING_AUTH_FAILED:
      return absl::FailedPreconditionError(
          absl::StrCat(what, "; look at its `auth` in the configuration"));
    case v1::RUN_ENDING_TLS_FAILED:
      return absl::FailedPreconditionError(
          absl::StrCat(what, "; look at its `tls` and `authorities_file` in the configuration"));
    default:
      return absl::FailedPreconditionError(what);
  }
}

template <typename Request, typename Response>
absl::Status RunNow(const char* method, const Invocation& invocation, Context& context) {
  Request request;
  request.set_name(invocation.Get("NAME"));
  Response response;
  TURNPIKE_ASSIGN_OR_RETURN(const absl::Duration timeout,
                            invocation.Duration("--timeout", kRunTimeout));
  TURNPIKE_RETURN_IF_ERROR(context.caller().Call(absl::StrCat(kService, method), request, response,
                                                 {.timeout = timeout}));
  context.printer().One(RunView(), ToValue(response));
  return JudgeRun(request.name(), response.run());
}

template <typename Request, typename Response>
absl::Status List(const char* method, const char* field, const View& view, Context& context) {
  Request request;
  Response response;
  return PrintListing(context, view, {absl::StrCat(kService, method), field, request, response},
                      /*limit=*/0);
}

}  // namespace

std::vector<Command> CollectionCommands() {
  return {
      {.path = "collection list",
       .summary = "mail that we collect from providers (ODMR)",
       .details = "Lists the collections of the configuration with how each ended last, and when "
                  "it runs next.",
       .alias = "collections",
       .run =
           [](const Invocation&, Context& context) {
             return List<v1::ListCollectionsRequest, v1::ListCollectionsResponse>(
                 "ListCollections", "collections", CollectionView(), context);
           }},
      {.path = "collect now",
       .summary = "collect from a provider at once",
       .details =
           "Collects by ATRN now, whatever the schedule says, and answers when that has ended.",
       .arguments = {{.name = "NAME", .help = "the collection", .completed_by = "collection list"}},
       .run =
           [](const Invocation& invocation, Context& context) {
             return RunNow<v1::CollectNowRequest, v1::CollectNowResponse>("CollectNow", invocation,
                                                                          context);
           }},
      {.path = "request list",
       .summary = "servers that we ask for our mail (ETRN)",
       .details =
           "Lists the requests of the configuration with how each ended last, and when it is "
           "made next.",
       .alias = "requests",
       .run =
           [](const Invocation&, Context& context) {
             return List<v1::ListRequestsRequest, v1::ListRequestsResponse>(
                 "ListRequests", "requests", RequestView(), context);
           }},
      {.path = "request now",
       .summary = "ask a server for our mail at once",
       .details = "Sends the request's ETRN commands now and shows the replies.",
       .arguments = {{.name = "NAME", .help = "the request", .completed_by = "request list"}},
       .run =
           [](const Invocation& invocation, Context& context) {
             return RunNow<v1::RequestNowRequest, v1::RequestNowResponse>("RequestNow", invocation,
                                                                          context);
           }},
  };
}

}  // namespace turnpike::ctl
