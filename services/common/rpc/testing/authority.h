// Certificates of services, made on the spot, in the folders where the services look for theirs.
#ifndef TURNPIKE_SERVICES_COMMON_RPC_TESTING_AUTHORITY_H_
#define TURNPIKE_SERVICES_COMMON_RPC_TESTING_AUTHORITY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

struct evp_pkey_st;
struct x509_st;

namespace turnpike::rpc::testing {

// Thread-compatible.
class Authority {
 public:
  struct Request {
    std::string service;
    std::string trust_domain = "turnpike";
    std::vector<std::string> further_uris = {};
    bool has_uri = true;                        // false: none at all
    std::string names = "DNS:localhost";        // as OpenSSL writes them
    absl::Duration begin = -absl::Minutes(10);  // from now
    absl::Duration end = absl::Hours(1);
  };

  Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  ~Authority();

  // Writes <directory>/<service>/{tls.crt,tls.key,ca.crt}, each whole at any time. The serial
  // number of the certificate, which no other has.
  int Issue(const std::string& directory, const Request& request);

  std::string certificate() const;  // PEM

 private:
  evp_pkey_st* const key_;
  x509_st* const certificate_;
};

// A new, empty folder of the running test.
std::string MakeFolder();
// Replaces the file as a whole.
void WriteFile(const std::string& path, const std::string& content);

}  // namespace turnpike::rpc::testing

#endif  // TURNPIKE_SERVICES_COMMON_RPC_TESTING_AUTHORITY_H_
