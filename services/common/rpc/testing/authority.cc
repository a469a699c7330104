#include "services/common/rpc/testing/authority.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace turnpike::rpc::testing {
namespace {

std::atomic<int> serial{1};

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Without extensions and signature.
X509* Draft(EVP_PKEY* key, const std::string& name, X509* issuer, absl::Duration begin,
            absl::Duration end) {
  X509* const certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), absl::ToInt64Seconds(begin));
  X509_gmtime_adj(X509_getm_notAfter(certificate), absl::ToInt64Seconds(end));
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate,
                       X509_get_subject_name(issuer == nullptr ? certificate : issuer));
  return certificate;
}

std::string TakeText(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);  // NOLINT(google-runtime-int): OpenSSL's type
  std::string text(data, size);
  BIO_free(bio);
  return text;
}

std::string ToPem(X509* certificate) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return TakeText(bio);
}

std::string ToPem(EVP_PKEY* key) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  return TakeText(bio);
}

X509* MakeRoot(EVP_PKEY* key) {
  X509* const root = Draft(key, absl::StrCat("Authority ", serial.load()), nullptr,
                           -absl::Hours(24), absl::Hours(24));
  AddExtension(root, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(root, key, EVP_sha256());
  return root;
}

}  // namespace

Authority::Authority() : key_(EVP_EC_gen("P-256")), certificate_(MakeRoot(key_)) {}

Authority::~Authority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

std::string Authority::certificate() const { return ToPem(certificate_); }

int Authority::Issue(const std::string& directory, const Request& request) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const leaf = Draft(key, request.service, certificate_, request.begin, request.end);
  std::string names = request.names;
  if (request.has_uri) {
    absl::StrAppend(&names, ",URI:spiffe://", request.trust_domain, "/", request.service);
  }
  for (const std::string& uri : request.further_uris) absl::StrAppend(&names, ",URI:", uri);
  AddExtension(leaf, NID_subject_alt_name, names);
  X509_sign(leaf, key_, EVP_sha256());
  const int number = static_cast<int>(ASN1_INTEGER_get(X509_get_serialNumber(leaf)));
  const std::string folder = absl::StrCat(directory, "/", request.service, "/");
  mkdir(folder.c_str(), 0700);
  WriteFile(folder + "ca.crt", certificate());
  WriteFile(folder + "tls.key", ToPem(key));
  WriteFile(folder + "tls.crt", ToPem(leaf));
  X509_free(leaf);
  EVP_PKEY_free(key);
  return number;
}

std::string MakeFolder() {
  std::string path = absl::StrCat(::testing::TempDir(), "/identities-XXXXXX");
  EXPECT_NE(mkdtemp(path.data()), nullptr);
  return path;
}

void WriteFile(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".new";
  std::ofstream(fresh, std::ios::binary) << content;
  EXPECT_EQ(std::rename(fresh.c_str(), path.c_str()), 0) << path;
}

}  // namespace turnpike::rpc::testing
