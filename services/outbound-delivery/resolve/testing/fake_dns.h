// A DNS that knows what it was told, for tests.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_FAKE_DNS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_FAKE_DNS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery {

// Answers at once, or on Release if held. Names that it was not told of do not exist. Thread-safe.
class FakeDns : public Dns {
 public:
  void SetMx(const std::string& name, std::vector<MxRecord> records);
  void SetAddresses(const std::string& name, const std::vector<std::string>& addresses);
  void Set(const DnsQuestion& question, DnsAnswer answer);
  void Hold();
  void Release();

  // How often anything was asked.
  int asked() const;

  void Ask(const DnsQuestion& question, Callback done) override;

 private:
  std::shared_ptr<const DnsAnswer> Find(const DnsQuestion& question)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  absl::flat_hash_map<DnsQuestion, DnsAnswer> answers_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<DnsQuestion, Callback>> held_ ABSL_GUARDED_BY(mu_);
  bool is_held_ ABSL_GUARDED_BY(mu_) = false;
  int asked_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_TESTING_FAKE_DNS_H_
