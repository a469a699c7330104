#include "services/common/credentials/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace turnpike::auth {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, BioDeleter>;

Bio Reader(absl::string_view text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A key with a password is never asked for one.
int NoPassword(char*, int, int, void*) { return -1; }

std::optional<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm civil = {};
  if (ASN1_TIME_to_tm(time, &civil) != 1) return std::nullopt;
  return absl::FromTM(civil, absl::UTCTimeZone());
}

}  // namespace

void PemDeleter::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void PemDeleter::operator()(x509_st* certificate) const { X509_free(certificate); }

absl::StatusOr<std::vector<Certificate>> ParseCertificates(absl::string_view pem) {
  const Bio reader = Reader(pem);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (Certificate certificate{PEM_read_bio_X509(reader.get(), nullptr, NoPassword, nullptr)}) {
    certificates.push_back(std::move(certificate));
  }
  // Where the text ends no further block begins; all else is a block that is not whole.
  const unsigned long error = ERR_peek_last_error();  // NOLINT(google-runtime-int): OpenSSL's type
  const bool is_end =
      ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!is_end) {
    return absl::InvalidArgumentError(
        absl::StrCat("certificate ", certificates.size() + 1, " is damaged or cut off"));
  }
  if (certificates.empty()) return absl::InvalidArgumentError("holds no certificate in PEM");
  return certificates;
}

absl::StatusOr<PrivateKey> ParsePrivateKey(absl::string_view pem) {
  PrivateKey key(PEM_read_bio_PrivateKey(Reader(pem).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError("holds no private key in PEM without a password");
  }
  return key;
}

bool IsKeyOf(const PrivateKey& key, const Certificate& certificate) {
  const bool is_key = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return is_key;
}

std::optional<Validity> ValidityOf(const Certificate& certificate) {
  const std::optional<absl::Time> begin = TimeOf(X509_get0_notBefore(certificate.get()));
  const std::optional<absl::Time> end = TimeOf(X509_get0_notAfter(certificate.get()));
  if (!begin.has_value() || !end.has_value()) return std::nullopt;
  return Validity{.begin = *begin, .end = *end};
}

}  // namespace turnpike::auth
