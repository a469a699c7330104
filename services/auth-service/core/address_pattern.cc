#include "services/auth-service/core/address_pattern.h"

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::auth {
namespace {

// `pieces` with anything between two of them.
bool MatchesPieces(const std::vector<std::string>& pieces, absl::string_view text) {
  if (pieces.empty()) return false;
  if (pieces.size() == 1) return text == pieces.front();
  if (!absl::ConsumePrefix(&text, pieces.front()) || !absl::ConsumeSuffix(&text, pieces.back())) {
    return false;
  }
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    const size_t found = text.find(pieces[i]);
    if (found == absl::string_view::npos) return false;
    text.remove_prefix(found + pieces[i].size());
  }
  return true;
}

}  // namespace

AddressPattern::AddressPattern(absl::string_view text) {
  const size_t at = text.rfind('@');
  if (at == absl::string_view::npos) return;
  std::string domain = absl::AsciiStrToLower(text.substr(at + 1));
  if (!absl::StrContains(domain, '*')) {
    const absl::StatusOr<smtp::DomainName> name = smtp::DomainName::Parse(domain);
    if (!name.ok()) return;
    domain = name->ascii();
  }
  local_part_ = absl::StrSplit(absl::AsciiStrToLower(text.substr(0, at)), '*');
  domain_ = absl::StrSplit(domain, '*');
}

bool AddressPattern::Matches(const smtp::Mailbox& mailbox) const {
  return mailbox.domain() != nullptr && MatchesPieces(domain_, mailbox.domain()->ascii()) &&
         MatchesPieces(local_part_, absl::AsciiStrToLower(mailbox.local_part()));
}

}  // namespace turnpike::auth
