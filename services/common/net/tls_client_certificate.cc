#include "services/common/net/tls_client_certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/common/net/tls_context.h"

namespace turnpike::net {
namespace {

constexpr size_t kNamesMax = 16;

// The handshake goes on whatever the certificate is; what it is worth is looked at afterwards.
int TakeAnyway(int, X509_STORE_CTX*) { return 1; }

bool IsPrintable(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

absl::Status AskForClientCertificate(SSL_CTX* context, const std::string& authorities_file) {
  ERR_clear_error();
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(authorities_file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, authorities_file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return absl::InvalidArgumentError(
        absl::StrCat(authorities_file, ": no usable PEM certificates: ", TakeTlsError()));
  }
  SSL_CTX_set_client_CA_list(context, names);  // takes it over
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, TakeAnyway);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return absl::OkStatus();
}

bool HasGoodClientCertificate(SSL* ssl) {
  // TakeAnyway leaves the result of the check as it is.
  return SSL_get0_peer_certificate(ssl) != nullptr && SSL_get_verify_result(ssl) == X509_V_OK;
}

std::vector<std::string> Rfc822NamesOf(X509* certificate) {
  std::vector<std::string> names;
  auto* all = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all) && names.size() < kNamesMax; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all, i);
    if (name->type != GEN_EMAIL) continue;
    const absl::string_view text(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.rfc822Name)),
        static_cast<size_t>(ASN1_STRING_length(name->d.rfc822Name)));
    if (IsPrintable(text)) names.emplace_back(text);
  }
  GENERAL_NAMES_free(all);
  return names;
}

}  // namespace turnpike::net
