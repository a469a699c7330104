#include "services/smtp-frontend/session/environment.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/smtp-frontend/session/offers.h"

namespace turnpike::frontend {
namespace {

auth::v1::Offer OfferOf(const char* in_clear, const char* under_tls) {
  auth::v1::Offer offer;
  offer.add_mechanisms(in_clear);
  offer.add_mechanisms_under_tls(under_tls);
  return offer;
}

std::shared_ptr<const ListenerProfile> Listener(const std::string& name,
                                                const std::string& host_name = "mx.example.com") {
  auto listener = std::make_shared<ListenerProfile>();
  listener->name = name;
  listener->options.host_name = host_name;
  return listener;
}

TEST(OffersTest, SameOfferIsNotMadeTwice) {
  Offers offers;
  const auto listener = Listener("mx");
  const auto first = offers.For(listener, OfferOf("CRAM-MD5", "PLAIN"));
  EXPECT_EQ(first->host_name, "mx.example.com");
  EXPECT_EQ(first->auth_mechanisms_in_clear, std::vector<std::string>{"CRAM-MD5"});
  EXPECT_EQ(first->auth_mechanisms, std::vector<std::string>{"PLAIN"});
  EXPECT_EQ(offers.For(listener, OfferOf("CRAM-MD5", "PLAIN")), first);
  EXPECT_NE(offers.For(listener, OfferOf("CRAM-MD5", "LOGIN")), first);
}

TEST(OffersTest, WithoutThePolicyTheLastOfferStands) {
  Offers offers;
  const auto listener = Listener("mx");
  EXPECT_EQ(offers.WithoutPolicy(listener)->unoffered_auth, smtp::UnofferedAuth::kReport);
  const auto last = offers.For(listener, OfferOf("CRAM-MD5", "PLAIN"));
  EXPECT_EQ(offers.WithoutPolicy(listener), last);
  EXPECT_TRUE(offers.WithoutPolicy(Listener("other"))->auth_mechanisms.empty());
}

TEST(OffersTest, AnotherProfileOfAListenerIsOfferedWithWhatThePolicySaidLast) {
  Offers offers;
  offers.For(Listener("mx"), OfferOf("CRAM-MD5", "PLAIN"));
  const auto changed = Listener("mx", "other.example.com");
  const auto without = offers.WithoutPolicy(changed);
  EXPECT_EQ(without->host_name, "other.example.com");
  EXPECT_EQ(without->auth_mechanisms, std::vector<std::string>{"PLAIN"});
  EXPECT_EQ(offers.WithoutPolicy(changed), without);
  EXPECT_EQ(offers.For(Listener("mx", "third"), OfferOf("CRAM-MD5", "PLAIN"))->host_name, "third");
}

TEST(BufferPoolTest, BuffersAreUsedAgainAndIdleOnesAreBounded) {
  BufferPool pool;
  std::vector<BufferPool::Buffer> buffers;
  for (size_t i = 0; i < BufferPool::kIdleBuffersMax + 10; ++i) buffers.push_back(pool.Take());
  EXPECT_EQ(buffers[0].span().size(), BufferPool::kBufferBytes);
  buffers.clear();
  EXPECT_EQ(pool.idle_count(), BufferPool::kIdleBuffersMax);
  BufferPool::Buffer buffer = pool.Take();
  EXPECT_EQ(pool.idle_count(), BufferPool::kIdleBuffersMax - 1);
  buffer = BufferPool::Buffer();
  EXPECT_FALSE(buffer);
  EXPECT_EQ(pool.idle_count(), BufferPool::kIdleBuffersMax);
}

}  // namespace
}  // namespace turnpike::frontend
