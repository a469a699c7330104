#include "services/turnpikectl/commands/printer.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace turnpike::ctl {
namespace {

const View kView = {.name = "domain",
                    .columns = {{"DOMAIN", "domain"}, {"HELD", "held", Format::kText, true}},
                    .fields = {{"Domain", "domain"}}};

Value Gateway(const char* domain) {
  Value gateway;
  gateway.Set("domain", domain);
  gateway.Set("held", 2);
  return gateway;
}

std::string List(const char* form) {
  std::ostringstream out;
  Printer printer(*ParseForm(form), out, absl::UnixEpoch());
  printer.Row(kView, Gateway("a.example"));
  printer.Row(kView, Gateway("b.example"));
  printer.End(kView);
  return out.str();
}

std::string One(const char* form) {
  std::ostringstream out;
  Printer printer(*ParseForm(form), out, absl::UnixEpoch());
  printer.One(kView, Gateway("a.example"));
  printer.Done("It is done.", Gateway("a.example"));
  return out.str();
}

TEST(PrinterTest, ListHasEveryForm) {
  EXPECT_EQ(List("table"), "DOMAIN\na.example\nb.example\n");
  EXPECT_EQ(List("wide"), "DOMAIN     HELD\na.example     2\nb.example     2\n");
  EXPECT_EQ(List("jsonl"),
            "{\"domain\":\"a.example\",\"held\":2}\n{\"domain\":\"b.example\",\"held\":2}\n");
  EXPECT_EQ(List("json"),
            "[\n  {\n    \"domain\": \"a.example\",\n    \"held\": 2\n  },\n"
            "  {\n    \"domain\": \"b.example\",\n    \"held\": 2\n  }\n]\n");
  EXPECT_EQ(List("yaml"), "- domain: a.example\n  held: 2\n- domain: b.example\n  held: 2\n");
  EXPECT_EQ(List("name"), "a.example\nb.example\n");
}

TEST(PrinterTest, OneThingAndWhatWasDoneHaveEveryForm) {
  EXPECT_EQ(One("table"), "Domain:  a.example\nIt is done.\n");
  EXPECT_EQ(One("jsonl"),
            "{\"domain\":\"a.example\",\"held\":2}\n{\"domain\":\"a.example\",\"held\":2}\n");
  EXPECT_EQ(One("yaml"), "domain: a.example\nheld: 2\ndomain: a.example\nheld: 2\n");
  EXPECT_EQ(One("name"), "a.example\n");
}

TEST(PrinterTest, OtherWordsNameNoForm) {
  EXPECT_FALSE(ParseForm("xml").has_value());
  EXPECT_EQ(FormNames().size(), 6u);
}

}  // namespace
}  // namespace turnpike::ctl
