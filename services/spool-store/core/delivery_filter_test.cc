#include "services/spool-store/core/delivery_filter.h"

#include <gtest/gtest.h>

namespace turnpike::spool {
namespace {

TEST(AddressPatternTest, MatchesAnAddressInAnyCase) {
  const AddressPattern pattern("Ann@Example.org");
  EXPECT_TRUE(pattern.Matches("ann@example.ORG"));
  EXPECT_FALSE(pattern.Matches("joann@example.org"));
  EXPECT_FALSE(pattern.Matches(""));
}

TEST(AddressPatternTest, MatchesADomainButNotWhatIsBelowOrBesideIt) {
  const AddressPattern pattern("@example.org");
  EXPECT_TRUE(pattern.Matches("ann@EXAMPLE.org"));
  EXPECT_TRUE(pattern.Matches("\"a@b\"@example.org"));
  EXPECT_FALSE(pattern.Matches("ann@sub.example.org"));
  EXPECT_FALSE(pattern.Matches("ann@notexample.org"));
  EXPECT_FALSE(pattern.Matches("example.org"));
}

TEST(AddressPatternTest, EmptyOneMatchesAll) {
  EXPECT_TRUE(AddressPattern("").Matches(""));
  EXPECT_TRUE(AddressPattern("").Matches("ann@example.org"));
}

TEST(DeliveryFilterTest, LooksAtRecipientsThatAreLeft) {
  v1::ListDeliveriesRequest request;
  request.set_recipient("bob@example.org");
  const DeliveryFilter filter(request);
  records::DeliveryRecord record;
  record.add_recipients()->set_address("ann@example.org");
  EXPECT_FALSE(filter.MatchesRecord(record));
  record.add_recipients()->set_address("bob@example.org");
  EXPECT_TRUE(filter.MatchesRecord(record));
}

TEST(DeliveryFilterTest, LooksForUnknownOutcomes) {
  v1::ListDeliveriesRequest request;
  records::DeliveryRecord record;
  record.add_recipients()->set_address("ann@example.org");
  EXPECT_TRUE(DeliveryFilter(request).MatchesRecord(record));
  request.set_outcome_unknown(true);
  EXPECT_FALSE(DeliveryFilter(request).MatchesRecord(record));
  record.set_outcome_unknown(true);
  EXPECT_TRUE(DeliveryFilter(request).MatchesRecord(record));
}

TEST(DeliveryFilterTest, LooksAtTheReturnPath) {
  v1::ListDeliveriesRequest request;
  request.set_sender("@sender.test");
  turnpike::mail::v1::Envelope envelope;
  EXPECT_FALSE(DeliveryFilter(request).MatchesEnvelope(envelope));
  envelope.set_return_path("ann@sender.test");
  EXPECT_TRUE(DeliveryFilter(request).MatchesEnvelope(envelope));
}

}  // namespace
}  // namespace turnpike::spool
