// A client of the frontend, as blocking calls on a socket.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_TESTING_TEST_PEER_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_TESTING_TEST_PEER_H_

#include <string>

#include "absl/strings/string_view.h"

struct ssl_st;      // OpenSSL's SSL
struct ssl_ctx_st;  // and SSL_CTX

namespace turnpike::frontend::testing {

// Every wait ends after ten seconds, which reads as the end of the connection.
class TestPeer {
 public:
  // Connects to `127.0.0.1:40123`.
  explicit TestPeer(const std::string& address);
  TestPeer(const TestPeer&) = delete;
  TestPeer& operator=(const TestPeer&) = delete;
  ~TestPeer();

  void Send(absl::string_view bytes);  // what cannot be sent is lost, as on the net
  // Without its line end; empty at the end of the connection.
  std::string ReadLine();
  // A whole reply, its lines joined by LF.
  std::string ReadReply();
  // Sends the line and reads the reply.
  std::string Ask(absl::string_view line);
  // Lines up to and with the first that is exactly `last`, each with CRLF; less at the end of the
  // connection.
  std::string ReadTo(absl::string_view last);
  // True if nothing arrives for `milliseconds`.
  bool IsSilentFor(int milliseconds);
  // True if the other side closes without another octet.
  bool IsAtEnd();

  // Shakes hands as a client that takes any certificate.
  bool StartTls();
  // TLS records that carried data to us.
  int tls_record_count() const { return tls_record_count_; }

  // A FIN now, but still reading.
  void CloseWriting();
  // An RST.
  void Reset();

 private:
  bool Fill();  // false: the end

  int socket_ = -1;
  std::string input_;
  ssl_ctx_st* context_ = nullptr;
  ssl_st* tls_ = nullptr;
  int tls_record_count_ = 0;
};

}  // namespace turnpike::frontend::testing

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_TESTING_TEST_PEER_H_
