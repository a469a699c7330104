#include "services/turnpikectl/core/places.h"

#include <gtest/gtest.h>

#include <string>

#include "services/common/spooled/queue_text.h"

namespace turnpike::ctl {
namespace {

TEST(QueueNameTest, QueuesAreReadAsTheyAreWritten) {
  for (const char* text : {"gateway/customer.example", "remote/example.org", "local/x.example",
                           "remote/[192.0.2.1]"}) {
    const auto queue = ParseQueue(text);
    ASSERT_TRUE(queue.ok()) << queue.status();
    EXPECT_EQ(spool::QueueText(*queue), text);
  }
}

TEST(QueueNameTest, DomainsOfQueuesAreBroughtIntoNormalForm) {
  EXPECT_EQ(spool::QueueText(*ParseQueue("remote/EXAMPLE.org")), "remote/example.org");
  EXPECT_EQ(spool::QueueText(*ParseQueue("remote/bücher.example")), "remote/xn--bcher-kva.example");
}

TEST(QueueNameTest, AnythingElseIsNoQueueAndTheErrorSaysWhatIs) {
  for (const char* text : {"", "customer.example", "gateway/", "gateway/a b", "relay/a.example",
                           "gateway/a.example/b"}) {
    const auto queue = ParseQueue(text);
    ASSERT_FALSE(queue.ok()) << text;
    EXPECT_NE(queue.status().message().find("gateway/DOMAIN"), std::string::npos);
  }
}

TEST(RouteTest, EveryTargetIsReadAndWrittenAlike) {
  for (const char* text :
       {"example.org", "example.org:2525", "[mx.example.org]", "[mx.example.org]:26", "192.0.2.1",
        "192.0.2.1:2525", "[2001:db8::1]", "[2001:db8::1]:2525", "lmtp:[mx.example.org]:2003"}) {
    const auto route = ParseRoute(text);
    ASSERT_TRUE(route.ok()) << route.status();
    EXPECT_EQ(RouteText(*route), text);
  }
}

TEST(RouteTest, TargetsAreToldApart) {
  EXPECT_EQ(ParseRoute("example.org")->domain(), "example.org");
  EXPECT_EQ(ParseRoute("[example.org]")->host(), "example.org");
  EXPECT_EQ(ParseRoute("2001:DB8::1")->address(), "2001:db8::1");
  EXPECT_EQ(ParseRoute("[192.0.2.1]:25")->address(), "192.0.2.1");
  EXPECT_EQ(RouteText(*ParseRoute("example.org:25")), "example.org");
  EXPECT_EQ(RouteText(mail::v1::Route()), "DNS");
}

TEST(RouteTest, AnythingElseIsRefused) {
  for (const char* text : {"", "a b", "example.org:0", "example.org:65536", "example.org:x",
                           "[example.org", ":25", "lmtp:", "300.1.1.1", "a@example.org"}) {
    EXPECT_FALSE(ParseRoute(text).ok()) << text;
  }
}

}  // namespace
}  // namespace turnpike::ctl
