#include "services/auth-service/sharing/metrics.h"

#include "prometheus/registry.h"

namespace turnpike::auth {
namespace {

// Families of one name are one, so that members can be made one by one.
prometheus::Counter& Answers(prometheus::Registry& registry, const char* result) {
  return prometheus::BuildCounter()
      .Name("turnpike_auth_sharing_answers_total")
      .Help("Questions whether an address exists on a server of domain_sharing.hosts")
      .Register(registry)
      .Add({{"result", result}});
}

}  // namespace

SharingMetrics::SharingMetrics(prometheus::Registry& registry)
    : found(Answers(registry, "found")),
      not_found(Answers(registry, "not_found")),
      no_answer(Answers(registry, "no_answer")),
      remembered(Answers(registry, "remembered")),
      dropped(Answers(registry, "dropped")) {}

}  // namespace turnpike::auth
