// Certificates for tests, made on the spot.
#ifndef TURNPIKE_SERVICES_COMMON_NET_TESTING_TEST_CERTIFICATE_H_
#define TURNPIKE_SERVICES_COMMON_NET_TESTING_TEST_CERTIFICATE_H_

#include <string>

namespace turnpike::net::testing {

struct TestCertificate {
  std::string certificate_file;  // PEM; also its own authority
  std::string key_file;          // PEM
};

// A self-signed P-256 certificate for the DNS name `host` (and 127.0.0.1), valid from yesterday
// until tomorrow, in files named after `name` in the test's temporary folder.
TestCertificate MakeCertificate(const std::string& name, const std::string& host);

}  // namespace turnpike::net::testing

#endif  // TURNPIKE_SERVICES_COMMON_NET_TESTING_TEST_CERTIFICATE_H_
