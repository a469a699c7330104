// Certificates and private keys in PEM, as files hold them.
#ifndef TURNPIKE_SERVICES_COMMON_CREDENTIALS_PEM_H_
#define TURNPIKE_SERVICES_COMMON_CREDENTIALS_PEM_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY
struct x509_st;      // OpenSSL's X509

namespace turnpike::auth {

struct PemDeleter {
  void operator()(evp_pkey_st* key) const;
  void operator()(x509_st* certificate) const;
};
using Certificate = std::unique_ptr<x509_st, PemDeleter>;
using PrivateKey = std::unique_ptr<evp_pkey_st, PemDeleter>;

// All certificates of the text, in its order; other things in PEM are passed over.
// INVALID_ARGUMENT, with a text to follow a file's name, when there is none, or when one is damaged
// or cut off: who writes the file may not be done with it.
absl::StatusOr<std::vector<Certificate>> ParseCertificates(absl::string_view pem);

// INVALID_ARGUMENT, with such a text, when there is no private key that needs no password.
absl::StatusOr<PrivateKey> ParsePrivateKey(absl::string_view pem);

bool IsKeyOf(const PrivateKey& key, const Certificate& certificate);

struct Validity {
  absl::Time begin;
  absl::Time end;
};
// From when to when the certificate is good; nothing when that cannot be read.
std::optional<Validity> ValidityOf(const Certificate& certificate);

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_COMMON_CREDENTIALS_PEM_H_
