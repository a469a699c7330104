// For tests: a caller of ClientEngine against a peer whose words are given.
#ifndef TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_DIALOGUE_TESTING_H_
#define TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_DIALOGUE_TESTING_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/common/smtp/client_engine.h"
#include "services/common/smtp/outgoing_message.h"

namespace turnpike::smtp {

// A message from ann@a.example to these recipients.
OutgoingMessage MessageForTest(const std::vector<std::string>& recipients = {"bob@b.example"});

// `delivered end-of-data 250 2.0.0 OK` and so on.
std::string Describe(const RecipientOutcome& outcome);

// Sends content by itself when asked, and writes down what happens.
class ClientDialogue {
 public:
  explicit ClientDialogue(ClientOptions options = {.host_name = "us.example"});

  // The peer says this, cut into pieces of `step` octets; returns what the engine says.
  std::string Hear(absl::string_view input, size_t step = std::string::npos);

  // Greeting and EHLO with these keywords (each after a space).
  void Open(absl::string_view keywords = "");

  // Begins a message and returns what the engine says.
  std::string Send(OutgoingMessage message);

  // Runs the engine without new input.
  std::string Go() { return Hear(""); }

  // What every message consists of, and in pieces of how many octets it is sent.
  void set_content(std::string content, size_t piece_bytes = std::string::npos) {
    content_ = std::move(content);
    piece_bytes_ = piece_bytes;
  }

  std::vector<std::string> TakeEvents();
  ClientEngine& engine() { return engine_; }

 private:
  bool Handle(ClientEvent event);  // false: no more to do

  ClientEngine engine_;
  std::string content_ = "Subject: x\r\n\r\nhello\r\n";
  size_t piece_bytes_ = std::string::npos;
  size_t sent_bytes_ = 0;
  std::vector<std::string> events_;
  bool is_closed_ = false;
};

}  // namespace turnpike::smtp

#endif  // TURNPIKE_SERVICES_COMMON_SMTP_CLIENT_DIALOGUE_TESTING_H_
