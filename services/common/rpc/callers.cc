#include "services/common/rpc/callers.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace turnpike::rpc {
namespace {

// By service, in the order of the protos.
constexpr auto kTable = std::to_array<MethodCallers>({
    {"/turnpike.spool.v1.SpoolService/Enqueue", "smtp-frontend"},
    {"/turnpike.spool.v1.SpoolService/Lease", "smtp-frontend gateway-dequeue outbound-delivery"},
    {"/turnpike.spool.v1.SpoolService/Settle", "smtp-frontend gateway-dequeue outbound-delivery"},
    {"/turnpike.spool.v1.SpoolService/ReadContent",
     "smtp-frontend gateway-dequeue outbound-delivery turnpikectl"},
    {"/turnpike.spool.v1.SpoolService/ReleaseQueue", "gateway-dequeue spool-store"},
    {"/turnpike.spool.v1.SpoolService/ListQueues", "turnpikectl"},
    {"/turnpike.spool.v1.SpoolService/GetQueue",
     "smtp-frontend auth-service gateway-dequeue turnpikectl"},
    {"/turnpike.spool.v1.SpoolService/ListDeliveries", "gateway-dequeue turnpikectl"},
    {"/turnpike.spool.v1.SpoolService/GetDelivery", "turnpikectl"},
    {"/turnpike.spool.v1.SpoolService/UpdateDelivery", "turnpikectl"},

    {"/turnpike.spool.v1.SharedStateService/PutEntry", "auth-service gateway-dequeue"},
    {"/turnpike.spool.v1.SharedStateService/GetEntry", "auth-service gateway-dequeue"},
    {"/turnpike.spool.v1.SharedStateService/DeleteEntry", "auth-service gateway-dequeue"},
    {"/turnpike.spool.v1.SharedStateService/ListEntries",
     "auth-service gateway-dequeue outbound-delivery"},
    {"/turnpike.spool.v1.SharedStateService/AddToEntry", "auth-service gateway-dequeue"},
    {"/turnpike.spool.v1.SharedStateService/HoldSlots", "outbound-delivery"},

    {"/turnpike.spool.v1.ShardService/GetShard",
     "smtp-frontend auth-service gateway-dequeue spool-store outbound-delivery turnpikectl"},
    {"/turnpike.spool.v1.ShardService/SetDraining", "turnpikectl"},
    {"/turnpike.spool.v1.ShardService/MoveIn", "spool-store"},

    {"/turnpike.auth.v1.SessionService/Ask", "smtp-frontend"},

    {"/turnpike.auth.v1.AuthAdminService/ListScreenEntries", "turnpikectl"},
    {"/turnpike.auth.v1.AuthAdminService/AddScreenEntry", "turnpikectl"},
    {"/turnpike.auth.v1.AuthAdminService/RemoveScreenEntry", "turnpikectl"},
    {"/turnpike.auth.v1.AuthAdminService/ReportMailboxLogin", "turnpikectl"},
    {"/turnpike.auth.v1.AuthAdminService/ExplainVerdict", "turnpikectl"},

    {"/turnpike.dequeue.v1.DequeueService/RequestEtrn", "smtp-frontend"},
    {"/turnpike.dequeue.v1.DequeueService/RunAtrn", "smtp-frontend"},
    {"/turnpike.dequeue.v1.DequeueService/ListGateways", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/GetGateway", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/ReleaseGateway", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/SuspendGateway", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/ResumeGateway", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/AddAccessEntry", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/RemoveAccessEntry", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/ListCollections", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/CollectNow", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/ListRequests", "turnpikectl"},
    {"/turnpike.dequeue.v1.DequeueService/RequestNow", "turnpikectl"},

    {"/turnpike.frontend.v1.FrontendService/ListSessions", "turnpikectl"},
    {"/turnpike.frontend.v1.FrontendService/Collect", "gateway-dequeue"},

    {"/turnpike.delivery.v1.DeliveryService/ListDestinations", "turnpikectl"},
    {"/turnpike.delivery.v1.DeliveryService/ExplainRoute", "turnpikectl"},

    {"/externalscaler.ExternalScaler/IsActive", "keda"},
    {"/externalscaler.ExternalScaler/StreamIsActive", "keda"},
    {"/externalscaler.ExternalScaler/GetMetricSpec", "keda"},
    {"/externalscaler.ExternalScaler/GetMetrics", "keda"},
});

constexpr absl::string_view kEverybody =
    "smtp-frontend auth-service gateway-dequeue spool-store outbound-delivery turnpikectl keda";

bool Names(absl::string_view callers, absl::string_view caller) {
  for (const absl::string_view name : absl::StrSplit(callers, ' ')) {
    if (name == caller) return true;
  }
  return false;
}

}  // namespace

absl::Span<const MethodCallers> AllMethodCallers() { return kTable; }

bool MayCall(absl::string_view method, absl::string_view caller) {
  if (absl::StartsWith(method, "/grpc.health.v1.Health/")) return Names(kEverybody, caller);
  if (absl::StartsWith(method, "/grpc.reflection.v1alpha.ServerReflection/")) {
    return caller == "turnpikectl";
  }
  const auto row = std::find_if(kTable.begin(), kTable.end(),
                                [&](const MethodCallers& row) { return row.method == method; });
  return row != kTable.end() && Names(row->callers, caller);
}

}  // namespace turnpike::rpc
