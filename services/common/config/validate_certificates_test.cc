#include "services/common/config/validate_certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/common/config/loader.h"
#include "services/common/net/testing/test_certificate.h"

namespace turnpike::config {
namespace {

using net::testing::MakeCertificate;
using net::testing::TestCertificate;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<LoadedConfig> Load(const std::string& certificate, const std::string& key,
                                  const std::string& service = "", const std::string& more = "") {
  return ParseConfig(absl::StrCat("smtp:\n  listeners:\n  - name: mx\n    role: smtp\n"
                                  "    listen: \"127.0.0.1:0\"\n    tls:\n"
                                  "      certificate_file: ",
                                  certificate, "\n      key_file: ", key, "\n", more),
                     "t.yaml", {.service = service});
}

std::string ErrorsOf(const absl::StatusOr<LoadedConfig>& loaded) {
  return loaded.ok() ? "accepted" : std::string(loaded.status().message());
}

std::string WriteFile(const std::string& name, const std::string& content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path) << content;
  return path;
}

// The certificate of `files`, signed anew for other times, in seconds from now.
std::string ChangeTimes(const TestCertificate& files, int64_t begin, int64_t end) {
  FILE* file = std::fopen(files.certificate_file.c_str(), "r");
  X509* const certificate = PEM_read_X509(file, nullptr, nullptr, nullptr);
  std::fclose(file);
  file = std::fopen(files.key_file.c_str(), "r");
  EVP_PKEY* const key = PEM_read_PrivateKey(file, nullptr, nullptr, nullptr);
  std::fclose(file);
  X509_gmtime_adj(X509_getm_notBefore(certificate), begin);
  X509_gmtime_adj(X509_getm_notAfter(certificate), end);
  EXPECT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
  const std::string path = files.certificate_file + ".other_times";
  file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  EVP_PKEY_free(key);
  X509_free(certificate);
  return path;
}

TEST(ValidateCertificatesTest, FilesThatBelongTogetherAreAccepted) {
  const TestCertificate files = MakeCertificate("one", "mx.example");
  const auto loaded = Load(files.certificate_file, files.key_file);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->warnings, IsEmpty());
}

TEST(ValidateCertificatesTest, KeyOfAnotherCertificateIsAnErrorOfTheKey) {
  const TestCertificate one = MakeCertificate("one", "mx.example");
  const TestCertificate two = MakeCertificate("two", "mx.example");
  EXPECT_EQ(ErrorsOf(Load(one.certificate_file, two.key_file)),
            absl::StrCat("t.yaml:8:17: smtp.listeners[0].tls.key_file: ", two.key_file,
                         " is not the key of the certificate in ", one.certificate_file,
                         "; replace the one that belongs to another"));
}

TEST(ValidateCertificatesTest, FilesThatHoldSomethingElseAreNamed) {
  const TestCertificate files = MakeCertificate("one", "mx.example");
  const std::string junk = WriteFile("junk.pem", "junk\n");
  EXPECT_EQ(ErrorsOf(Load(junk, junk)),
            absl::StrCat("t.yaml:7:25: smtp.listeners[0].tls.certificate_file: ", junk,
                         ": holds no certificate in PEM; write it anew\n"
                         "t.yaml:8:17: smtp.listeners[0].tls.key_file: ",
                         junk,
                         ": holds no private key in PEM without a password; put the certificate's "
                         "key there"));
  EXPECT_THAT(ErrorsOf(Load(files.certificate_file, files.key_file, "",
                            absl::StrCat("      client_authorities_file: ", junk, "\n"))),
              HasSubstr("tls.client_authorities_file: " + junk + ": holds no certificate"));
}

TEST(ValidateCertificatesTest, OnlyWhoServesThemLooksIntoTheFiles) {
  const TestCertificate one = MakeCertificate("one", "mx.example");
  const TestCertificate two = MakeCertificate("two", "mx.example");
  EXPECT_THAT(ErrorsOf(Load(one.certificate_file, two.key_file, "smtp-frontend")),
              HasSubstr("is not the key of"));
  EXPECT_EQ(ErrorsOf(Load(one.certificate_file, two.key_file, "spool-store")), "accepted");
}

TEST(ValidateCertificatesTest, CertificateThatIsNotGoodNowIsAWarning) {
  const TestCertificate files = MakeCertificate("one", "mx.example");
  const auto ended = Load(ChangeTimes(files, -7200, -3600), files.key_file);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_THAT(ended->warnings,
              ElementsAre(AllOf(HasSubstr("t.yaml:7:25: smtp.listeners[0].tls.certificate_file: "),
                                HasSubstr("the certificate was good until "),
                                HasSubstr(" UTC; replace it"))));
  const auto to_come = Load(ChangeTimes(files, 3600, 7200), files.key_file);
  ASSERT_TRUE(to_come.ok()) << to_come.status();
  EXPECT_THAT(to_come->warnings, ElementsAre(HasSubstr("the certificate is good from ")));
}

}  // namespace
}  // namespace turnpike::config
