#include "services/common/rpc/service_identity.h"

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
#include "services/common/credentials/pem.h"

namespace turnpike::rpc {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

struct NamesDeleter {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
using Names = std::unique_ptr<GENERAL_NAMES, NamesDeleter>;

absl::Status Bad(const std::string& path, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", text));
}

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

  const absl::StatusOr<std::vector<auth::Certificate>> chain = auth::ParseCertificates(chain_text);
  if (!chain.ok()) return Bad(certificate_path, chain.status().message());
  const auth::Certificate& certificate = chain->front();
  const absl::StatusOr<auth::PrivateKey> key = auth::ParsePrivateKey(key_text);
  if (!key.ok()) return Bad(key_path, key.status().message());
  if (!auth::IsKeyOf(*key, certificate)) {
    return Bad(key_path, absl::StrCat("is not the key of the certificate in ", certificate_path));
  }
  // Of a file that is cut off gRPC would take what is there, and trust one authority less.
  const absl::Status authorities = auth::ParseCertificates(identity.authorities).status();
  if (!authorities.ok()) return Bad(authorities_path, authorities.message());

  const std::string wanted = IdentityUri(
      source.trust_domain.empty() ? "<trust domain>" : source.trust_domain, source.service);
  const std::vector<std::string> uris = UriNames(certificate.get());
  if (uris.size() != 1 || !IsIdentity(uris.front(), source)) {
    return Bad(certificate_path,
               uris.empty() ? absl::StrCat("the certificate has no URI name; it must be ", wanted)
                            : absl::StrCat("the certificate's URI name is ",
                                           absl::StrJoin(uris, " and "), "; it must be ", wanted));
  }
  const std::optional<auth::Validity> validity = auth::ValidityOf(certificate);
  if (!validity.has_value()) {
    return Bad(certificate_path, "the certificate does not say from when to when it is good");
  }
  const absl::Time now = absl::Now();
  if (validity->end <= now) {
    return Bad(certificate_path,
               absl::StrCat("the certificate was good until ", Text(validity->end)));
  }
  if (validity->begin > now) {
    return Bad(certificate_path,
               absl::StrCat("the certificate is good from ", Text(validity->begin)));
  }
  identity.not_after = validity->end;
  identity.key_and_chain = absl::StrCat(key_text, "\n", chain_text);
  return identity;
}

}  // namespace turnpike::rpc
