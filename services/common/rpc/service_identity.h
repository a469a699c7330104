// The certificate by which a service is known to the others, as its files hold it. (PL-40)
#ifndef TURNPIKE_SERVICES_COMMON_RPC_SERVICE_IDENTITY_H_
#define TURNPIKE_SERVICES_COMMON_RPC_SERVICE_IDENTITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace turnpike::rpc {

struct ServiceIdentity {
  // Where the files are: <directory>/<service>/tls.crt, tls.key and ca.crt.
  struct Source {
    std::string service;       // `spool-store`
    std::string directory;     // services.tls.directory
    std::string trust_domain;  // services.tls.trust_domain; empty: any
  };

  std::string key_and_chain;  // PEM: the private key, then the certificate and its chain
  std::string authorities;    // PEM: whose certificates the others have
  absl::Time not_after;       // when the certificate ends

  // Reads the three files and checks that they are one identity: NOT_FOUND, PERMISSION_DENIED or
  // FAILED_PRECONDITION when one cannot be read; INVALID_ARGUMENT when one holds something else,
  // when the key is not the certificate's, or when the certificate is not
  // spiffe://<trust_domain>/<service> and nothing else, or not good now. Every error names the
  // file.
  static absl::StatusOr<ServiceIdentity> Read(const Source& source);

  bool operator==(const ServiceIdentity& other) const {
    return key_and_chain == other.key_and_chain && authorities == other.authorities;
  }
};

// `spiffe://turnpike/spool-store`
std::string IdentityUri(const std::string& trust_domain, const std::string& service);

}  // namespace turnpike::rpc

#endif  // TURNPIKE_SERVICES_COMMON_RPC_SERVICE_IDENTITY_H_
