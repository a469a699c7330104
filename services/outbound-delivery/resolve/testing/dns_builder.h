// Writes DNS responses, for tests.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_DNS_BUILDER_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_DNS_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery::testing_dns {

// A response to one question. Names are not compressed.
class Builder {
 public:
  explicit Builder(const DnsQuestion& question);

  Builder& Id(uint16_t id);
  Builder& Code(int code);  // 0: no error
  Builder& Truncated();
  Builder& Mx(absl::string_view owner, uint32_t ttl, uint16_t preference, absl::string_view host);
  Builder& Address(absl::string_view owner, uint32_t ttl, absl::string_view address);
  Builder& Text(absl::string_view owner, uint32_t ttl, const std::vector<std::string>& strings);
  Builder& Tlsa(absl::string_view owner, uint32_t ttl, const net::TlsaRecord& record);
  Builder& Authentic();
  Builder& Alias(absl::string_view owner, uint32_t ttl, absl::string_view target);
  // In the authority section: after all answers.
  Builder& Soa(absl::string_view owner, uint32_t ttl, uint32_t minimum);

  std::string Build() const;

 private:
  void AppendRecord(absl::string_view owner, uint16_t type, uint32_t ttl, absl::string_view data);

  std::string question_;
  std::string records_;
  uint16_t id_ = 0;
  uint16_t flags_ = 0x8180;  // response, recursion desired and available
  uint16_t answer_count_ = 0;
  uint16_t authority_count_ = 0;
};

// The question of a query; its name in lower case.
DnsQuestion ReadQuestion(absl::string_view query);

}  // namespace turnpike::delivery::testing_dns

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_DNS_BUILDER_H_
