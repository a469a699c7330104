#include "services/common/net/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/net/tls_client_certificate.h"

namespace turnpike::net {
namespace {

// For TLS 1.2; those of TLS 1.3 are all good. Forward secrecy first, then what old mail servers
// have.
constexpr char kCiphers[] =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:"
    "kRSA+AESGCM:kRSA+AES:!aNULL:!eNULL:!MD5:!PSK:!SRP:!DSS";
// The same where no certificate is checked: a short key is still better than clear text.
constexpr char kOpportunisticCiphers[] =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:"
    "kRSA+AESGCM:kRSA+AES:!aNULL:!eNULL:!MD5:!PSK:!SRP:!DSS:@SECLEVEL=1";

// A daemon has nobody to ask for the password of a key.
int NoPassword(char*, int, int, void*) { return 0; }

// Keeps a session that a client may resume, under the connection's own datum. A copy: the end of
// its connection makes the original unfit for that.
int KeepSession(SSL* ssl, SSL_SESSION* session) {
  const auto* key = static_cast<const std::string*>(SSL_get_app_data(ssl));
  auto* cache = static_cast<TlsSessionCache*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  if (key == nullptr || key->empty()) return 0;
  SavedTlsSession copy(SSL_SESSION_dup(session));
  if (copy != nullptr) cache->Put(*key, std::move(copy));
  return 0;  // the original is not ours
}

absl::Status CheckReadable(const std::string& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) {
    close(descriptor);
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, file);
}

absl::Status Invalid(const std::string& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", what, ": ", TakeTlsError()));
}

}  // namespace

std::string TakeTlsError() {
  const unsigned long code = ERR_get_error();  // NOLINT(google-runtime-int): OpenSSL's type
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason != nullptr ? reason : "unknown error";
  ERR_clear_error();
  return text;
}

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Create(bool is_server) {
  SSL_CTX* context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
  if (context == nullptr) return absl::InternalError(absl::StrCat("OpenSSL: ", TakeTlsError()));
  auto result = std::shared_ptr<TlsContext>(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // One system call for a record's header and body.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_passwd_cb(context, NoPassword);
  if (!is_server) {
    result->sessions_ = std::make_unique<TlsSessionCache>();
    SSL_CTX_set_app_data(context, result->sessions_.get());
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, KeepSession);
  }
  if (SSL_CTX_set_cipher_list(context, kCiphers) != 1) {
    return absl::InternalError(absl::StrCat("ciphers: ", TakeTlsError()));
  }
  return result;
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::ForServer(const ServerFiles& files) {
  for (const std::string& file : {files.certificate_file, files.key_file}) {
    absl::Status readable = CheckReadable(file);
    if (!readable.ok()) return readable;
  }
  absl::StatusOr<std::shared_ptr<TlsContext>> created = Create(/*is_server=*/true);
  if (!created.ok()) return created.status();
  SSL_CTX* context = (*created)->context_;
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate_file.c_str()) != 1) {
    return Invalid(files.certificate_file, "no usable PEM certificate");
  }
  if (SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Invalid(files.key_file, "no usable PEM key for the certificate");
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return Invalid(files.key_file, "not the key of the certificate");
  }
  SSL_CTX_set_dh_auto(context, 1);
  // Sessions may be resumed by tickets, whose keys are the context's own: never with another one.
  constexpr unsigned char kSessionContext[] = "turnpike";
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof(kSessionContext) - 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (!files.client_authorities_file.empty()) {
    absl::Status asked = CheckReadable(files.client_authorities_file);
    if (asked.ok()) asked = AskForClientCertificate(context, files.client_authorities_file);
    if (!asked.ok()) return asked;
  }
  return *std::move(created);
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::ForUnverifyingClient() {
  absl::StatusOr<std::shared_ptr<TlsContext>> created = Create(/*is_server=*/false);
  if (!created.ok()) return created.status();
  if (SSL_CTX_set_cipher_list((*created)->context_, kOpportunisticCiphers) != 1) {
    return absl::InternalError(absl::StrCat("ciphers: ", TakeTlsError()));
  }
  return *std::move(created);
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::ForVerifyingClient(
    const std::string& authorities_file) {
  absl::StatusOr<std::shared_ptr<TlsContext>> created = Create(/*is_server=*/false);
  if (!created.ok()) return created.status();
  SSL_CTX* context = (*created)->context_;
  if (authorities_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else {
    absl::Status readable = CheckReadable(authorities_file);
    if (!readable.ok()) return readable;
    if (SSL_CTX_load_verify_file(context, authorities_file.c_str()) != 1) {
      return Invalid(authorities_file, "no usable PEM certificates");
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  (*created)->verifies_peer_ = true;
  return *std::move(created);
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::ForDaneClient() {
  absl::StatusOr<std::shared_ptr<TlsContext>> created = Create(/*is_server=*/false);
  if (!created.ok()) return created.status();
  SSL_CTX* context = (*created)->context_;
  if (SSL_CTX_dane_enable(context) != 1) {
    return absl::InternalError(absl::StrCat("DANE: ", TakeTlsError()));
  }
  // Neither names nor dates count where the record is of the certificate itself. [RFC7672 3.1.1]
  SSL_CTX_dane_set_flags(context, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  (*created)->verifies_peer_ = true;
  (*created)->is_dane_ = true;
  return *std::move(created);
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace turnpike::net
