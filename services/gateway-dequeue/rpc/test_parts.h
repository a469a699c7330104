// What calls of gateway-dequeue share, over fakes that the test owns. For tests.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_TEST_PARTS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_TEST_PARTS_H_

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/common/base/clock.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

// Every gateway has two deliveries that may have arrived.
class TwoUnknownOutcomes : public UnknownOutcomes {
 public:
  void Count(const std::string&, absl::Time, Callback done) override { done(2); }
};

// One of several replicas over one store. What it knows of overrides is at most 10 ms old, and its
// locks live for 1.5 s.
class TestParts {
 public:
  TestParts(const config::v1::Config& config, spool::Spool& spool, spool::SharedState& state)
      : settings_(std::make_shared<const Settings>(config)),
        overrides_(state, {.age_max = absl::Milliseconds(10)}),
        joiner_(spool),
        parts_{.settings = settings_,
               .spool = spool,
               .state = state,
               .overrides = overrides_,
               .joiner = joiner_,
               .unknown_outcomes = unknown_outcomes_,
               .metrics = metrics_,
               .clock = base::Clock::System(),
               .lock_time_to_live = absl::Milliseconds(1500)} {}

  const Parts& parts() const { return parts_; }
  GatewayPointer gateway(const std::string& domain) const {
    return settings_.Get()->gateways.Find(domain);
  }
  void Reconfigure(const config::v1::Config& config) {
    settings_.Set(std::make_shared<const Settings>(config));
  }
  OverridesReader& overrides() { return overrides_; }
  std::string MetricsText() const {
    return prometheus::TextSerializer().Serialize(registry_->Collect());
  }

 private:
  base::Current<Settings> settings_;
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  Metrics metrics_{*registry_};
  OverridesReader overrides_;
  ReleaseJoiner joiner_;
  TwoUnknownOutcomes unknown_outcomes_;
  const Parts parts_;
};

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_TEST_PARTS_H_
