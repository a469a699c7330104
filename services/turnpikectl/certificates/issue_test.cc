#include "services/turnpikectl/certificates/issue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>

namespace turnpike::ctl {
namespace {

using testing::HasSubstr;

constexpr char kUri[] = "spiffe://gate.test/spool-store";

std::string Drain(BIO* bio) {
  char* data = nullptr;
  const auto octets = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(octets));
  BIO_free_all(bio);
  return text;
}

struct TestAuthority {
  std::string certificate;
  std::string key;
};

// An authority that is valid for `days` from now on; one that may not sign if `constraints` says
// so.
TestAuthority MakeAuthority(int days, const char* constraints = "critical,CA:TRUE") {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_time_adj_ex(X509_getm_notBefore(certificate), -10, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, nullptr);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("an authority"), -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, &context, NID_basic_constraints, constraints);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(certificate, key, EVP_sha256());
  BIO* certificate_text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_text, certificate);
  BIO* key_text = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {.certificate = Drain(certificate_text), .key = Drain(key_text)};
}

CertificateRequest RequestTo(const TestAuthority& authority) {
  return {.authority_certificate = authority.certificate,
          .authority_key = authority.key,
          .service = "spool-store",
          .trust_domain = "gate.test",
          .names = {"t-spool-store", "*.t-spool-store.mail.svc", "192.0.2.1", "::1"},
          .now = absl::Now(),
          .lifetime = absl::Hours(24)};
}

X509* ReadCertificate(const std::string& text) {
  BIO* bio = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free_all(bio);
  return certificate;
}

// As the peer sees it: the chain is right, for this purpose.
bool IsTrusted(X509* certificate, const TestAuthority& authority, int purpose) {
  X509* root = ReadCertificate(authority.certificate);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, certificate, nullptr);
  X509_STORE_CTX_set_purpose(context, purpose);
  const bool is_trusted = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  X509_free(root);
  return is_trusted;
}

TEST(IssueCertificateTest, CertificateIsForBothEndsAndHasTheNames) {
  const TestAuthority authority = MakeAuthority(10);
  const auto issued = IssueCertificate(RequestTo(authority));
  ASSERT_TRUE(issued.ok()) << issued.status();
  X509* certificate = ReadCertificate(issued->certificate);
  ASSERT_NE(certificate, nullptr);
  EXPECT_TRUE(IsTrusted(certificate, authority, X509_PURPOSE_SSL_SERVER));
  EXPECT_TRUE(IsTrusted(certificate, authority, X509_PURPOSE_SSL_CLIENT));
  EXPECT_FALSE(IsTrusted(certificate, MakeAuthority(10), X509_PURPOSE_SSL_SERVER));
  EXPECT_EQ(X509_check_host(certificate, "t-spool-store", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(certificate, "t-spool-store-2.t-spool-store.mail.svc", 0, 0, nullptr),
            1);
  EXPECT_EQ(X509_check_host(certificate, "t-auth-service", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(certificate, "192.0.2.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "::1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate, "192.0.2.2", 0), 0);
  BIO* bio = BIO_new(BIO_s_mem());
  X509V3_extensions_print(bio, "names", X509_get0_extensions(certificate), 0, 0);
  EXPECT_THAT(Drain(bio), HasSubstr(std::string("URI:") + kUri));
  EXPECT_EQ(X509_check_ca(certificate), 0);
  X509_free(certificate);
}

TEST(IssueCertificateTest, KeyIsNewAndFitsTheCertificate) {
  const TestAuthority authority = MakeAuthority(10);
  const auto first = IssueCertificate(RequestTo(authority));
  const auto second = IssueCertificate(RequestTo(authority));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->key, second->key);
  X509* certificate = ReadCertificate(first->certificate);
  BIO* bio = BIO_new_mem_buf(first->key.data(), static_cast<int>(first->key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free_all(bio);
  EXPECT_EQ(X509_check_private_key(certificate, key), 1);
  EVP_PKEY_free(key);
  X509_free(certificate);
}

TEST(IssueCertificateTest, CertificateEndsWithItsAuthorityAtTheLatest) {
  CertificateRequest request = RequestTo(MakeAuthority(10));
  const auto sooner = IssueCertificate(request);
  ASSERT_TRUE(sooner.ok());
  EXPECT_NEAR(absl::ToDoubleHours(sooner->not_after - request.now), 24, 0.1);
  request.lifetime = absl::Hours(24 * 365);
  const auto later = IssueCertificate(request);
  ASSERT_TRUE(later.ok());
  EXPECT_NEAR(absl::ToDoubleHours(later->not_after - request.now), 240, 0.1);
}

TEST(IssueCertificateTest, AuthorityThatIsNoneIsRefused) {
  const TestAuthority authority = MakeAuthority(10);
  CertificateRequest request = RequestTo(authority);
  request.authority_key = MakeAuthority(10).key;
  EXPECT_THAT(IssueCertificate(request).status().message(), HasSubstr("not that of its"));
  request = RequestTo(authority);
  request.authority_certificate = "none";
  EXPECT_THAT(IssueCertificate(request).status().message(), HasSubstr("no certificate"));
  request = RequestTo(authority);
  request.authority_key = "none";
  EXPECT_THAT(IssueCertificate(request).status().message(), HasSubstr("no open private key"));
  EXPECT_THAT(IssueCertificate(RequestTo(MakeAuthority(-1))).status().message(),
              HasSubstr("not valid now"));
  EXPECT_THAT(IssueCertificate(RequestTo(MakeAuthority(10, "CA:FALSE"))).status().message(),
              HasSubstr("may not sign"));
}

TEST(IssueCertificateTest, WhatIsNoNameIsRefused) {
  CertificateRequest request = RequestTo(MakeAuthority(10));
  for (const char* name :
       {"", "a..b", "a b", "a,DNS:b", "*", "a.*.b", "@section", "\xe4.example"}) {
    request.names = {name};
    EXPECT_TRUE(absl::IsInvalidArgument(IssueCertificate(request).status())) << name;
  }
  request.names.clear();
  request.trust_domain = "a/b";
  EXPECT_TRUE(absl::IsInvalidArgument(IssueCertificate(request).status()));
}

}  // namespace
}  // namespace turnpike::ctl
