#include "services/turnpikectl/certificates/issue.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"

namespace turnpike::ctl {
namespace {

constexpr absl::Duration kClockDifference = absl::Minutes(5);
constexpr int kSerialBits = 127;  // positive and at most 20 octets [RFC5280 4.1.2.2]

template <auto kFree>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

using Bio = std::unique_ptr<BIO, Freeing<BIO_free_all>>;
using Bignum = std::unique_ptr<BIGNUM, Freeing<BN_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freeing<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freeing<X509_EXTENSION_free>>;
using Asn1Time = std::unique_ptr<ASN1_TIME, Freeing<ASN1_TIME_free>>;

struct Authority {
  Certificate certificate;
  Key key;
  absl::Time not_after;
};

// What stands in a name is what may stand between the commas of OpenSSL's text form of names.
bool IsDnsName(absl::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (const absl::string_view label : absl::StrSplit(name, '.')) {
    if (label.empty() || label.size() > 63) return false;
    for (const char c : label) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-') return false;
    }
  }
  return true;
}

bool IsAddress(const std::string& name) {
  in6_addr octets = {};
  return inet_pton(AF_INET, name.c_str(), &octets) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &octets) == 1;
}

// An encrypted key has no password that we know, and none is asked for.
int NoPassword(char*, int, int, void*) { return -1; }

Bio Reading(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string TextOf(const Bio& bio) {
  char* data = nullptr;
  const auto octets = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(octets));
}

absl::Time TimeOf(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::StatusOr<Authority> ReadAuthority(const CertificateRequest& request) {
  Authority authority;
  authority.certificate.reset(PEM_read_bio_X509(Reading(request.authority_certificate).get(),
                                                nullptr, NoPassword, nullptr));
  if (authority.certificate == nullptr) {
    return absl::FailedPreconditionError("the authority's certificate is no certificate in PEM");
  }
  authority.key.reset(
      PEM_read_bio_PrivateKey(Reading(request.authority_key).get(), nullptr, NoPassword, nullptr));
  if (authority.key == nullptr) {
    return absl::FailedPreconditionError("the authority's key is no open private key in PEM");
  }
  if (X509_check_private_key(authority.certificate.get(), authority.key.get()) != 1) {
    return absl::FailedPreconditionError("the authority's key is not that of its certificate");
  }
  if (X509_check_ca(authority.certificate.get()) != 1) {
    return absl::FailedPreconditionError("the authority's certificate may not sign others");
  }
  authority.not_after = TimeOf(X509_get0_notAfter(authority.certificate.get()));
  if (authority.not_after <= request.now ||
      TimeOf(X509_get0_notBefore(authority.certificate.get())) > request.now) {
    return absl::FailedPreconditionError("the authority's certificate is not valid now");
  }
  return authority;
}

bool SetTime(ASN1_TIME* place, absl::Time time) {
  const Asn1Time value(ASN1_TIME_set(nullptr, absl::ToTimeT(time)));
  return value != nullptr && ASN1_STRING_copy(place, value.get()) == 1;
}

bool SetRandomSerial(X509* certificate) {
  const Bignum serial(BN_new());
  return serial != nullptr &&
         BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetSubject(X509* certificate, const std::string& service) {
  return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(service.c_str()), -1, -1,
                                    0) == 1;
}

bool AddExtensions(X509* certificate, X509* issuer, const std::string& names) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::pair<int, const char*> extensions[] = {
      {NID_basic_constraints, "critical,CA:FALSE"}, {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, "serverAuth,clientAuth"}, {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid"},      {NID_subject_alt_name, names.c_str()},
  };
  for (const auto& [nid, value] : extensions) {
    const bool has_key_name = X509_get0_subject_key_id(issuer) != nullptr;
    if (nid == NID_authority_key_identifier && !has_key_name) continue;
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
    if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) return false;
  }
  return true;
}

absl::StatusOr<std::string> NamesOf(const CertificateRequest& request) {
  if (!IsDnsName(request.service) || !IsDnsName(request.trust_domain)) {
    return absl::InvalidArgumentError("the service and the trust domain are names of a-z, 0-9, -");
  }
  std::string names = absl::StrCat("URI:spiffe://", request.trust_domain, "/", request.service);
  for (const std::string& name : request.names) {
    if (IsAddress(name)) {
      absl::StrAppend(&names, ",IP:", name);
    } else if (IsDnsName(absl::StripPrefix(name, "*."))) {
      absl::StrAppend(&names, ",DNS:", name);
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("`", name, "` is neither a DNS name nor an IP address"));
    }
  }
  return names;
}

}  // namespace

absl::StatusOr<IssuedCertificate> IssueCertificate(const CertificateRequest& request) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::string names, NamesOf(request));
  TURNPIKE_ASSIGN_OR_RETURN(const Authority authority, ReadAuthority(request));
  const absl::Time not_after = std::min(request.now + request.lifetime, authority.not_after);
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  X509* const made = certificate.get();
  X509* const issuer = authority.certificate.get();
  const bool is_signed =
      key != nullptr && made != nullptr && X509_set_version(made, X509_VERSION_3) == 1 &&
      SetRandomSerial(made) && SetTime(X509_getm_notBefore(made), request.now - kClockDifference) &&
      SetTime(X509_getm_notAfter(made), not_after) && X509_set_pubkey(made, key.get()) == 1 &&
      SetSubject(made, request.service) &&
      X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1 &&
      AddExtensions(made, issuer, names) && X509_sign(made, authority.key.get(), EVP_sha256()) > 0;
  const Bio certificate_text(BIO_new(BIO_s_mem()));
  const Bio key_text(BIO_new(BIO_s_secmem()));
  if (!is_signed || PEM_write_bio_X509(certificate_text.get(), made) != 1 ||
      PEM_write_bio_X509(certificate_text.get(), issuer) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    const char* reason = ERR_reason_error_string(ERR_get_error());
    return absl::InternalError(absl::StrCat("OpenSSL could not make the certificate: ",
                                            reason == nullptr ? "no reason said" : reason));
  }
  return IssuedCertificate{.certificate = TextOf(certificate_text),
                           .key = TextOf(key_text),
                           .not_after = absl::FromTimeT(absl::ToTimeT(not_after))};
}

}  // namespace turnpike::ctl
