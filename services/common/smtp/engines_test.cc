// Our client against our server: whatever one may say the other must understand, however the
// network cuts it.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/smtp/client_engine.h"
#include "services/common/smtp/reply_codes.h"
#include "services/common/smtp/server_dialogue_testing.h"
#include "services/common/smtp/server_engine.h"

namespace turnpike::smtp {
namespace {

constexpr AddressOptions kUtf8 = {.allow_utf8 = true};

struct Sent {
  OutgoingMessage message;
  std::string content;
};

// Sends all messages over one session and returns their outcomes, in order.
class Conversation {
 public:
  Conversation(ServerOptions server_options, ClientOptions client_options, uint32_t seed)
      : server_(std::move(server_options)), client_(std::move(client_options)), random_(seed) {}

  std::vector<RecipientOutcome> Run(const std::vector<Sent>& messages) {
    const Sent* current = nullptr;
    size_t next = 0;
    size_t offset = 0;
    bool is_quitting = false;
    for (int rounds = 0; rounds < 1'000'000; ++rounds) {
      ClientEvent event = client_.Next();
      if (std::holds_alternative<client_event::NeedContent>(event)) {
        const std::string piece = current->content.substr(offset, 1 + random_() % 700);
        offset += piece.size();
        client_.SendContent(piece, offset == current->content.size());
        continue;
      }
      if (auto* done = std::get_if<client_event::MessageDone>(&event)) {
        for (RecipientOutcome& outcome : done->outcomes) outcomes_.push_back(std::move(outcome));
        continue;
      }
      if (std::holds_alternative<client_event::Closed>(event)) return outcomes_;
      if (!std::holds_alternative<client_event::NeedInput>(event)) continue;
      if (client_.can_send() && next < messages.size()) {
        current = &messages[next++];
        offset = 0;
        client_.Send(current->message);
        continue;
      }
      if (client_.can_send() && !is_quitting) {
        is_quitting = true;
        client_.Quit();
        continue;
      }
      client_.Receive(server_.Say(client_.TakeOutput(), 1 + random_() % 900));
    }
    ADD_FAILURE() << "the conversation does not end";
    return outcomes_;
  }

  ServerDialogue& server() { return server_; }

 private:
  ServerDialogue server_;
  ClientEngine client_;
  std::mt19937 random_;
  std::vector<RecipientOutcome> outcomes_;
};

std::string RandomText(std::mt19937& random) {
  std::string text = "Subject: x\r\n\r\n";
  for (int lines = random() % 30; lines > 0; --lines) {
    for (int i = random() % 3; i > 0; --i) text += '.';
    text += std::string(random() % 90, 'a');
    text += "\r\n";
  }
  return text;
}

std::vector<Sent> RandomMessages(std::mt19937& random) {
  std::vector<Sent> messages;
  for (int count = 1 + random() % 5; count > 0; --count) {
    Sent sent;
    sent.content = RandomText(random);
    sent.message.return_path =
        random() % 4 == 0 ? Path() : *Path::Parse("\"ann \\\"x\"@a.example", kUtf8);
    sent.message.parameters.size_bytes = sent.content.size();
    if (random() % 2 == 0) sent.message.parameters.envelope_id = "id +=1";
    if (random() % 2 == 0) sent.message.parameters.ret = DsnReturn::kFull;
    for (int i = 1 + random() % 3; i > 0; --i) {
      OutgoingRecipient recipient{*Path::Parse("bob@[IPv6:2001:db8::1]", kUtf8), {}};
      recipient.parameters.notify = DsnNotify{.success = true, .delay = true};
      recipient.parameters.original_recipient = OriginalRecipient{"rfc822", "a b@c.d"};
      sent.message.recipients.push_back(std::move(recipient));
    }
    messages.push_back(std::move(sent));
  }
  return messages;
}

TEST(EnginesTest, EveryMessageArrivesUnchanged) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    ServerOptions server = OptionsForTest();
    server.offered.pipelining = round % 2 == 0;
    server.offered.chunking = round % 3 == 0;
    server.offered.dsn = round % 5 != 0;
    const std::vector<Sent> messages = RandomMessages(random);
    Conversation conversation(server, {.host_name = "us.example"}, round);
    const std::vector<RecipientOutcome> outcomes = conversation.Run(messages);
    size_t recipients = 0;
    for (const Sent& sent : messages) recipients += sent.message.recipients.size();
    ASSERT_EQ(outcomes.size(), recipients);
    for (const RecipientOutcome& outcome : outcomes) {
      EXPECT_EQ(outcome.disposition, Disposition::kDelivered) << outcome.reply.ToString();
    }
    ASSERT_EQ(conversation.server().messages().size(), messages.size());
    for (size_t i = 0; i < messages.size(); ++i) {
      EXPECT_EQ(conversation.server().messages()[i], messages[i].content);
    }
  }
}

TEST(EnginesTest, InternationalMailArrivesWithItsEnvelope) {
  Sent sent;
  sent.content = "Subject: ü\r\n\r\nü\r\n";
  sent.message.return_path = *Path::Parse("müller@bücher.example", kUtf8);
  sent.message.parameters = {.body = BodyType::k8BitMime, .smtp_utf8 = true};
  sent.message.header_has_8bit = sent.message.body_has_8bit = true;
  OutgoingRecipient recipient{*Path::Parse("用户@例え.example", kUtf8), {}};
  recipient.parameters.original_recipient = OriginalRecipient{"utf-8", "用户@例え.example"};
  sent.message.recipients = {recipient};
  Conversation conversation(OptionsForTest(), {.host_name = "us.example"}, 1);
  const std::vector<RecipientOutcome> outcomes = conversation.Run({sent});
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].disposition, Disposition::kDelivered) << outcomes[0].reply.ToString();
  EXPECT_EQ(conversation.server().messages(), std::vector<std::string>{sent.content});
  const std::vector<std::string> events = conversation.server().TakeEvents();
  EXPECT_NE(std::find(events.begin(), events.end(), "mail müller@xn--bcher-kva.example"),
            events.end());
}

TEST(EnginesTest, RefusalsReachTheRecipientsTheyAreMeantFor) {
  std::mt19937 random(5);
  for (const auto& [question, reply, stage] :
       {std::tuple<absl::string_view, Reply, Stage>{"mail", kSenderMismatch, Stage::kMail},
        {"rcpt", kNoSuchUser, Stage::kRecipient},
        {"content", kInsufficientStorage, Stage::kData},
        {"message", kMailLoop, Stage::kEndOfData}}) {
    for (bool has_pipelining : {false, true}) {
      ServerOptions server = OptionsForTest();
      server.offered.pipelining = has_pipelining;
      server.offered.chunking = false;
      const std::vector<Sent> messages = RandomMessages(random);
      Conversation conversation(server, {.host_name = "us.example"}, 1);
      conversation.server().AnswerWith(question, reply);
      for (const RecipientOutcome& outcome : conversation.Run(messages)) {
        EXPECT_EQ(outcome.reply, reply);
        EXPECT_EQ(outcome.stage, stage);
        EXPECT_TRUE(outcome.is_from_peer);
      }
    }
  }
}

TEST(EnginesTest, RefusedChunksAreATransactionOfTheirOwn) {
  ServerOptions server = OptionsForTest();
  server.offered.size = false;
  Sent big;
  big.message.return_path = *Path::Parse("a@b.c", kUtf8);
  big.message.recipients = {{*Path::Parse("d@e.f", kUtf8), {}}};
  Sent small = big;
  for (int i = 0; i < 20; ++i) absl::StrAppend(&big.content, std::string(998, 'x'), "\r\n");
  small.content = "Subject: x\r\n\r\n";
  for (bool has_pipelining : {false, true}) {
    server.offered.pipelining = has_pipelining;
    Conversation conversation(server, {.host_name = "us.example"}, 1);
    const std::vector<RecipientOutcome> outcomes = conversation.Run({big, small, big, small});
    ASSERT_EQ(outcomes.size(), 4u);
    for (size_t i : {0u, 2u}) EXPECT_EQ(outcomes[i].reply, Reply(kMessageTooBig));
    for (size_t i : {1u, 3u}) EXPECT_EQ(outcomes[i].disposition, Disposition::kDelivered);
  }
}

}  // namespace
}  // namespace turnpike::smtp
