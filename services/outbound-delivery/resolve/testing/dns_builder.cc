#include "services/outbound-delivery/resolve/testing/dns_builder.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace turnpike::delivery::testing_dns {
namespace {

std::string Short(uint16_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string Long(uint32_t value) {
  return Short(static_cast<uint16_t>(value >> 16)) + Short(static_cast<uint16_t>(value & 0xffff));
}

std::string Name(absl::string_view text) {
  std::string name;
  for (absl::string_view label : absl::StrSplit(text, '.', absl::SkipEmpty())) {
    name.push_back(static_cast<char>(label.size()));
    absl::StrAppend(&name, label);
  }
  name.push_back('\0');
  return name;
}

uint16_t WireType(RecordType type) {
  switch (type) {
    case RecordType::kA:
      return 1;
    case RecordType::kAaaa:
      return 28;
    case RecordType::kMx:
      return 15;
    case RecordType::kTxt:
      return 16;
    case RecordType::kTlsa:
      return 52;
  }
  return 0;
}

}  // namespace

Builder::Builder(const DnsQuestion& question)
    : question_(Name(question.name) + Short(WireType(question.type)) + Short(1)) {}

Builder& Builder::Id(uint16_t id) {
  id_ = id;
  return *this;
}

Builder& Builder::Code(int code) {
  flags_ = static_cast<uint16_t>((flags_ & 0xfff0) | code);
  return *this;
}

Builder& Builder::Truncated() {
  flags_ |= 0x0200;
  return *this;
}

Builder& Builder::Mx(absl::string_view owner, uint32_t ttl, uint16_t preference,
                     absl::string_view host) {
  AppendRecord(owner, 15, ttl, Short(preference) + Name(host));
  ++answer_count_;
  return *this;
}

Builder& Builder::Address(absl::string_view owner, uint32_t ttl, absl::string_view address) {
  const net::IpAddress ip = *net::IpAddress::Parse(address);
  AppendRecord(owner, ip.is_v4() ? 1 : 28, ttl, ip.bytes());
  ++answer_count_;
  return *this;
}

Builder& Builder::Text(absl::string_view owner, uint32_t ttl,
                       const std::vector<std::string>& strings) {
  std::string data;
  for (const std::string& text : strings) {
    data.push_back(static_cast<char>(text.size()));
    data += text;
  }
  AppendRecord(owner, 16, ttl, data);
  ++answer_count_;
  return *this;
}

Builder& Builder::Tlsa(absl::string_view owner, uint32_t ttl, const net::TlsaRecord& record) {
  std::string data = {static_cast<char>(record.usage), static_cast<char>(record.selector),
                      static_cast<char>(record.matching_type)};
  AppendRecord(owner, 52, ttl, data + record.data);
  ++answer_count_;
  return *this;
}

Builder& Builder::Authentic() {
  flags_ |= 0x0020;
  return *this;
}

Builder& Builder::Alias(absl::string_view owner, uint32_t ttl, absl::string_view target) {
  AppendRecord(owner, 5, ttl, Name(target));
  ++answer_count_;
  return *this;
}

Builder& Builder::Soa(absl::string_view owner, uint32_t ttl, uint32_t minimum) {
  AppendRecord(owner, 6, ttl,
               Name("ns.example") + Name("root.example") + Long(1) + Long(2) + Long(3) + Long(4) +
                   Long(minimum));
  ++authority_count_;
  return *this;
}

std::string Builder::Build() const {
  return absl::StrCat(Short(id_), Short(flags_), Short(1), Short(answer_count_),
                      Short(authority_count_), Short(0), question_, records_);
}

void Builder::AppendRecord(absl::string_view owner, uint16_t type, uint32_t ttl,
                           absl::string_view data) {
  absl::StrAppend(&records_, Name(owner), Short(type), Short(1), Long(ttl),
                  Short(static_cast<uint16_t>(data.size())), data);
}

DnsQuestion ReadQuestion(absl::string_view query) {
  DnsQuestion question;
  query.remove_prefix(12);
  while (!query.empty() && query.front() != '\0') {
    const auto length = static_cast<size_t>(query.front());
    if (!question.name.empty()) question.name.push_back('.');
    absl::StrAppend(&question.name, query.substr(1, length));
    query.remove_prefix(1 + length);
  }
  absl::AsciiStrToLower(&question.name);
  const int type = query.size() < 3 ? 0 : static_cast<unsigned char>(query[2]);
  for (const RecordType known :
       {RecordType::kAaaa, RecordType::kMx, RecordType::kTxt, RecordType::kTlsa}) {
    if (WireType(known) == type) question.type = known;
  }
  return question;
}

}  // namespace turnpike::delivery::testing_dns
