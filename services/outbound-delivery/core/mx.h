// From the MX records of a domain to the hosts to try, in order. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_MX_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_MX_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace turnpike::delivery {

inline constexpr size_t kMxHostsMax = 20;  // of more, the best are kept

struct MxRecord {
  uint16_t preference = 0;  // lower is better
  std::string host;         // lower case, no trailing dot; empty: the root (null MX)

  friend bool operator==(const MxRecord&, const MxRecord&) = default;
};

struct MxChoice {
  enum class Result {
    kHosts,   // `hosts` is not empty
    kNullMx,  // the domain takes no mail [RFC7505]
    kLoop,    // the best hosts are we: there is nobody to pass the mail on to
  };
  Result result = Result::kHosts;
  std::vector<MxRecord> hosts;
};

// Orders by preference, equal ones at random (`random(n)` gives a number below n), each host once.
// Hosts that are not better than one that `is_own` names are left out [RFC5321 5.1]. `records` are
// not empty.
MxChoice ChooseMx(std::vector<MxRecord> records,
                  const std::function<bool(const std::string& host)>& is_own,
                  const std::function<size_t(size_t)>& random);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_MX_H_
