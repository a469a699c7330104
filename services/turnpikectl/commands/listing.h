// Lists that services give page by page.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_LISTING_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_LISTING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/turnpikectl/commands/context.h"
#include "services/turnpikectl/connection/caller.h"
#include "services/turnpikectl/core/command.h"
#include "services/turnpikectl/core/message_value.h"
#include "services/turnpikectl/core/table.h"
#include "services/turnpikectl/core/value.h"

namespace google::protobuf {
class Message;
}

namespace turnpike::ctl {

// A method that lists: its requests may have page_size and page_token, its responses then have
// next_page_token.
struct Listing {
  std::string method;  // `turnpike.spool.v1.SpoolService.ListQueues`
  const char* field;   // of the response, with the elements: `queues`
  google::protobuf::Message& request;
  google::protobuf::Message& response;  // used for each page
};

// Calls `on_element` with each element, until it returns false.
absl::Status ForEach(Caller& caller, const Listing& listing, const Caller::Options& options,
                     const std::function<bool(const google::protobuf::Message&)>& on_element);

// `--limit N`: of the lists that may be long.
Flag LimitFlag();

// Prints the first `limit` elements (0: all), and a note when there are more. `make_value` makes
// what is shown of an element; ToValue unless something is added.
absl::Status PrintListing(
    Context& context, const View& view, const Listing& listing, int64_t limit,
    const std::function<Value(const google::protobuf::Message&)>& make_value = ToValue,
    const Caller::Options& options = Caller::Options());

// The same of rows that are there already.
void PrintRows(Context& context, const View& view, std::vector<Value> rows, int64_t limit);

// Prints the elements that every process of the service has, where several were named, each with
// its address as `target`.
absl::Status PrintListingOfEach(Context& context, const View& view, const Listing& listing);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_COMMANDS_LISTING_H_
