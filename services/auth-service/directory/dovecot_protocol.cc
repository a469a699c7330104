#include "services/auth-service/directory/dovecot_protocol.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/credentials/crypto.h"

namespace turnpike::auth {
namespace {

using Kind = DovecotAnswer::Kind;
using Fields = std::vector<absl::string_view>;

bool IsAnswerTo(const Fields& fields, absl::string_view word, uint32_t id) {
  return fields.size() >= 2 && fields[0] == word && fields[1] == absl::StrCat(id);
}

bool Has(const Fields& fields, absl::string_view field) {
  return std::find(fields.begin(), fields.end(), field) != fields.end();
}

// The value of `user=` among the parameters.
std::string UserOf(const Fields& fields) {
  for (absl::string_view field : fields) {
    if (absl::ConsumePrefix(&field, "user=")) return UnescapeDovecotField(field);
  }
  return "";
}

}  // namespace

std::string EscapeDovecotField(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\0':
        escaped += "\0010";
        break;
      case '\1':
        escaped += "\0011";
        break;
      case '\t':
        escaped += "\001t";
        break;
      case '\r':
        escaped += "\001r";
        break;
      case '\n':
        escaped += "\001n";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string UnescapeDovecotField(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\1' || i + 1 == text.size()) {
      plain += text[i];
      continue;
    }
    const char c = text[++i];
    plain += c == '0'   ? '\0'
             : c == '1' ? '\1'
             : c == 't' ? '\t'
             : c == 'r' ? '\r'
             : c == 'n' ? '\n'
                        : c;
  }
  return plain;
}

std::string DovecotUserQuestion(uint32_t id, absl::string_view address) {
  return absl::StrCat("USER\t", id, "\t", EscapeDovecotField(address), "\tservice=smtp");
}

std::string DovecotPlainQuestion(uint32_t id, absl::string_view address,
                                 absl::string_view password) {
  const absl::string_view nul("\0", 1);
  std::string response = absl::StrCat(nul, address, nul, password);
  // `secured`: the way from the client is our business. `no-penalty`: so are those who guess; the
  // waits that Dovecot has for them would be everybody's, as it does not know who is who. `resp`
  // must be the last.
  std::string line = absl::StrCat(
      "AUTH\t", id, "\tPLAIN\tservice=smtp\tsecured\tno-penalty\tresp=", ToBase64(response));
  Wipe(response);
  return line;
}

DovecotAnswer ParseDovecotUserAnswer(absl::string_view line, uint32_t id) {
  const Fields fields = absl::StrSplit(line, '\t');
  if (IsAnswerTo(fields, "USER", id) && fields.size() >= 3) {
    return {.kind = Kind::kYes, .user = UnescapeDovecotField(fields[2])};
  }
  if (IsAnswerTo(fields, "NOTFOUND", id)) return {.kind = Kind::kNo};
  if (IsAnswerTo(fields, "FAIL", id)) return {.kind = Kind::kTryLater};
  return {};
}

DovecotAnswer ParseDovecotPlainAnswer(absl::string_view line, uint32_t id) {
  const Fields fields = absl::StrSplit(line, '\t');
  if (IsAnswerTo(fields, "OK", id)) return {.kind = Kind::kYes, .user = UserOf(fields)};
  if (IsAnswerTo(fields, "FAIL", id)) {
    return {.kind = Has(fields, "temp") ? Kind::kTryLater : Kind::kNo, .user = UserOf(fields)};
  }
  return {};
}

bool IsKnownDovecotVersion(absl::string_view line) {
  return !absl::StartsWith(line, "VERSION\t") || absl::StartsWith(line, "VERSION\t1\t");
}

}  // namespace turnpike::auth
