#include "services/common/net/tls_session_cache.h"

#include <openssl/ssl.h>

#include "gtest/gtest.h"

namespace turnpike::net {
namespace {

SavedTlsSession Session() { return SavedTlsSession(SSL_SESSION_new()); }

TEST(TlsSessionCacheTest, SessionIsGivenOnce) {
  TlsSessionCache cache;
  SavedTlsSession session = Session();
  const ssl_session_st* const address = session.get();
  cache.Put("mx", std::move(session));
  EXPECT_EQ(cache.Take("other"), nullptr);
  EXPECT_EQ(cache.Take("mx").get(), address);
  EXPECT_EQ(cache.Take("mx"), nullptr);
}

TEST(TlsSessionCacheTest, LaterSessionReplacesTheEarlierOne) {
  TlsSessionCache cache;
  cache.Put("mx", Session());
  SavedTlsSession later = Session();
  const ssl_session_st* const address = later.get();
  cache.Put("mx", std::move(later));
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(cache.Take("mx").get(), address);
}

TEST(TlsSessionCacheTest, OldestGivesWayAtTheLimit) {
  TlsSessionCache cache(/*sessions_max=*/2);
  cache.Put("a", Session());
  cache.Put("b", Session());
  cache.Put("c", Session());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Take("a"), nullptr);
  EXPECT_NE(cache.Take("b"), nullptr);
}

}  // namespace
}  // namespace turnpike::net
