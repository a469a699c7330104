#include "services/turnpikectl/commands/listing.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/base/status_macros.h"

namespace turnpike::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kPageSize = 1000;

const FieldDescriptor* Find(const Message& message, const char* name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

// The next page's token; empty when this was the last.
std::string NextToken(const Message& response) {
  const FieldDescriptor* field = Find(response, "next_page_token");
  return field == nullptr ? "" : response.GetReflection()->GetString(response, field);
}

void SetPage(const std::string& token, Message& request) {
  const FieldDescriptor* size = Find(request, "page_size");
  if (size == nullptr) return;
  request.GetReflection()->SetInt32(&request, size, kPageSize);
  request.GetReflection()->SetString(&request, Find(request, "page_token"), token);
}

void NoteMore(Context& context, int64_t limit) {
  context.Note(absl::StrCat("only the first ", limit, " are shown; --limit 0 shows all"));
}

}  // namespace

absl::Status ForEach(Caller& caller, const Listing& listing, const Caller::Options& options,
                     const std::function<bool(const Message&)>& on_element) {
  const FieldDescriptor* field = Find(listing.response, listing.field);
  TURNPIKE_CHECK(field != nullptr && field->is_repeated());
  std::string token;
  do {
    SetPage(token, listing.request);
    listing.response.Clear();
    TURNPIKE_RETURN_IF_ERROR(
        caller.Call(listing.method, listing.request, listing.response, options));
    const auto& reflection = *listing.response.GetReflection();
    for (int i = 0; i < reflection.FieldSize(listing.response, field); ++i) {
      if (!on_element(reflection.GetRepeatedMessage(listing.response, field, i))) {
        return absl::OkStatus();
      }
    }
    token = NextToken(listing.response);
  } while (!token.empty());
  return absl::OkStatus();
}

Flag LimitFlag() {
  return {.name = "--limit", .value = "N", .help = "show N at most; 0: all (default 1000)"};
}

absl::Status PrintListing(Context& context, const View& view, const Listing& listing, int64_t limit,
                          const std::function<Value(const Message&)>& make_value,
                          const Caller::Options& options) {
  int64_t shown = 0;
  bool has_more = false;
  const auto print = [&](const Message& element) {
    has_more = limit > 0 && shown == limit;
    if (has_more) return false;
    context.printer().Row(view, make_value(element));
    ++shown;
    return true;
  };
  TURNPIKE_RETURN_IF_ERROR(ForEach(context.caller(), listing, options, print));
  context.printer().End(view);
  if (has_more) NoteMore(context, limit);
  return absl::OkStatus();
}

void PrintRows(Context& context, const View& view, std::vector<Value> rows, int64_t limit) {
  const bool has_more = limit > 0 && static_cast<int64_t>(rows.size()) > limit;
  if (has_more) rows.resize(static_cast<size_t>(limit));
  for (Value& row : rows) context.printer().Row(view, std::move(row));
  context.printer().End(view);
  if (has_more) NoteMore(context, limit);
}

absl::Status PrintListingOfEach(Context& context, const View& view, const Listing& listing) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::vector<std::string> targets,
                            context.caller().TargetsOf(listing.method));
  std::vector<absl::Status> failures;
  for (const std::string& target : targets) {
    const auto print = [&](const Message& element) {
      Value row = ToValue(element);
      row.Set("target", target);
      context.printer().Row(view, std::move(row));
      return true;
    };
    absl::Status status = ForEach(context.caller(), listing, {.target = target}, print);
    if (!status.ok()) failures.push_back(std::move(status));
  }
  if (failures.size() == targets.size()) return failures.front();
  context.printer().End(view);
  for (const absl::Status& failure : failures) {
    context.Note(failure.message());
    context.SetPartlyDone();
  }
  return absl::OkStatus();
}

}  // namespace turnpike::ctl
