#include "services/common/smtp/parameters.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/reply_codes.h"
#include "services/common/smtp/utf8.h"
#include "services/common/smtp/xtext.h"

namespace turnpike::smtp {
namespace {

constexpr size_t kEnvelopeIdEncodedBytesMax = 100;         // [RFC3461 4.4]
constexpr size_t kOriginalRecipientEncodedBytesMax = 500;  // [RFC3461 4.2]
constexpr size_t kAuthEncodedBytesMax = 500;               // [RFC4954 3]
constexpr size_t kSizeDigitsMax = 20;                      // [RFC1870 3]
constexpr absl::string_view kUtf8AddressType = "utf-8";

// `KEYWORD` or `KEYWORD=value`. [RFC5321 4.1.2]
struct Parameter {
  absl::string_view keyword;
  absl::string_view value;
  bool has_value = false;
};

bool IsKeyword(absl::string_view text) {
  if (text.empty() || !absl::ascii_isalnum(text.front())) return false;
  for (char c : text) {
    if (!absl::ascii_isalnum(c) && c != '-') return false;
  }
  return true;
}

// Any octet but `=`, space and control characters. [RFC5321 4.1.2, RFC6531 3.3]
bool IsValue(absl::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (c == '=' || c == ' ' || absl::ascii_iscntrl(c)) return false;
  }
  return true;
}

// Cuts the first parameter off `*text`. False if there is something else.
bool ConsumeParameter(absl::string_view* text, Parameter* parameter) {
  if (text->empty() || text->front() != ' ') return false;
  const size_t begin = text->find_first_not_of(' ');
  if (begin == absl::string_view::npos) return false;
  text->remove_prefix(begin);
  const absl::string_view word = text->substr(0, text->find(' '));
  text->remove_prefix(word.size());
  const size_t equals = word.find('=');
  parameter->keyword = word.substr(0, equals);
  parameter->has_value = equals != absl::string_view::npos;
  parameter->value = parameter->has_value ? word.substr(equals + 1) : absl::string_view();
  return IsKeyword(parameter->keyword) && (!parameter->has_value || IsValue(parameter->value));
}

// What became of one parameter: nothing to complain of, or the reply.
using Verdict = const ReplyCode*;
constexpr Verdict kGood = nullptr;

Verdict ReadFlag(const Parameter& parameter, bool* flag) {
  if (parameter.has_value || *flag) return &kSyntaxError;
  *flag = true;
  return kGood;
}

// Sets `*field` unless the parameter came before or its value was not understood.
template <typename T>
Verdict SetOnce(std::optional<T>* field, std::optional<T> value) {
  if (field->has_value() || !value.has_value()) return &kSyntaxError;
  *field = std::move(value);
  return kGood;
}

std::optional<uint64_t> ReadSize(absl::string_view text) {
  if (text.empty() || text.size() > kSizeDigitsMax) return std::nullopt;
  uint64_t size = 0;
  for (char c : text) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    const auto digit = static_cast<uint64_t>(c - '0');
    size = size > (UINT64_MAX - digit) / 10 ? UINT64_MAX : size * 10 + digit;
  }
  return size;
}

std::optional<BodyType> ReadBody(absl::string_view text, const Capabilities& offered) {
  if (absl::EqualsIgnoreCase(text, "7BIT")) return BodyType::k7Bit;
  if (absl::EqualsIgnoreCase(text, "8BITMIME")) return BodyType::k8BitMime;
  if (absl::EqualsIgnoreCase(text, "BINARYMIME") && offered.binary_mime && offered.chunking) {
    return BodyType::kBinaryMime;
  }
  return std::nullopt;
}

std::optional<DsnReturn> ReadReturn(absl::string_view text) {
  if (absl::EqualsIgnoreCase(text, "FULL")) return DsnReturn::kFull;
  if (absl::EqualsIgnoreCase(text, "HDRS")) return DsnReturn::kHeaders;
  return std::nullopt;
}

std::optional<std::string> ReadEnvelopeId(absl::string_view text) {
  if (text.empty() || text.size() > kEnvelopeIdEncodedBytesMax) return std::nullopt;
  return DecodeXtext(text);
}

std::optional<std::string> ReadAuth(absl::string_view text) {
  if (text.empty() || text.size() > kAuthEncodedBytesMax) return std::nullopt;
  std::optional<std::string> decoded = DecodeXtext(text);
  if (!decoded || *decoded == "<>") return decoded;
  if (!Mailbox::Parse(*decoded, AddressOptions()).ok()) return std::nullopt;
  return decoded;
}

std::optional<DsnNotify> ReadNotify(absl::string_view text) {
  DsnNotify notify;
  if (text.empty()) return std::nullopt;
  if (absl::EqualsIgnoreCase(text, "NEVER")) {
    notify.never = true;
    return notify;
  }
  for (absl::string_view item : absl::StrSplit(text, ',')) {
    bool* flag = absl::EqualsIgnoreCase(item, "SUCCESS")   ? &notify.success
                 : absl::EqualsIgnoreCase(item, "FAILURE") ? &notify.failure
                 : absl::EqualsIgnoreCase(item, "DELAY")   ? &notify.delay
                                                           : nullptr;
    if (flag == nullptr || *flag) return std::nullopt;
    *flag = true;
  }
  return notify;
}

// Splits `type;address` and checks the type, an atom. [RFC3464 2.1.2]
std::optional<OriginalRecipient> SplitAddressType(absl::string_view text) {
  const size_t semicolon = text.find(';');
  if (semicolon == absl::string_view::npos || semicolon + 1 == text.size()) return std::nullopt;
  OriginalRecipient recipient;
  recipient.address_type = std::string(text.substr(0, semicolon));
  if (!IsKeyword(recipient.address_type)) return std::nullopt;
  recipient.address = std::string(text.substr(semicolon + 1));
  return recipient;
}

std::optional<OriginalRecipient> ReadOriginalRecipient(absl::string_view text, bool allow_utf8) {
  if (text.size() > kOriginalRecipientEncodedBytesMax) return std::nullopt;
  std::optional<OriginalRecipient> recipient = SplitAddressType(text);
  if (!recipient) return std::nullopt;
  std::optional<std::string> decoded = recipient->is_utf8()
                                           ? DecodeUtf8AddressXtext(recipient->address, allow_utf8)
                                           : DecodeXtext(recipient->address);
  if (!decoded) return std::nullopt;
  recipient->address = *std::move(decoded);
  return recipient;
}

Verdict ReadMailParameter(const Parameter& parameter, const Capabilities& offered,
                          MailParameters* mail) {
  const auto is = [&](absl::string_view keyword) {
    return absl::EqualsIgnoreCase(parameter.keyword, keyword);
  };
  const absl::string_view value = parameter.value;
  if (is("SIZE") && offered.size) return SetOnce(&mail->size_bytes, ReadSize(value));
  if (is("BODY") && offered.eight_bit_mime) return SetOnce(&mail->body, ReadBody(value, offered));
  if (is("SMTPUTF8") && offered.smtp_utf8) return ReadFlag(parameter, &mail->smtp_utf8);
  if (is("REQUIRETLS") && offered.require_tls) return ReadFlag(parameter, &mail->require_tls);
  if (is("RET") && offered.dsn) return SetOnce(&mail->ret, ReadReturn(value));
  if (is("ENVID") && offered.dsn) return SetOnce(&mail->envelope_id, ReadEnvelopeId(value));
  if (is("AUTH") && !offered.auth_mechanisms.empty()) return SetOnce(&mail->auth, ReadAuth(value));
  return &kUnknownParameter;
}

Verdict ReadRcptParameter(const Parameter& parameter, const Capabilities& offered, bool allow_utf8,
                          RcptParameters* rcpt) {
  if (!offered.dsn) return &kUnknownParameter;
  if (absl::EqualsIgnoreCase(parameter.keyword, "NOTIFY")) {
    return SetOnce(&rcpt->notify, ReadNotify(parameter.value));
  }
  if (absl::EqualsIgnoreCase(parameter.keyword, "ORCPT")) {
    return SetOnce(&rcpt->original_recipient, ReadOriginalRecipient(parameter.value, allow_utf8));
  }
  return &kUnknownParameter;
}

absl::string_view BodyName(BodyType body) {
  switch (body) {
    case BodyType::k7Bit:
      return "7BIT";
    case BodyType::k8BitMime:
      return "8BITMIME";
    case BodyType::kBinaryMime:
      return "BINARYMIME";
  }
  return "7BIT";
}

std::string NotifyText(const DsnNotify& notify) {
  if (notify.never) return "NEVER";
  std::string text;
  const auto add = [&](bool is_set, absl::string_view name) {
    if (is_set) absl::StrAppend(&text, text.empty() ? "" : ",", name);
  };
  add(notify.success, "SUCCESS");
  add(notify.failure, "FAILURE");
  add(notify.delay, "DELAY");
  return text;
}

}  // namespace

bool OriginalRecipient::is_utf8() const {
  return absl::EqualsIgnoreCase(address_type, kUtf8AddressType);
}

std::string OriginalRecipient::ToString() const { return absl::StrCat(address_type, ";", address); }

std::optional<OriginalRecipient> OriginalRecipient::Parse(absl::string_view text) {
  std::optional<OriginalRecipient> recipient = SplitAddressType(text);
  if (recipient && !IsPrintableUtf8(recipient->address)) return std::nullopt;
  return recipient;
}

ReplyOr<MailParameters> ParseMailParameters(absl::string_view text, const Capabilities& offered) {
  MailParameters mail;
  while (!text.empty()) {
    Parameter parameter;
    if (!ConsumeParameter(&text, &parameter)) return kSyntaxError;
    if (Verdict verdict = ReadMailParameter(parameter, offered, &mail)) return *verdict;
  }
  return mail;
}

ReplyOr<RcptParameters> ParseRcptParameters(absl::string_view text, const Capabilities& offered,
                                            bool allow_utf8) {
  RcptParameters rcpt;
  while (!text.empty()) {
    Parameter parameter;
    if (!ConsumeParameter(&text, &parameter)) return kSyntaxError;
    if (Verdict verdict = ReadRcptParameter(parameter, offered, allow_utf8, &rcpt)) return *verdict;
  }
  return rcpt;
}

void AppendMailParameters(const MailParameters& parameters, const Capabilities& peer,
                          std::string* line) {
  if (parameters.size_bytes && peer.size) {
    absl::StrAppend(line, " SIZE=", *parameters.size_bytes);
  }
  const bool has_body = parameters.body == BodyType::kBinaryMime ? peer.binary_mime && peer.chunking
                                                                 : peer.eight_bit_mime;
  if (parameters.body && has_body) absl::StrAppend(line, " BODY=", BodyName(*parameters.body));
  if (parameters.smtp_utf8 && peer.smtp_utf8) absl::StrAppend(line, " SMTPUTF8");
  if (parameters.require_tls && peer.require_tls) absl::StrAppend(line, " REQUIRETLS");
  if (parameters.ret && peer.dsn) {
    absl::StrAppend(line, " RET=", *parameters.ret == DsnReturn::kFull ? "FULL" : "HDRS");
  }
  if (parameters.envelope_id && peer.dsn) {
    absl::StrAppend(line, " ENVID=", EncodeXtext(*parameters.envelope_id));
  }
  if (parameters.auth && !peer.auth_mechanisms.empty()) {
    absl::StrAppend(line, " AUTH=", EncodeXtext(*parameters.auth));
  }
}

void AppendRcptParameters(const RcptParameters& parameters, const Capabilities& peer,
                          std::string* line) {
  if (!peer.dsn) return;
  if (parameters.notify) {
    if (const std::string notify = NotifyText(*parameters.notify); !notify.empty()) {
      absl::StrAppend(line, " NOTIFY=", notify);
    }
  }
  if (parameters.original_recipient) {
    const OriginalRecipient& recipient = *parameters.original_recipient;
    absl::StrAppend(line, " ORCPT=", recipient.address_type, ";",
                    recipient.is_utf8() ? EncodeUtf8AddressXtext(recipient.address)
                                        : EncodeXtext(recipient.address));
  }
}

}  // namespace turnpike::smtp
