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
  }
  return "";
}

}  // namespace turnpike::delivery
