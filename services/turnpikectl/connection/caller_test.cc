#include "services/turnpikectl/connection/caller.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/turnpikectl/testing/fake_services.h"

namespace turnpike::ctl {
namespace {

constexpr char kGetQueue[] = "turnpike.spool.v1.SpoolService.GetQueue";
constexpr char kReadContent[] = "turnpike.spool.v1.SpoolService.ReadContent";

std::unique_ptr<Caller> CallerOf(const std::string& address,
                                 absl::Duration timeout = absl::Seconds(20)) {
  return std::make_unique<Caller>(
      Targets({.flags = {{"--spool-store", address}},
               .environment = [](const char*) { return std::optional<std::string>(); }}),
      timeout);
}

absl::Status GetQueue(Caller& caller) {
  spool::v1::GetQueueResponse response;
  return caller.Call(kGetQueue, spool::v1::GetQueueRequest(), response);
}

void AnswerGetQueue(FakeServices& services, const absl::Status& status) {
  services.On<spool::v1::GetQueueRequest, spool::v1::GetQueueResponse>(
      kGetQueue, [status](const auto&, auto&) { return status; });
}

TEST(CallerTest, CallsAMethodByItsName) {
  FakeServices services;
  services.On<spool::v1::GetQueueRequest, spool::v1::GetQueueResponse>(
      kGetQueue, [](const auto& request, auto& response) {
        *response.mutable_stats()->mutable_queue() = request.queue();
        return absl::OkStatus();
      });
  const auto caller = CallerOf(services.address());
  spool::v1::GetQueueRequest request;
  request.mutable_queue()->set_name("example.org");
  spool::v1::GetQueueResponse response;
  const absl::Status status = caller->Call(kGetQueue, request, response);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.stats().queue().name(), "example.org");
}

TEST(CallerTest, StreamIsReadToItsEndOrUntilItIsEnough) {
  FakeServices services;
  services.OnStream<spool::v1::ReadContentRequest, spool::v1::ReadContentResponse>(
      kReadContent, [](const auto&, auto& responses) {
        for (const char* data : {"a", "b", "c"}) responses.emplace_back().set_data(data);
        return absl::OkStatus();
      });
  const auto caller = CallerOf(services.address());
  spool::v1::ReadContentResponse response;
  std::string data;
  absl::Status status = caller->Read(kReadContent, spool::v1::ReadContentRequest(), response, [&] {
    data += response.data();
    return true;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(data, "abc");
  status =
      caller->Read(kReadContent, spool::v1::ReadContentRequest(), response, [] { return false; });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(CallerTest, ManyCallsEndInTheirOrder) {
  FakeServices services;
  services.On<spool::v1::GetQueueRequest, spool::v1::GetQueueResponse>(
      kGetQueue, [](const auto& request, auto&) {
        return request.queue().name() == "150" ? absl::NotFoundError("150") : absl::OkStatus();
      });
  const auto caller = CallerOf(services.address());
  spool::v1::GetQueueRequest request;
  std::vector<size_t> ended;
  std::vector<size_t> failed;
  const absl::Status status = caller->CallEach(
      kGetQueue, 200, request, spool::v1::GetQueueResponse(),
      [&](size_t i) { request.mutable_queue()->set_name(std::to_string(i)); },
      [&](size_t i, const absl::Status& result) {
        ended.push_back(i);
        if (!result.ok()) failed.push_back(i);
        return true;
      });
  EXPECT_TRUE(status.ok()) << status;
  ASSERT_EQ(ended.size(), 200u);
  for (size_t i = 0; i < ended.size(); ++i) EXPECT_EQ(ended[i], i);
  EXPECT_EQ(failed, std::vector<size_t>{150});
}

TEST(CallerTest, NoCallBeginsWhenItIsEnough) {
  FakeServices services;
  AnswerGetQueue(services, absl::UnavailableError("draining"));
  const auto caller = CallerOf(services.address());
  spool::v1::GetQueueRequest request;
  size_t ended = 0;
  const absl::Status status = caller->CallEach(
      kGetQueue, 1000, request, spool::v1::GetQueueResponse(), [](size_t) {},
      [&](size_t, const absl::Status&) {
        ++ended;
        return false;
      });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_LT(ended, 100u);
}

TEST(CallerTest, ErrorOfAStreamIsTold) {
  FakeServices services;
  services.OnStream<spool::v1::ReadContentRequest, spool::v1::ReadContentResponse>(
      kReadContent, [](const auto&, auto&) { return absl::NotFoundError("no such message"); });
  const auto caller = CallerOf(services.address());
  spool::v1::ReadContentResponse response;
  const absl::Status status =
      caller->Read(kReadContent, spool::v1::ReadContentRequest(), response, [] { return true; });
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "no such message (spool-store at " + services.address() + ")");
}

TEST(CallerTest, NobodyThereSaysWhoWhereAndWhatToDo) {
  std::string address;
  { address = FakeServices().address(); }
  const auto caller = CallerOf(address);
  const absl::Status status = GetQueue(*caller);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  for (const std::string& part : {std::string("cannot reach spool-store at "), address,
                                  std::string("--spool-store or services.spool_store.target")}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status;
  }
}

TEST(CallerTest, ServiceThatCannotDoItIsNotTakenForAbsent) {
  FakeServices services;
  AnswerGetQueue(services, absl::UnavailableError("draining"));
  const absl::Status status = GetQueue(*CallerOf(services.address()));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("cannot do it now: draining"), std::string::npos) << status;
}

// As a service says it that cannot reach another one itself.
TEST(CallerTest, ServiceThatTellsOfAThirdIsNotTakenForAbsent) {
  FakeServices services;
  AnswerGetQueue(services, absl::UnavailableError("failed to connect to all addresses"));
  const absl::Status status = GetQueue(*CallerOf(services.address()));
  EXPECT_EQ(status.message(), "spool-store at " + services.address() +
                                  " cannot do it now: failed to connect to all addresses; try "
                                  "again");
}

TEST(CallerTest, UnknownMethodIsAnotherVersion) {
  FakeServices services;
  const absl::Status status = GetQueue(*CallerOf(services.address()));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find("another version"), std::string::npos) << status;
}

TEST(CallerTest, TextOfAnErrorCannotSteerATerminal) {
  FakeServices services;
  AnswerGetQueue(services, absl::InvalidArgumentError("bad \x1b[2J name"));
  const absl::Status status = GetQueue(*CallerOf(services.address()));
  EXPECT_NE(status.message().find("bad \\x1b[2J name"), std::string::npos) << status;
}

TEST(CallerTest, SilenceEndsAtTheTimeLimit) {
  FakeServices services;
  services.On<spool::v1::GetQueueRequest, spool::v1::GetQueueResponse>(
      kGetQueue, [](const auto&, auto&) {
        absl::SleepFor(absl::Milliseconds(500));
        return absl::OkStatus();
      });
  const absl::Status status = GetQueue(*CallerOf(services.address(), absl::Milliseconds(50)));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(status.message().find("--timeout"), std::string::npos) << status;
}

}  // namespace
}  // namespace turnpike::ctl
