#include "services/common/rpc/service_identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace turnpike::rpc {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* value) const {
    kFree(value);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

absl::Status Bad(const std::string& path, const std::string& text) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", text));
}

Bio Reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// A key with a password is never asked for one.
int NoPassword(char*, int, int, void*) { return -1; }

// All URI names of the certificate.
std::vector<std::string> UriNames(X509* certificate) {
  std::vector<std::string> uris;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      ASN1_STRING_length(uri));
  }
  return uris;
}

// Nothing when it cannot be read.
std::optional<absl::Time> TimeOf(const ASN1_TIME* time) {
  tm civil = {};
  if (ASN1_TIME_to_tm(time, &civil) != 1) return std::nullopt;
  return absl::FromTM(civil, absl::UTCTimeZone());
}

bool IsIdentity(absl::string_view uri, const ServiceIdentity::Source& source) {
  if (!source.trust_domain.empty()) return uri == IdentityUri(source.trust_domain, source.service);
  const std::vector<absl::string_view> parts = absl::StrSplit(uri, '/');
  return parts.size() == 4 && parts[0] == "spiffe:" && parts[1].empty() && !parts[2].empty() &&
         parts[3] == source.service;
}

std::string Text(absl::Time time) { return absl::FormatTime(time, absl::UTCTimeZone()); }

}  // namespace

std::string IdentityUri(const std::string& trust_domain, const std::string& service) {
  return absl::StrCat("spiffe://", trust_domain, "/", service);
}

absl::StatusOr<ServiceIdentity> ServiceIdentity::Read(const Source& source) {
  const std::string folder = absl::StrCat(source.directory, "/", source.service);
  const std::string certificate_path = folder + "/tls.crt";
  const std::string key_path = folder + "/tls.key";
  const std::string authorities_path = folder + "/ca.crt";
  TURNPIKE_ASSIGN_OR_RETURN(const std::string chain_text,
                            base::ReadFile(certificate_path, kFileBytesMax));
  TURNPIKE_ASSIGN_OR_RETURN(const std::string key_text, base::ReadFile(key_path, kFileBytesMax));
  ServiceIdentity identity;
  TURNPIKE_ASSIGN_OR_RETURN(identity.authorities, base::ReadFile(authorities_path, kFileBytesMax));

  const Certificate certificate(
      PEM_read_bio_X509(Reader(chain_text).get(), nullptr, NoPassword, nullptr));
  if (certificate == nullptr) return Bad(certificate_path, "holds no certificate in PEM");
  const Key key(PEM_read_bio_PrivateKey(Reader(key_text).get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) return Bad(key_path, "holds no private key in PEM without a password");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return Bad(key_path, absl::StrCat("is not the key of the certificate in ", certificate_path));
  }
  const Certificate authority(
      PEM_read_bio_X509(Reader(identity.authorities).get(), nullptr, NoPassword, nullptr));
  if (authority == nullptr) return Bad(authorities_path, "holds no certificate in PEM");

  const std::string wanted = IdentityUri(
      source.trust_domain.empty() ? "<trust domain>" : source.trust_domain, source.service);
  const std::vector<std::string> uris = UriNames(certificate.get());
  if (uris.size() != 1 || !IsIdentity(uris.front(), source)) {
    return Bad(certificate_path,
               uris.empty() ? absl::StrCat("the certificate has no URI name; it must be ", wanted)
                            : absl::StrCat("the certificate's URI name is ",
                                           absl::StrJoin(uris, " and "), "; it must be ", wanted));
  }
  const std::optional<absl::Time> begin = TimeOf(X509_get0_notBefore(certificate.get()));
  const std::optional<absl::Time> end = TimeOf(X509_get0_notAfter(certificate.get()));
  if (!begin.has_value() || !end.has_value()) {
    return Bad(certificate_path, "the certificate does not say from when to when it is good");
  }
  const absl::Time now = absl::Now();
  if (*end <= now) {
    return Bad(certificate_path, absl::StrCat("the certificate was good until ", Text(*end)));
  }
  if (*begin > now) {
    return Bad(certificate_path, absl::StrCat("the certificate is good from ", Text(*begin)));
  }
  identity.not_after = *end;
  identity.key_and_chain = absl::StrCat(key_text, "\n", chain_text);
  return identity;
}

}  // namespace turnpike::rpc
