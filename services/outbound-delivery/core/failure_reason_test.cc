#include "services/outbound-delivery/core/failure_reason.h"

#include <vector>

#include "gtest/gtest.h"
#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {
namespace {

FailureReason ReasonOf(const smtp::Reply& reply, bool is_from_peer = false,
                       smtp::Stage stage = smtp::Stage::kConnection) {
  return FailureReasonOf({.stage = stage, .reply = reply, .is_from_peer = is_from_peer});
}

TEST(FailureReasonTest, WordsOfThePeerCountByTheirClass) {
  EXPECT_EQ(ReasonOf(kDnsFailure, true), FailureReason::kRemote4xx);
  EXPECT_EQ(ReasonOf(kNoMailHost, true), FailureReason::kRemote5xx);
}

TEST(FailureReasonTest, OurOwnWordsAreToldApart) {
  struct Case {
    smtp::Reply reply;
    FailureReason reason;
  };
  for (const Case& c : std::vector<Case>{
           {kNoSuchDomain, FailureReason::kDns},
           {kNoMailHost, FailureReason::kDns},
           {kForbiddenAddress, FailureReason::kPolicy},
           {kLoopsToUs, FailureReason::kLoop},
           {smtp::Reply(kCannotConnect, "Cannot connect to a host"), FailureReason::kConnect},
           {kSlowDestination, FailureReason::kThrottled},
           {kPeerTimeout, FailureReason::kTimeout},
           {kTlsFailed, FailureReason::kTls},
           {kNoMx, FailureReason::kDns},
           {kLoginRefused, FailureReason::kLogin},
           {smtp::Reply(kPopCheckFailed, "The POP3 login that must come first failed: away"),
            FailureReason::kLogin},
       }) {
    EXPECT_EQ(ReasonOf(c.reply), c.reason) << c.reply.ToString();
  }
  EXPECT_EQ(ReasonOf(kUnknownLogin, false, smtp::Stage::kEndOfData), FailureReason::kInternal);
  EXPECT_EQ(ReasonOf(kUnknownLogin, false, smtp::Stage::kLocal), FailureReason::kPolicy);
}

}  // namespace
}  // namespace turnpike::delivery
