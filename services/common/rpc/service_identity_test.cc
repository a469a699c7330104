#include "services/common/rpc/service_identity.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/rpc/testing/authority.h"

namespace turnpike::rpc::testing {
namespace {

class ServiceIdentityTest : public ::testing::Test {
 protected:
  absl::StatusOr<ServiceIdentity> Read(const std::string& trust_domain = "turnpike") {
    return ServiceIdentity::Read(
        {.service = "spool-store", .directory = directory_, .trust_domain = trust_domain});
  }

  // The file's error, which must begin with its path.
  absl::StatusCode ErrorOf(const std::string& file, const std::string& text = "") {
    const absl::Status status = Read().status();
    EXPECT_TRUE(absl::StrContains(status.message(), Path(file))) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), text)) << status;
    return status.code();
  }

  std::string Path(const std::string& file) const { return directory_ + "/spool-store/" + file; }

  Authority authority_;
  const std::string directory_ = MakeFolder();
};

TEST_F(ServiceIdentityTest, HoldsKeyChainAuthoritiesAndItsEnd) {
  authority_.Issue(directory_, {.service = "spool-store"});
  const absl::StatusOr<ServiceIdentity> identity = Read();
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_TRUE(absl::StrContains(identity->key_and_chain, "PRIVATE KEY"));
  EXPECT_TRUE(absl::StrContains(identity->key_and_chain, "BEGIN CERTIFICATE"));
  EXPECT_EQ(identity->authorities, authority_.certificate());
  const absl::Duration left = identity->not_after - absl::Now();
  EXPECT_GT(left, absl::Minutes(59));
  EXPECT_LE(left, absl::Minutes(60));
}

TEST_F(ServiceIdentityTest, MissingFileIsNamed) {
  for (const char* file : {"tls.crt", "tls.key", "ca.crt"}) {
    authority_.Issue(directory_, {.service = "spool-store"});
    std::remove(Path(file).c_str());
    EXPECT_EQ(ErrorOf(file), absl::StatusCode::kNotFound) << file;
  }
}

TEST_F(ServiceIdentityTest, FileOfAnotherKindIsNamed) {
  for (const char* file : {"tls.crt", "tls.key", "ca.crt"}) {
    authority_.Issue(directory_, {.service = "spool-store"});
    WriteFile(Path(file), "no PEM at all\n");
    EXPECT_EQ(ErrorOf(file, "PEM"), absl::StatusCode::kInvalidArgument) << file;
  }
}

// As a file is while somebody writes it.
TEST_F(ServiceIdentityTest, FileThatIsCutOffIsNamed) {
  Authority other;
  authority_.Issue(directory_, {.service = "spool-store"});
  const std::string both = authority_.certificate() + other.certificate();
  WriteFile(Path("ca.crt"), both);
  EXPECT_TRUE(Read().ok());
  WriteFile(Path("ca.crt"), both.substr(0, both.size() - 100));
  EXPECT_EQ(ErrorOf("ca.crt", "certificate 2 is damaged or cut off"),
            absl::StatusCode::kInvalidArgument);
  WriteFile(Path("ca.crt"), both);
  const std::string leaf = *base::ReadFile(Path("tls.crt"), 1 << 20);
  WriteFile(Path("tls.crt"), leaf + leaf.substr(0, leaf.size() / 2));
  EXPECT_EQ(ErrorOf("tls.crt", "is damaged or cut off"), absl::StatusCode::kInvalidArgument);
}

TEST_F(ServiceIdentityTest, KeyOfAnotherCertificateIsRefused) {
  authority_.Issue(directory_, {.service = "spool-store"});
  const std::string other = *base::ReadFile(Path("tls.key"), 1 << 20);
  authority_.Issue(directory_, {.service = "spool-store"});
  WriteFile(Path("tls.key"), other);
  EXPECT_EQ(ErrorOf("tls.key", "is not the key of"), absl::StatusCode::kInvalidArgument);
}

TEST_F(ServiceIdentityTest, OnlyTheServicesOwnUriNameIsTaken) {
  authority_.Issue(directory_, {.service = "spool-store", .has_uri = false});
  EXPECT_EQ(ErrorOf("tls.crt", "spiffe://turnpike/spool-store"),
            absl::StatusCode::kInvalidArgument);
  authority_.Issue(directory_, {.service = "spool-store",
                                .further_uris = {"spiffe://turnpike/auth-service"},
                                .has_uri = false});
  EXPECT_EQ(ErrorOf("tls.crt", "spiffe://turnpike/auth-service"),
            absl::StatusCode::kInvalidArgument);
  authority_.Issue(directory_,
                   {.service = "spool-store", .further_uris = {"spiffe://turnpike/auth-service"}});
  EXPECT_EQ(ErrorOf("tls.crt", " and "), absl::StatusCode::kInvalidArgument);
  authority_.Issue(directory_, {.service = "spool-store", .trust_domain = "elsewhere"});
  EXPECT_EQ(ErrorOf("tls.crt", "spiffe://elsewhere/spool-store"),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ServiceIdentityTest, AnyTrustDomainWillDoWhereNoneIsGiven) {
  authority_.Issue(directory_, {.service = "spool-store", .trust_domain = "elsewhere"});
  EXPECT_TRUE(Read("").ok());
  EXPECT_TRUE(Read("elsewhere").ok());
  authority_.Issue(directory_, {.service = "spool-store",
                                .further_uris = {"spiffe://elsewhere/deeper/spool-store"},
                                .has_uri = false});
  EXPECT_FALSE(Read("").ok());
}

TEST_F(ServiceIdentityTest, CertificateThatIsNotGoodNowIsRefused) {
  authority_.Issue(directory_, {.service = "spool-store", .end = -absl::Minutes(1)});
  EXPECT_EQ(ErrorOf("tls.crt", "good until"), absl::StatusCode::kInvalidArgument);
  authority_.Issue(directory_, {.service = "spool-store", .begin = absl::Minutes(1)});
  EXPECT_EQ(ErrorOf("tls.crt", "good from"), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace turnpike::rpc::testing
