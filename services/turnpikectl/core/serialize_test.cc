#include "services/turnpikectl/core/serialize.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace turnpike::ctl {
namespace {

Value Sample() {
  Value inner;
  inner.Set("code", 450);
  inner.Set("text", "busy: \"later\"\n");
  Value sample;
  sample.Set("queue", "gateway/customer.example");
  sample.Set("delivery_id", uint64_t{18446744073709551615u});
  sample.Set("held", int64_t{9223372036854775807});
  sample.Set("suspended", false);
  sample.Set("oldest_time", absl::FromUnixSeconds(1'700'000'000));
  sample.Set("route", Value());
  sample.Set("aliases", Value::List());
  sample.Set("reply", inner);
  sample.Set("replies", Value::List{inner, "no", Value::List{1, 2}});
  return sample;
}

TEST(SerializeTest, JsonLineHoldsEverythingOnOneLine) {
  EXPECT_EQ(ToJsonLine(Sample()),
            R"({"queue":"gateway/customer.example","delivery_id":"18446744073709551615",)"
            R"("held":9223372036854775807,"suspended":false,)"
            R"("oldest_time":"2023-11-14T22:13:20Z","route":null,"aliases":[],)"
            R"("reply":{"code":450,"text":"busy: \"later\"\n"},)"
            R"("replies":[{"code":450,"text":"busy: \"later\"\n"},"no",[1,2]]})");
}

TEST(SerializeTest, JsonIsIndented) {
  Value value;
  value.Set("a", Value::List{1, 2});
  value.Set("b", Value::List());
  EXPECT_EQ(ToJson(value), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}\n");
  EXPECT_EQ(ToJson(Value::List()), "[]\n");
}

TEST(SerializeTest, YamlIsBlockStyleWithQuotesWhereTheyMatter) {
  EXPECT_EQ(ToYaml(Sample()),
            "queue: gateway/customer.example\n"
            "delivery_id: \"18446744073709551615\"\n"
            "held: 9223372036854775807\n"
            "suspended: false\n"
            "oldest_time: \"2023-11-14T22:13:20Z\"\n"
            "route: null\n"
            "aliases: []\n"
            "reply:\n"
            "  code: 450\n"
            "  text: \"busy: \\\"later\\\"\\n\"\n"
            "replies:\n"
            "  - code: 450\n"
            "    text: \"busy: \\\"later\\\"\\n\"\n"
            "  - \"no\"\n"
            "  -\n"
            "    - 1\n"
            "    - 2\n");
  EXPECT_EQ(ToYaml(Value::List()), "[]\n");
}

TEST(SerializeTest, TextsComeBackFromAYamlReaderAsTheyWere) {
  for (const char* text :
       {"",     "no",          "Null",        "1e3", "0x10", "~",   "- a",     "a: b",
        "a #b", "#a",          "*a",          "&a",  "!a",   "@a",  "%a",      "`a",
        "'a",   "\"a",         "{a",          "[a",  "a\\b", " a ", "a\tb\nc", "\x1b[2J",
        "é",    "[192.0.2.1]", "2001:db8::1", "a,b", "y"}) {
    Value value;
    value.Set("text", text);
    const YAML::Node node = YAML::Load(ToYaml(value));
    EXPECT_EQ(node["text"].as<std::string>(), text);
  }
}

TEST(SerializeTest, NeitherFormHoldsWhatSteersATerminal) {
  for (const std::string& out : {ToJson("\x1b]0;x\x07\xc2\x9b"), ToYaml("\x1b]0;x\x07\xc2\x9b")}) {
    EXPECT_EQ(out, "\"\\u001b]0;x\\u0007\\u009b\"\n");
  }
}

}  // namespace
}  // namespace turnpike::ctl
