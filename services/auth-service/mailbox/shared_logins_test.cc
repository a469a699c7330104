#include "services/auth-service/mailbox/shared_logins.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "services/common/base/clock.h"
#include "services/spool-store/client/fake_shared_state.h"

namespace turnpike::auth {
namespace {

class SharedLoginsTest : public testing::Test {
 protected:
  SharedLoginsTest()
      : clock_(absl::FromUnixSeconds(1'800'000'000)), state_(clock_), logins_(Options(), state_) {}

  static SharedLogins::Options Options() {
    return {.account_of = [](absl::string_view user) {
      return absl::StrContains(user, '@') ? std::string(user) : std::string(user) + "@b.example";
    }};
  }

  absl::Status Report(absl::string_view user, absl::string_view client) {
    absl::Status result = absl::InternalError("no answer");
    logins_.Report(user, client, absl::InfiniteFuture(),
                   [&result](absl::Status status) { result = std::move(status); });
    return result;
  }
  absl::StatusOr<bool> Find(const char* account, const char* client) {
    absl::StatusOr<bool> result = absl::InternalError("no answer");
    logins_.Find(account, client, absl::InfiniteFuture(),
                 [&result](absl::StatusOr<bool> found) { result = found; });
    return result;
  }

  base::ManualClock clock_;
  spool::FakeSharedState state_;
  SharedLogins logins_;
};

TEST_F(SharedLoginsTest, LoginCountsForItsAccountAndAddressOnly) {
  ASSERT_TRUE(Report("Ann@b.example", "192.0.2.1").ok());
  EXPECT_EQ(*Find("ann@B.example", "192.0.2.1"), true);
  EXPECT_EQ(*Find("ann@b.example", "::ffff:192.0.2.1"), true);
  EXPECT_EQ(*Find("ann@b.example", "192.0.2.2"), false);
  EXPECT_EQ(*Find("bob@b.example", "192.0.2.1"), false);
  EXPECT_EQ(*Find("ann@b.example", "nonsense"), false);
}

TEST_F(SharedLoginsTest, LoginCountsWithinTheWindowAndAgainAfterTheNext) {
  Report("ann", "2001:db8::1").IgnoreError();
  clock_.Advance(absl::Minutes(15));
  Report("ann", "2001:db8::1").IgnoreError();
  clock_.Advance(absl::Minutes(15));
  EXPECT_EQ(*Find("ann@b.example", "2001:db8::1"), true);
  clock_.Advance(absl::Minutes(5));
  EXPECT_EQ(*Find("ann@b.example", "2001:db8::1"), false);
}

TEST_F(SharedLoginsTest, NobodyKnowsWhileTheStateIsAway) {
  state_.SetStatus(absl::UnavailableError("away"));
  EXPECT_TRUE(absl::IsUnavailable(Report("ann", "192.0.2.1")));
  EXPECT_TRUE(absl::IsUnavailable(Find("ann@b.example", "192.0.2.1").status()));
}

TEST_F(SharedLoginsTest, ReportsThatSayNothingAreErrors) {
  EXPECT_TRUE(absl::IsInvalidArgument(Report("", "192.0.2.1")));
  EXPECT_TRUE(absl::IsInvalidArgument(Report("ann", "")));
  EXPECT_TRUE(absl::IsInvalidArgument(Report("ann", "192.0.2.1:25")));
  EXPECT_TRUE(absl::IsInvalidArgument(Report(std::string(1000, 'a'), "192.0.2.1")));
}

}  // namespace
}  // namespace turnpike::auth
