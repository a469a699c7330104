// Counts and times the questions that reach DNS servers.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_METERED_DNS_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_METERED_DNS_H_

#include <functional>
#include <utility>

#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/outbound-delivery/resolve/dns.h"

namespace turnpike::delivery {

class MeteredDns : public Dns {
 public:
  using Report = std::function<void(RecordType, DnsAnswer::Result, absl::Duration)>;

  // `source` and `clock` outlive this; `report` outlives the questions. Called on any thread.
  MeteredDns(Dns& source, Report report, const base::Clock& clock)
      : source_(source), report_(std::move(report)), clock_(clock) {}

  void Ask(const DnsQuestion& question, Callback done) override {
    source_.Ask(question,
                [this, type = question.type, begin = clock_.Now(),
                 done = std::move(done)](std::shared_ptr<const DnsAnswer> answer) mutable {
                  report_(type, answer->result, clock_.Now() - begin);
                  done(std::move(answer));
                });
  }

 private:
  Dns& source_;
  const Report report_;
  const base::Clock& clock_;
};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_RESOLVE_METERED_DNS_H_
