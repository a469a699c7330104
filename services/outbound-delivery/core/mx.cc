#include "services/outbound-delivery/core/mx.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace turnpike::delivery {

MxChoice ChooseMx(std::vector<MxRecord> records,
                  const std::function<bool(const std::string& host)>& is_own,
                  const std::function<size_t(size_t)>& random) {
  // A null MX beside others is a mistake of the domain's; the others count. [RFC7505 3]
  records.erase(std::remove_if(records.begin(), records.end(),
                               [](const MxRecord& record) { return record.host.empty(); }),
                records.end());
  if (records.empty()) return {.result = MxChoice::Result::kNullMx};

  for (size_t i = records.size(); i > 1; --i) std::swap(records[i - 1], records[random(i)]);
  std::stable_sort(records.begin(), records.end(), [](const MxRecord& a, const MxRecord& b) {
    return a.preference < b.preference;
  });

  const auto own = std::find_if(records.begin(), records.end(),
                                [&](const MxRecord& record) { return is_own(record.host); });
  if (own != records.end()) {
    const uint16_t own_preference = own->preference;
    records.erase(
        std::remove_if(records.begin(), records.end(),
                       [&](const MxRecord& record) { return record.preference >= own_preference; }),
        records.end());
    if (records.empty()) return {.result = MxChoice::Result::kLoop};
  }

  MxChoice choice;
  absl::flat_hash_set<std::string> seen;
  for (MxRecord& record : records) {
    if (choice.hosts.size() == kMxHostsMax) break;
    if (seen.insert(record.host).second) choice.hosts.push_back(std::move(record));
  }
  return choice;
}

}  // namespace turnpike::delivery
