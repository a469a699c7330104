#include "services/common/observe/log.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace turnpike::observe {
namespace {

using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

// Restores what other tests count on.
class LogTest : public testing::Test {
 protected:
  ~LogTest() override {
    SetLogLevel(LogLevel::kInfo);
    SetAddressRedaction(false);
  }
};

TEST_F(LogTest, LineHasTimeLevelServiceTextAndFields) {
  SetLogService("spool-store");
  const std::string session = "s1";
  EXPECT_EQ(FormatLogLine(LogLevel::kWarning, "message stored",
                          {{"session", session}, {"bytes", 12u}, {"done", true}},
                          absl::FromUnixMicros(1'700'000'000'123'456)),
            "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"warning\","
            "\"service\":\"spool-store\",\"text\":\"message stored\",\"session\":\"s1\","
            "\"bytes\":12,\"done\":true}");
}

TEST_F(LogTest, EveryKindOfValueIsJson) {
  const size_t size = 7;
  const std::string line = FormatLogLine(LogLevel::kInfo, "t",
                                         {{"view", absl::string_view("v")},
                                          {"std_view", std::string_view("w")},
                                          {"pointer", "p"},
                                          {"string", std::string("s")},
                                          {"min", std::numeric_limits<int64_t>::min()},
                                          {"max", std::numeric_limits<uint64_t>::max()},
                                          {"int", -1},
                                          {"size", size},
                                          {"double", 0.5},
                                          {"nan", std::nan("")},
                                          {"infinite", std::numeric_limits<double>::infinity()},
                                          {"bool", false}},
                                         absl::UnixEpoch());
  const nlohmann::json json = nlohmann::json::parse(line);
  EXPECT_EQ(json["view"], "v");
  EXPECT_EQ(json["std_view"], "w");
  EXPECT_EQ(json["pointer"], "p");
  EXPECT_EQ(json["string"], "s");
  EXPECT_EQ(json["min"], std::numeric_limits<int64_t>::min());
  EXPECT_EQ(json["max"], std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(json["int"], -1);
  EXPECT_EQ(json["size"], 7);
  EXPECT_EQ(json["double"], 0.5);
  EXPECT_TRUE(json["nan"].is_null());
  EXPECT_TRUE(json["infinite"].is_null());
  EXPECT_EQ(json["bool"], false);
}

TEST_F(LogTest, PeerTextCannotForgeALineOrAField) {
  const std::string line =
      FormatLogLine(LogLevel::kInfo, "reply",
                    {{"reply", "x\",\"level\":\"error\"}\n{\"a\":\"\xff"}}, absl::UnixEpoch());
  EXPECT_FALSE(absl::StrContains(line, "\n"));
  EXPECT_EQ(nlohmann::json::parse(line)["level"], "info");
}

TEST_F(LogTest, MacroTakesNoOneAndManyFields) {
  CaptureStderr();
  const int count = 2;
  TURNPIKE_LOG(kInfo, "none");
  TURNPIKE_LOG(kInfo, "one", {{"a", 1}});
  TURNPIKE_LOG(kInfo, "many", {{"a", 1}, {"b", std::to_string(count)}, {"c", "text"}});
  const std::string written = GetCapturedStderr();
  const std::vector<std::string> lines = absl::StrSplit(written, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["text"], "none");
  EXPECT_EQ(nlohmann::json::parse(lines[1])["a"], 1);
  EXPECT_EQ(nlohmann::json::parse(lines[2])["b"], "2");
}

TEST_F(LogTest, FieldsOfALevelThatIsOffAreNotEvaluated) {
  bool evaluated = false;
  const auto value = [&evaluated] {
    evaluated = true;
    return 1;
  };
  CaptureStderr();
  TURNPIKE_LOG(kDebug, "off", {{"value", value()}});
  EXPECT_FALSE(evaluated);
  SetLogLevel(LogLevel::kDebug);
  TURNPIKE_LOG(kDebug, "on", {{"value", value()}});
  EXPECT_TRUE(evaluated);
  SetLogLevel(LogLevel::kError);
  TURNPIKE_LOG(kWarning, "off");
  EXPECT_TRUE(absl::StrContains(GetCapturedStderr(), "\"text\":\"on\""));
}

TEST_F(LogTest, LinesAreCountedByLevel) {
  const uint64_t before = LoggedCount(LogLevel::kError);
  CaptureStderr();
  TURNPIKE_LOG(kError, "x");
  GetCapturedStderr();
  EXPECT_EQ(LoggedCount(LogLevel::kError), before + 1);
}

TEST_F(LogTest, LinesOfManyThreadsDoNotMix) {
  CaptureStderr();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int j = 0; j < 200; ++j) TURNPIKE_LOG(kInfo, "line", {{"thread", i}, {"line", j}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string written = GetCapturedStderr();
  const std::vector<std::string> lines = absl::StrSplit(written, '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 800u);
  for (const std::string& line : lines) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

TEST_F(LogTest, AddressesAreRedactedOnRequest) {
  EXPECT_EQ(LogAddress("joe@example.org"), "joe@example.org");
  SetAddressRedaction(true);
  const std::string redacted = LogAddress("joe@example.org");
  EXPECT_TRUE(absl::StartsWith(redacted, "#"));
  EXPECT_TRUE(absl::EndsWith(redacted, "@example.org"));
  EXPECT_FALSE(absl::StrContains(redacted, "joe"));
  EXPECT_EQ(redacted, LogAddress("joe@example.org"));
  EXPECT_NE(redacted, LogAddress("jim@example.org"));
  EXPECT_EQ(LogAddress(""), "");
}

}  // namespace
}  // namespace turnpike::observe
