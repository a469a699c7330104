#include "services/common/net/tls_session.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/net/ip.h"
#include "services/common/net/stream_socket.h"
#include "services/common/net/tls_client_certificate.h"
#include "services/common/net/tls_context.h"

namespace turnpike::net {
namespace {

// What an idle connection keeps of its output buffer.
constexpr size_t kIdleOutputBytesMax = 4096;

std::string SubjectOf(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);  // NOLINT(google-runtime-int): OpenSSL's type
  std::string subject(text, static_cast<size_t>(size));
  BIO_free(bio);
  return subject;
}

// [RFC5929 4.1] The hash of the server's certificate by its signature's own hash function, where
// MD5 and SHA-1 become SHA-256. Empty where the signature has none.
std::string EndPointBinding(X509* certificate) {
  int digest_nid = NID_undef;
  if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest_nid, nullptr) != 1) {
    return "";
  }
  if (digest_nid == NID_md5 || digest_nid == NID_sha1) digest_nid = NID_sha256;
  const EVP_MD* digest = EVP_get_digestbynid(digest_nid);
  if (digest == nullptr) return "";
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, digest, hash, &size) != 1) return "";
  return std::string(reinterpret_cast<const char*>(hash), size);
}

// [RFC9266 2, 4.2]
std::string ExporterBinding(SSL* ssl) {
  constexpr absl::string_view kLabel = "EXPORTER-Channel-Binding";
  unsigned char exported[32];
  if (SSL_version(ssl) < TLS1_3_VERSION ||
      SSL_export_keying_material(ssl, exported, sizeof(exported), kLabel.data(), kLabel.size(),
                                 nullptr, 0, /*use_context=*/1) != 1) {
    return "";
  }
  return std::string(reinterpret_cast<const char*>(exported), sizeof(exported));
}

// Whether the certificate must be for `name`: asks OpenSSL to check that.
bool RequireName(SSL* ssl, const std::string& name, bool is_address) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (is_address) return X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size()) == 1;
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int descriptor)
    : context_(std::move(context)), descriptor_(descriptor) {}

TlsSession::~TlsSession() { SSL_free(ssl_); }

absl::StatusOr<std::unique_ptr<TlsSession>> TlsSession::Create(
    std::shared_ptr<const TlsContext> context, int descriptor) {
  auto session = std::unique_ptr<TlsSession>(new TlsSession(std::move(context), descriptor));
  ERR_clear_error();
  session->ssl_ = SSL_new(session->context_->native());
  BIO* bio = BIO_new(SocketMethod());
  if (session->ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return absl::ResourceExhaustedError(absl::StrCat("OpenSSL: ", TakeTlsError()));
  }
  BIO_set_data(bio, session.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(session->ssl_, bio, bio);  // takes it over, once
  return session;
}

absl::StatusOr<std::unique_ptr<TlsSession>> TlsSession::ForServer(
    std::shared_ptr<const TlsContext> context, int descriptor) {
  absl::StatusOr<std::unique_ptr<TlsSession>> session = Create(std::move(context), descriptor);
  if (session.ok()) SSL_set_accept_state((*session)->ssl_);
  return session;
}

absl::StatusOr<std::unique_ptr<TlsSession>> TlsSession::ForClient(
    std::shared_ptr<const TlsContext> context, int descriptor, TlsPeer peer) {
  absl::StatusOr<std::unique_ptr<TlsSession>> session = Create(std::move(context), descriptor);
  if (!session.ok()) return session;
  SSL* ssl = (*session)->ssl_;
  SSL_set_connect_state(ssl);
  const absl::Status status = (*session)->SetPeer(peer);
  if (!status.ok()) return status;
  (*session)->session_key_ = std::move(peer.session_key);
  SSL_set_app_data(ssl, &(*session)->session_key_);
  if (const SavedTlsSession saved =
          (*session)->context_->sessions()->Take((*session)->session_key_);
      saved != nullptr) {
    SSL_set_session(ssl, saved.get());
  }
  return session;
}

absl::Status TlsSession::SetPeer(const TlsPeer& peer) {
  if (context_->is_dane()) return SetTlsaRecords(peer);
  const std::string& name = peer.server_name;
  const bool verifies = context_->verifies_peer();
  if (name.empty()) {
    return verifies ? absl::InvalidArgumentError("a verified peer needs a name") : absl::OkStatus();
  }
  const bool is_address = IpAddress::Parse(name).ok();
  if ((!is_address && SSL_set_tlsext_host_name(ssl_, name.c_str()) != 1) ||
      (verifies && !RequireName(ssl_, name, is_address))) {
    return absl::InvalidArgumentError(absl::StrCat("TLS server name: ", TakeTlsError()));
  }
  return absl::OkStatus();
}

// [RFC7672 3.2.2] The host's own name is set with the records.
absl::Status TlsSession::SetTlsaRecords(const TlsPeer& peer) {
  if (SSL_dane_enable(ssl_, peer.server_name.c_str()) != 1 ||
      (!peer.other_name.empty() && SSL_add1_host(ssl_, peer.other_name.c_str()) != 1)) {
    return absl::InvalidArgumentError(absl::StrCat("TLS server name: ", TakeTlsError()));
  }
  bool has_usable = false;
  for (const TlsaRecord& record : peer.tlsa) {
    has_usable |= SSL_dane_tlsa_add(ssl_, record.usage, record.selector, record.matching_type,
                                    reinterpret_cast<const unsigned char*>(record.data.data()),
                                    record.data.size()) > 0;
  }
  ERR_clear_error();
  return has_usable ? absl::OkStatus()
                    : absl::InvalidArgumentError("none of the TLSA records can be used");
}

const bio_method_st* TlsSession::SocketMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "turnpike socket");
    BIO_meth_set_read(made, ReadFromSocket);
    BIO_meth_set_write(made, AppendToOutput);
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long {  // NOLINT
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return made;
  }();
  return method;
}

int TlsSession::ReadFromSocket(BIO* bio, char* bytes, int size) {
  auto* session = static_cast<TlsSession*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  while (true) {
    const ssize_t received =
        recv(session->descriptor_, bytes, static_cast<size_t>(size), MSG_DONTWAIT);
    if (received >= 0) return static_cast<int>(received);
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      BIO_set_retry_read(bio);
    } else {
      session->socket_error_ = errno;
    }
    return -1;
  }
}

int TlsSession::AppendToOutput(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<TlsSession*>(BIO_get_data(bio))->output_.append(bytes, static_cast<size_t>(size));
  return size;
}

TlsSession::Result TlsSession::Handshake() {
  ERR_clear_error();
  return ResultOf(SSL_do_handshake(ssl_), "TLS handshake");
}

TlsSession::Result TlsSession::Read(absl::Span<char> buffer, size_t* count) {
  ERR_clear_error();
  return ResultOf(SSL_read_ex(ssl_, buffer.data(), buffer.size(), count), "TLS read");
}

TlsSession::Result TlsSession::Write(absl::string_view bytes) {
  ERR_clear_error();
  size_t written = 0;
  return ResultOf(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written), "TLS write");
}

void TlsSession::Shutdown() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

TlsSession::Result TlsSession::ResultOf(int returned, absl::string_view what) {
  if (returned == 1) return Result::kDone;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return Result::kWantRead;
    case SSL_ERROR_ZERO_RETURN:
      return Result::kClosed;
    case SSL_ERROR_SYSCALL:
      error_ = socket_error_ != 0
                   ? StatusOfNetworkError(socket_error_, what)
                   : absl::UnavailableError(absl::StrCat(what, ": the peer hung up"));
      return Result::kFailed;
    default: {
      const unsigned long code = ERR_peek_error();  // NOLINT(google-runtime-int)
      const std::string text = absl::StrCat(what, ": ", TakeTlsError());
      if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
          ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        error_ = absl::UnauthenticatedError(
            absl::StrCat(text, ": ", X509_verify_cert_error_string(SSL_get_verify_result(ssl_))));
      } else if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
                 ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        error_ = absl::UnavailableError(absl::StrCat(what, ": the peer hung up"));
      } else {
        error_ = absl::FailedPreconditionError(text);
      }
      return Result::kFailed;
    }
  }
}

absl::string_view TlsSession::output() const {
  return absl::string_view(output_).substr(output_sent_);
}

void TlsSession::ConsumeOutput(size_t bytes) {
  output_sent_ += bytes;
  if (output_sent_ < output_.size()) return;
  output_sent_ = 0;
  if (output_.capacity() > kIdleOutputBytesMax) {
    output_ = std::string();
  } else {
    output_.clear();
  }
}

TlsFacts TlsSession::Facts() const {
  TlsFacts facts;
  facts.protocol = SSL_get_version(ssl_);
  facts.cipher = SSL_get_cipher_name(ssl_);
  facts.is_resumed = SSL_session_reused(ssl_) == 1;
  facts.exporter_binding = ExporterBinding(ssl_);
  X509* const peer = SSL_get0_peer_certificate(ssl_);
  if (peer != nullptr) {
    facts.peer_subject = SubjectOf(peer);
    facts.peer_verified = context_->verifies_peer();  // or there would be no session
    if (SSL_is_server(ssl_) == 1 && HasGoodClientCertificate(ssl_)) {
      facts.peer_verified = true;
      facts.client_addresses = Rfc822NamesOf(peer);
    }
  }
  X509* const server = SSL_is_server(ssl_) == 1 ? SSL_get_certificate(ssl_) : peer;
  if (server != nullptr) facts.server_end_point_binding = EndPointBinding(server);
  return facts;
}

}  // namespace turnpike::net
