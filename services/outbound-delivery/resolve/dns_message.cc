#include "services/outbound-delivery/resolve/dns_message.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"

namespace turnpike::delivery {
namespace {

constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeCname = 5;
constexpr uint16_t kTypeSoa = 6;
constexpr uint16_t kTypeMx = 15;
constexpr uint16_t kTypeTxt = 16;
constexpr uint16_t kTypeAaaa = 28;
constexpr uint16_t kTypeTlsa = 52;
constexpr uint16_t kClassInternet = 1;
constexpr uint16_t kNoError = 0;
constexpr uint16_t kNameError = 3;
constexpr uint16_t kAuthenticDataFlag = 0x20;

constexpr size_t kNameBytesMax = 255;
constexpr size_t kPointersMax = 32;
constexpr absl::Duration kNegativeDefault = absl::Minutes(1);
constexpr absl::Duration kTimeToLiveMax = absl::Hours(24 * 7);

// Reads at a position; after the first octet that is missing everything is 0 and ok() false.
class Reader {
 public:
  Reader(absl::string_view message, size_t position) : message_(message), position_(position) {}

  bool ok() const { return ok_; }
  size_t position() const { return position_; }

  uint8_t Octet() {
    if (!ok_ || position_ >= message_.size()) {
      ok_ = false;
      return 0;
    }
    return static_cast<uint8_t>(message_[position_++]);
  }
  uint16_t Short() {
    const unsigned high = Octet();
    return static_cast<uint16_t>(high << 8 | Octet());
  }
  uint32_t Long() {
    const uint32_t high = Short();
    return high << 16 | Short();
  }
  absl::string_view Octets(size_t count) {
    if (!ok_ || message_.size() - position_ < count) {
      ok_ = false;
      return {};
    }
    position_ += count;
    return message_.substr(position_ - count, count);
  }

  // A name in lower case without its final dot, compression resolved. [RFC1035 4.1.4] A label with
  // octets that no host name has makes the whole message malformed: it would not be a name that
  // mail can go to.
  std::string Name() {
    std::string name;
    size_t resume = 0;  // after the first pointer
    for (size_t pointers = 0; ok_;) {
      const uint8_t length = Octet();
      if (length >= 0xc0) {
        const size_t target = static_cast<size_t>(length & 0x3fu) << 8 | Octet();
        if (resume == 0) resume = position_;
        if (++pointers > kPointersMax || target >= message_.size()) ok_ = false;
        position_ = target;
        continue;
      }
      if (length >= 0x40) ok_ = false;
      if (length == 0 || !ok_) break;
      const absl::string_view label = Octets(length);
      const bool is_printable = std::all_of(label.begin(), label.end(), [](char c) {
        return c > ' ' && c <= '~' && c != '.' && c != '\\';
      });
      if (!is_printable || name.size() + label.size() + 1 > kNameBytesMax) ok_ = false;
      if (!name.empty()) name.push_back('.');
      name.append(label.data(), label.size());
    }
    if (resume != 0) position_ = resume;
    absl::AsciiStrToLower(&name);
    return name;
  }

 private:
  absl::string_view message_;
  size_t position_;
  bool ok_ = true;
};

struct Record {
  std::string owner;
  uint16_t type = 0;
  absl::Duration time_to_live;
  size_t data = 0;  // position
  size_t data_bytes = 0;
};

// The records of one section; nothing if it is malformed.
std::optional<std::vector<Record>> ReadRecords(Reader& reader, size_t count) {
  std::vector<Record> records;
  for (size_t i = 0; i < std::min(count, kRecordsMax); ++i) {
    Record record;
    record.owner = reader.Name();
    record.type = reader.Short();
    const uint16_t record_class = reader.Short();
    record.time_to_live = std::min(absl::Seconds(reader.Long()), kTimeToLiveMax);
    record.data_bytes = reader.Short();
    record.data = reader.position();
    reader.Octets(record.data_bytes);
    if (!reader.ok()) return std::nullopt;
    if (record_class == kClassInternet) records.push_back(std::move(record));
  }
  return records;
}

uint16_t WireType(RecordType type) {
  switch (type) {
    case RecordType::kA:
      return kTypeA;
    case RecordType::kAaaa:
      return kTypeAaaa;
    case RecordType::kMx:
      return kTypeMx;
    case RecordType::kTxt:
      return kTypeTxt;
    case RecordType::kTlsa:
      return kTypeTlsa;
  }
  return 0;
}

bool HasRecords(const DnsAnswer& answer) {
  return !answer.mx.empty() || !answer.addresses.empty() || !answer.texts.empty() ||
         !answer.tlsa.empty();
}

// The strings of a TXT record, joined. [RFC1035 3.3.14]
std::optional<std::string> ReadText(Reader& reader, size_t end) {
  std::string text;
  while (reader.ok() && reader.position() < end) {
    const absl::string_view part = reader.Octets(reader.Octet());
    text.append(part.data(), part.size());
  }
  if (!reader.ok() || reader.position() != end) return std::nullopt;
  return text;
}

// Adds what `record` says. False if it is malformed.
bool AddRecord(absl::string_view message, const Record& record, DnsAnswer* answer) {
  Reader reader(message, record.data);
  if (record.type == kTypeMx) {
    MxRecord mx;
    mx.preference = reader.Short();
    mx.host = reader.Name();
    if (!reader.ok() || reader.position() != record.data + record.data_bytes) return false;
    answer->mx.push_back(std::move(mx));
    return true;
  }
  if (record.type == kTypeTxt) {
    std::optional<std::string> text = ReadText(reader, record.data + record.data_bytes);
    if (!text) return false;
    answer->texts.push_back(*std::move(text));
    return true;
  }
  if (record.type == kTypeTlsa) {
    constexpr size_t kFixedBytes = 3;
    if (record.data_bytes <= kFixedBytes) return false;
    net::TlsaRecord tlsa;
    tlsa.usage = reader.Octet();
    tlsa.selector = reader.Octet();
    tlsa.matching_type = reader.Octet();
    tlsa.data = std::string(reader.Octets(record.data_bytes - kFixedBytes));
    answer->tlsa.push_back(std::move(tlsa));
    return reader.ok();
  }
  const bool has_right_size = record.data_bytes == (record.type == kTypeA ? 4 : 16);
  const absl::StatusOr<net::IpAddress> address =
      net::IpAddress::FromBytes(reader.Octets(record.data_bytes));
  if (!address.ok() || !has_right_size) return false;
  answer->addresses.push_back(*address);
  return true;
}

// [RFC2308 5] The smaller of the SOA's own time to live and its last field.
absl::Duration NegativeTimeToLive(absl::string_view message, const std::vector<Record>& authority) {
  for (const Record& record : authority) {
    if (record.type != kTypeSoa) continue;
    Reader reader(message, record.data);
    reader.Name();
    reader.Name();
    for (int i = 0; i < 4; ++i) reader.Long();
    const absl::Duration minimum = absl::Seconds(reader.Long());
    if (reader.ok()) return std::min(record.time_to_live, minimum);
  }
  return kNegativeDefault;
}

}  // namespace

DnsAnswer ReadDnsMessage(absl::string_view message, const DnsQuestion& question) {
  Reader reader(message, 2);
  const uint16_t flags = reader.Short();
  const uint16_t question_count = reader.Short();
  const uint16_t answer_count = reader.Short();
  const uint16_t authority_count = reader.Short();
  reader.Short();
  const uint16_t code = flags & 0x0fu;
  DnsAnswer answer;
  if (!reader.ok() || question_count > 1 || (code != kNoError && code != kNameError)) return answer;
  for (int i = 0; i < question_count; ++i) {
    reader.Name();
    reader.Long();
  }
  const std::optional<std::vector<Record>> records = ReadRecords(reader, answer_count);
  if (!records) return answer;
  answer.is_authentic = (flags & kAuthenticDataFlag) != 0;

  // Follows the aliases, then takes the records of the last name.
  std::string name = question.name;
  absl::Duration time_to_live = kTimeToLiveMax;
  for (size_t aliases = 0; aliases <= kAliasesMax; ++aliases) {
    bool is_alias = false;
    for (const Record& record : *records) {
      if (record.owner != name) continue;
      if (record.type == WireType(question.type)) {
        if (!AddRecord(message, record, &answer)) return DnsAnswer();
        time_to_live = std::min(time_to_live, record.time_to_live);
      } else if (record.type == kTypeCname && !is_alias) {
        Reader target(message, record.data);
        std::string alias = target.Name();
        if (!target.ok()) return DnsAnswer();
        if (alias == name) continue;
        time_to_live = std::min(time_to_live, record.time_to_live);
        answer.alias = std::move(alias);
        is_alias = true;
      }
    }
    if (!is_alias || HasRecords(answer)) break;
    name = answer.alias;
  }

  if (HasRecords(answer)) {
    answer.result = DnsAnswer::Result::kOk;
    answer.alias.clear();
    answer.time_to_live = time_to_live;
    return answer;
  }
  answer.result = code == kNameError ? DnsAnswer::Result::kNxDomain : DnsAnswer::Result::kNoData;
  const std::optional<std::vector<Record>> authority =
      answer_count <= kRecordsMax ? ReadRecords(reader, authority_count) : std::nullopt;
  const absl::Duration negative =
      authority ? NegativeTimeToLive(message, *authority) : kNegativeDefault;
  answer.time_to_live = std::min(time_to_live, negative);
  // A server that knows the target of an alias has said so: only without a word of it in the
  // authority section may there be more elsewhere.
  if (code == kNameError || (authority && !authority->empty())) answer.alias.clear();
  return answer;
}

}  // namespace turnpike::delivery
