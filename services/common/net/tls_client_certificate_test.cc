#include "services/common/net/tls_client_certificate.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string>
#include <vector>

#include "absl/strings/str_join.h"

namespace turnpike::net {
namespace {

std::string NamesWith(const std::string& alternative_names) {
  X509* certificate = X509_new();
  if (!alternative_names.empty()) {
    X509_EXTENSION* extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative_names.c_str());
    EXPECT_NE(extension, nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }
  const std::vector<std::string> names = Rfc822NamesOf(certificate);
  X509_free(certificate);
  return absl::StrJoin(names, " ");
}

// With octets that the text form does not take.
std::string NamesOfOctets(const std::string& octets) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  ASN1_STRING_set(value, octets.data(), static_cast<int>(octets.size()));
  GENERAL_NAME_set0_value(name, GEN_EMAIL, value);
  GENERAL_NAMES* names = GENERAL_NAMES_new();
  sk_GENERAL_NAME_push(names, name);
  X509* certificate = X509_new();
  X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0);
  GENERAL_NAMES_free(names);
  const std::vector<std::string> found = Rfc822NamesOf(certificate);
  X509_free(certificate);
  return absl::StrJoin(found, " ");
}

TEST(TlsClientCertificateTest, MailAddressesAreFoundAmongOtherNames) {
  EXPECT_EQ(NamesWith("email:ann@example.org"), "ann@example.org");
  EXPECT_EQ(NamesWith("DNS:example.org,email:ann@example.org,IP:192.0.2.1,email:a@b.example"),
            "ann@example.org a@b.example");
  EXPECT_EQ(NamesWith("DNS:example.org"), "");
  EXPECT_EQ(NamesWith(""), "");
}

TEST(TlsClientCertificateTest, OddOctetsMakeNoAddress) {
  EXPECT_EQ(NamesOfOctets("ann@example.org"), "ann@example.org");
  EXPECT_EQ(NamesOfOctets(std::string("ann@example.org\0.evil.example", 29)), "");
  EXPECT_EQ(NamesOfOctets("ann@example.org\n"), "");
  EXPECT_EQ(NamesOfOctets("ann other@example.org"), "");
  EXPECT_EQ(NamesOfOctets("\xe4nn@example.org"), "");
  EXPECT_EQ(NamesOfOctets(""), "");
}

}  // namespace
}  // namespace turnpike::net
