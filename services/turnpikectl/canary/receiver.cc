#include "services/turnpikectl/canary/receiver.h"

#include <array>
#include <memory>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "services/common/base/status_macros.h"
#include "services/common/smtp/reply_codes.h"
#include "services/common/smtp/server_engine.h"

namespace turnpike::ctl {
namespace {

constexpr uint64_t kContentBytesMax = 1 << 20;

std::shared_ptr<const smtp::ServerOptions> MakeOptions(std::string host_name) {
  auto options = std::make_shared<smtp::ServerOptions>();
  options->host_name = std::move(host_name);
  options->offered.pipelining = true;
  options->offered.eight_bit_mime = true;
  options->offered.enhanced_status_codes = true;
  options->offered.size = true;
  options->offered.size_bytes_max = kContentBytesMax;
  return options;
}

bool IsEnd(const smtp::ServerEvent& event) {
  return std::holds_alternative<smtp::event::Close>(event) ||
         std::holds_alternative<smtp::event::Turned>(event);
}

// Answers everything but content; nothing that is not offered comes.
void AnswerEvent(const smtp::ServerEvent& event, smtp::ServerEngine& engine, std::string* content,
                 const std::function<void(std::string)>& on_message) {
  if (std::holds_alternative<smtp::event::Connected>(event) ||
      std::holds_alternative<smtp::event::Hello>(event) ||
      std::holds_alternative<smtp::event::Mail>(event) ||
      std::holds_alternative<smtp::event::Rcpt>(event)) {
    engine.Accept();
  } else if (std::holds_alternative<smtp::event::ContentStart>(event)) {
    content->clear();
    engine.AcceptContent(content);
  } else if (std::holds_alternative<smtp::event::EndOfContent>(event)) {
    on_message(std::exchange(*content, ""));
    engine.Accept();
  } else if (std::holds_alternative<smtp::event::AuthStart>(event) ||
             std::holds_alternative<smtp::event::AuthResponse>(event) ||
             std::holds_alternative<smtp::event::UnofferedAuth>(event) ||
             std::holds_alternative<smtp::event::StartTls>(event) ||
             std::holds_alternative<smtp::event::Etrn>(event) ||
             std::holds_alternative<smtp::event::Atrn>(event)) {
    engine.Answer(smtp::Reply(smtp::kNotImplemented));
  }
}

}  // namespace

asio::awaitable<absl::Status> ReceiveMail(net::Stream& stream, std::string host_name,
                                          absl::Time deadline,
                                          std::function<void(std::string content)> on_message) {
  smtp::ServerEngine engine(MakeOptions(std::move(host_name)));
  std::string content;
  std::array<char, 16384> input;
  while (true) {
    const smtp::ServerEvent event = engine.Next();
    const bool is_end = IsEnd(event);
    if (!is_end && !std::holds_alternative<smtp::event::NeedInput>(event)) {
      AnswerEvent(event, engine, &content, on_message);
      continue;
    }
    const std::string output = engine.TakeOutput();
    if (!output.empty()) {
      TURNPIKE_CO_RETURN_IF_ERROR(co_await stream.Write(output, deadline));
    }
    if (is_end) co_return absl::OkStatus();
    const absl::StatusOr<size_t> count = co_await stream.Read(absl::MakeSpan(input), deadline);
    if (!count.ok()) co_return count.status();
    if (*count == 0) co_return absl::OkStatus();
    engine.Receive(absl::string_view(input.data(), *count));
  }
}

absl::string_view WithoutTrace(absl::string_view content) {
  while (absl::StartsWithIgnoreCase(content, "Received:") ||
         absl::StartsWithIgnoreCase(content, "Return-Path:")) {
    size_t end = content.find("\r\n");
    while (end != absl::string_view::npos && end + 2 < content.size() &&
           (content[end + 2] == ' ' || content[end + 2] == '\t')) {
      end = content.find("\r\n", end + 2);
    }
    if (end == absl::string_view::npos) return "";
    content.remove_prefix(end + 2);
  }
  return content;
}

}  // namespace turnpike::ctl
