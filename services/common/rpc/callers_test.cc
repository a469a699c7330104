#include "services/common/rpc/callers.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "protos/turnpike/auth/v1/admin.pb.h"
#include "protos/turnpike/auth/v1/session.pb.h"
#include "protos/turnpike/delivery/v1/delivery.pb.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/frontend/v1/frontend.pb.h"
#include "protos/turnpike/spool/v1/shard.pb.h"
#include "protos/turnpike/spool/v1/shared_state.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::rpc {
namespace {

constexpr char kExternalScaler[] = "/externalscaler.ExternalScaler/";

// `/turnpike.spool.v1.SpoolService/Lease` of every method of every service.
std::set<std::string> AllMethods() {
  const std::vector<const google::protobuf::FileDescriptor*> files = {
      auth::v1::ListScreenEntriesRequest::descriptor()->file(),
      auth::v1::AskRequest::descriptor()->file(),
      delivery::v1::ListDestinationsRequest::descriptor()->file(),
      dequeue::v1::RequestEtrnRequest::descriptor()->file(),
      frontend::v1::ListSessionsRequest::descriptor()->file(),
      spool::v1::GetShardRequest::descriptor()->file(),
      spool::v1::PutEntryRequest::descriptor()->file(),
      spool::v1::EnqueueRequest::descriptor()->file()};
  std::set<std::string> methods;
  for (const auto* file : files) {
    EXPECT_GT(file->service_count(), 0) << file->name();
    for (int i = 0; i < file->service_count(); ++i) {
      const google::protobuf::ServiceDescriptor* service = file->service(i);
      for (int j = 0; j < service->method_count(); ++j) {
        methods.insert(absl::StrCat("/", service->full_name(), "/", service->method(j)->name()));
      }
    }
  }
  return methods;
}

TEST(CallersTest, EveryMethodOfEveryServiceHasARow) {
  std::set<std::string> rows;
  for (const MethodCallers& row : AllMethodCallers()) {
    EXPECT_TRUE(rows.insert(std::string(row.method)).second) << row.method << " twice";
  }
  for (const std::string& method : AllMethods()) {
    EXPECT_TRUE(rows.contains(method)) << method << " has no row in callers.cc: who calls it?";
  }
}

TEST(CallersTest, NoRowIsForAMethodThatIsGone) {
  const std::set<std::string> methods = AllMethods();
  for (const MethodCallers& row : AllMethodCallers()) {
    const std::string method(row.method);
    // KEDA's contract is another's; spool-store's own test holds it against this table.
    if (method.rfind(kExternalScaler, 0) == 0) continue;
    EXPECT_TRUE(methods.contains(method)) << method;
  }
}

TEST(CallersTest, RowsNameServicesOnlyAndEachOnce) {
  const std::set<std::string> known = {"smtp-frontend",    "auth-service", "gateway-dequeue",
                                       "spool-store",      "turnpikectl",  "keda",
                                       "outbound-delivery"};
  for (const MethodCallers& row : AllMethodCallers()) {
    std::set<std::string> callers;
    for (const absl::string_view caller : absl::StrSplit(row.callers, ' ')) {
      EXPECT_TRUE(known.contains(std::string(caller))) << row.method << ": " << caller;
      EXPECT_TRUE(callers.insert(std::string(caller)).second) << row.method << ": " << caller;
    }
  }
}

TEST(CallersTest, OnlyNamedCallersMayCall) {
  EXPECT_TRUE(MayCall("/turnpike.spool.v1.SpoolService/Lease", "outbound-delivery"));
  EXPECT_FALSE(MayCall("/turnpike.spool.v1.SpoolService/Lease", "auth-service"));
  EXPECT_FALSE(MayCall("/turnpike.spool.v1.SpoolService/Lease", ""));
  EXPECT_FALSE(MayCall("/turnpike.spool.v1.SpoolService/Lease", "outbound"));
  EXPECT_FALSE(MayCall("/turnpike.spool.v1.SpoolService/Lease", "outbound-delivery smtp-frontend"));
  EXPECT_FALSE(MayCall("/turnpike.spool.v1.SpoolService/NoSuch", "smtp-frontend"));
  EXPECT_FALSE(MayCall("", "smtp-frontend"));
}

TEST(CallersTest, KedaMayAskTheScalerOnly) {
  for (const MethodCallers& row : AllMethodCallers()) {
    EXPECT_EQ(MayCall(row.method, "keda"), row.method.rfind(kExternalScaler, 0) == 0) << row.method;
  }
}

TEST(CallersTest, HealthIsForEverybodyKnownAndReflectionForOperators) {
  EXPECT_TRUE(MayCall("/grpc.health.v1.Health/Check", "keda"));
  EXPECT_TRUE(MayCall("/grpc.health.v1.Health/Watch", "smtp-frontend"));
  EXPECT_FALSE(MayCall("/grpc.health.v1.Health/Check", "somebody"));
  constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_TRUE(MayCall(kReflection, "turnpikectl"));
  EXPECT_FALSE(MayCall(kReflection, "smtp-frontend"));
}

}  // namespace
}  // namespace turnpike::rpc
