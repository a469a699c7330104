// For tests: a caller of ServerEngine with the mildest of policies.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_SERVER_DIALOGUE_TESTING_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_SERVER_DIALOGUE_TESTING_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/reply.h"
#include "services/common/smtp/server_engine.h"
#include "services/common/smtp/server_options.h"

namespace turnpike::smtp {

// Offers everything, small limits where tests run into them.
ServerOptions OptionsForTest();

// Accepts whatever is asked, unless told otherwise, and writes down what happened. AUTH PLAIN is
// accepted for user `u` with password `p`; other mechanisms get one challenge and accept anything.
class ServerDialogue {
 public:
  explicit ServerDialogue(ServerOptions options = OptionsForTest(), ServerEngine::Start start = {});

  // Feeds `input` in pieces of `step` octets from a buffer that is reused; returns the replies.
  std::string Say(absl::string_view input, size_t step = std::string::npos);

  // Says EHLO, and AUTH if wanted, and forgets the replies and events.
  void Greet(bool with_auth = false);

  // From now on `question` (`mail`, `rcpt`, `content`, `message`, `hello`, `starttls`, `etrn`,
  // `atrn`, `connect`, `auth`) is answered so.
  void AnswerWith(absl::string_view question, Reply reply);

  // Refuses content with this reply as soon as the first chunk event comes.
  void RefuseContentWith(Reply reply) { content_refusal_ = std::move(reply); }

  // What happened, in words: `mail ann@example.org`, `close`. Cleared by the call.
  std::vector<std::string> TakeEvents();

  const std::vector<std::string>& messages() const { return messages_; }  // accepted contents
  bool is_closed() const { return is_closed_; }
  event::Close::Reason close_reason() const { return close_reason_; }
  ServerEngine& engine() { return engine_; }

 private:
  bool Handle(ServerEvent event);  // false: no more to do
  void AnswerOrAccept(absl::string_view question);
  void Log(std::string words) { events_.push_back(std::move(words)); }

  ServerEngine engine_;
  std::map<std::string, Reply, std::less<>> answers_;
  std::optional<Reply> content_refusal_;
  std::vector<std::string> events_;
  std::vector<std::string> messages_;
  std::string sink_;
  std::string mechanism_;
  bool is_closed_ = false;
  event::Close::Reason close_reason_ = event::Close::Reason::kQuit;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_SERVER_DIALOGUE_TESTING_H_
