#include "services/turnpikectl/canary/receiver.h"

#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/common/net/smtp_client.h"
#include "services/common/net/testing/run.h"

namespace turnpike::ctl {
namespace {

TEST(WithoutTraceTest, TraceFieldsBeforeTheMessageAreLeftOut) {
  EXPECT_EQ(WithoutTrace("Return-Path: <a@b>\r\nReceived: from x\r\n\tby y;\r\n  now\r\n"
                         "RECEIVED: z\r\nSubject: s\r\n\r\nbody\r\n"),
            "Subject: s\r\n\r\nbody\r\n");
}

TEST(WithoutTraceTest, WhatComesAfterIsTheMessages) {
  const std::string content = "Subject: s\r\nReceived: of the sender\r\n\r\nReceived: body\r\n";
  EXPECT_EQ(WithoutTrace(content), content);
  EXPECT_EQ(WithoutTrace("Received: cut off"), "");
}

asio::awaitable<void> Serve(net::Stream* stream, std::vector<std::string>* messages,
                            absl::Status* status) {
  const std::function<void(std::string)> keep = [messages](std::string content) {
    messages->push_back(std::move(content));
  };
  *status = co_await ReceiveMail(*stream, "canary.example", absl::InfiniteFuture(), keep);
}

asio::awaitable<void> Send(net::Stream* stream, std::string content) {
  net::SmtpClient client(*stream, {.engine = {.host_name = "mx.example"}});
  EXPECT_FALSE((co_await client.Open()).has_value());
  for (int i = 0; i < 2; ++i) {
    net::SmtpTransaction transaction;
    transaction.message.return_path = *smtp::Path::Parse("ann@example.org", {});
    transaction.message.recipients.push_back({.path = *smtp::Path::Parse("p@canary.example", {})});
    transaction.content = content;
    const auto outcomes = co_await client.Send(std::move(transaction));
    EXPECT_EQ(outcomes[0].disposition, smtp::Disposition::kDelivered);
  }
  co_await client.Quit();
}

TEST(ReceiveMailTest, EveryMessageOfASessionIsKeptAsItIs) {
  asio::io_context context;
  using Tcp = asio::ip::tcp;
  Tcp::acceptor acceptor(context, Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  Tcp::socket there(context);
  there.connect(acceptor.local_endpoint());
  net::Stream client(std::move(there));
  net::Stream server(acceptor.accept());
  const std::string content = "Subject: s\r\n\r\n.leading dot\r\n..\r\ntrailing blank \r\n";
  std::vector<std::string> messages;
  absl::Status status = absl::UnknownError("no end");
  net::testing::RunToEnd(context, Serve(&server, &messages, &status), Send(&client, content));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(messages, (std::vector<std::string>{content, content}));
}

}  // namespace
}  // namespace turnpike::ctl
