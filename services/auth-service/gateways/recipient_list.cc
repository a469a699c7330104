#include "services/auth-service/gateways/recipient_list.h"

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace turnpike::auth {
namespace {

std::string Fold(const smtp::Mailbox& mailbox) { return absl::AsciiStrToLower(mailbox.ToString()); }

}  // namespace

absl::Status RecipientList::Add(absl::string_view address) {
  const absl::StatusOr<smtp::Mailbox> mailbox = smtp::Mailbox::Parse(address, {.allow_utf8 = true});
  if (!mailbox.ok() || mailbox->domain() == nullptr) {
    return absl::InvalidArgumentError("not an address such as `local@domain`");
  }
  addresses_.insert(Fold(*mailbox));
  return absl::OkStatus();
}

absl::Status RecipientList::AddLines(absl::string_view text) {
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const absl::Status status = Add(line);
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

bool RecipientList::Knows(const smtp::Mailbox& recipient) const {
  return absl::EqualsIgnoreCase(recipient.local_part(), "postmaster") ||
         addresses_.contains(Fold(recipient));
}

}  // namespace turnpike::auth
