// An SMTP reply as a value: what a server says, and what a client has heard.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_REPLY_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_REPLY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace turnpike::smtp {

// `5.7.0`: class 2, 4 or 5, then subject and detail of 0..999. [RFC3463 2]
struct EnhancedCode {
  uint8_t kind = 0;  // 0: there is none
  uint16_t subject = 0;
  uint16_t detail = 0;

  // Reads `5.7.0` exactly. Nothing for anything else.
  static std::optional<EnhancedCode> Parse(absl::string_view text);

  constexpr bool is_present() const { return kind != 0; }
  std::string ToString() const;  // empty if there is none

  friend constexpr bool operator==(const EnhancedCode&, const EnhancedCode&) = default;
};

// One entry of the table in reply_codes.h: a code, and what is said with it if the caller has
// nothing better to say. `text` points to a literal.
struct ReplyCode {
  uint16_t code;
  EnhancedCode enhanced;
  absl::string_view text;

  constexpr bool is_positive() const { return code / 100 == 2; }
  constexpr bool is_intermediate() const { return code / 100 == 3; }
  constexpr bool is_transient() const { return code / 100 == 4; }
  constexpr bool is_permanent() const { return code / 100 == 5; }

  // Appends the reply with its CRLFs. Octets outside 0x20..0x7e become `?`, a line is cut at 512
  // octets [RFC5321 4.5.3.1.5], and every line of a 2xx, 4xx or 5xx reply carries the enhanced
  // code, if there is one [RFC2034 4].
  void AppendTo(std::string* out) const;
};

// Thread safety: thread-compatible value type.
class Reply {
 public:
  Reply() = default;             // code 0: no reply
  Reply(const ReplyCode& code);  // NOLINT(google-explicit-constructor): a named code is a reply
  // Lines of `text` are separated by LF. Any octets may stand in it; they are made harmless when
  // the reply is put on the wire.
  Reply(const ReplyCode& code, absl::string_view text);
  Reply(uint16_t code, EnhancedCode enhanced, std::string text)
      : code_(code), enhanced_(enhanced), text_(std::move(text)) {}

  uint16_t code() const { return code_; }
  const EnhancedCode& enhanced() const { return enhanced_; }
  const std::string& text() const { return text_; }  // lines separated by LF, no enhanced code
  std::vector<absl::string_view> lines() const;      // at least one, pointing into text()

  bool is_positive() const { return view().is_positive(); }
  bool is_intermediate() const { return view().is_intermediate(); }
  bool is_transient() const { return view().is_transient(); }
  bool is_permanent() const { return view().is_permanent(); }

  // As it goes over the wire; see ReplyCode::AppendTo.
  void AppendTo(std::string* out) const { view().AppendTo(out); }

  // The same, but only the first line of the text: for clients that read one line. (ETRN, ATRN)
  void AppendOneLineTo(std::string* out) const;

  // The same reply without a copy of its text; valid as long as this one is.
  ReplyCode view() const { return {code_, enhanced_, text_}; }

  std::string ToString() const;  // for logs and tests: `550 5.1.1 No such user`

  friend bool operator==(const Reply&, const Reply&) = default;

 private:
  uint16_t code_ = 0;
  EnhancedCode enhanced_;
  std::string text_;
};

// Either a value or the reply that tells the client why there is none.
template <typename T>
class ReplyOr {
 public:
  ReplyOr(T value) : state_(std::move(value)) {}           // NOLINT
  ReplyOr(Reply reply) : state_(std::move(reply)) {}       // NOLINT
  ReplyOr(const ReplyCode& code) : state_(Reply(code)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  const T* operator->() const { return &value(); }
  const Reply& reply() const { return std::get<1>(state_); }

 private:
  std::variant<T, Reply> state_;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_REPLY_H_
