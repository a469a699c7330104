#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery {

const char* RecordTypeName(RecordType type) {
  switch (type) {
    case RecordType::kA:
      return "A";
    case RecordType::kAaaa:
      return "AAAA";
    case RecordType::kMx:
      return "MX";
    case RecordType::kTxt:
      return "TXT";
    case RecordType::kTlsa:
      return "TLSA";
  }
  return "";
}

}  // namespace turnpike::delivery
