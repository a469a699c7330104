// Makes the certificate that a service shows to the others, signed by an authority of our own.
// (PL-40)
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CERTIFICATES_ISSUE_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CERTIFICATES_ISSUE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace turnpike::ctl {

struct CertificateRequest {
  std::string authority_certificate;  // PEM: the certificate that signs comes first
  std::string authority_key;          // PEM, not encrypted
  std::string service;                // `spool-store`
  std::string trust_domain;           // `turnpike`
  // DNS names and IP addresses by which others call it; `*.` may stand in front of a DNS name.
  std::vector<std::string> names;
  absl::Time now;
  // Counted from `now`; more than nothing. The certificate ends no later than its authority.
  absl::Duration lifetime;
};

struct IssuedCertificate {
  std::string certificate;  // PEM, followed by its authority's
  std::string key;          // PEM, PKCS#8: a new one on P-256
  absl::Time not_after;
};

// The certificate has the URI name spiffe://<trust_domain>/<service> and the others, is for both
// ends of a connection, and is valid since five minutes ago, because clocks differ.
//
// INVALID_ARGUMENT for a name that is none; FAILED_PRECONDITION for an authority that is none, is
// not valid now, or has another key. Thread-safe.
absl::StatusOr<IssuedCertificate> IssueCertificate(const CertificateRequest& request);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CERTIFICATES_ISSUE_H_
