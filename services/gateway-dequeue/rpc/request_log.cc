#include "services/gateway-dequeue/rpc/request_log.h"

#include <google/protobuf/util/time_util.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/observe/log.h"

namespace turnpike::dequeue {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(10);

}  // namespace

mail::v1::Reply ToProto(const smtp::Reply& reply) {
  mail::v1::Reply proto;
  proto.set_code(reply.code());
  proto.set_enhanced_code(reply.enhanced().ToString());
  proto.set_text(reply.text());
  return proto;
}

v1::LastRequest MakeLastRequest(absl::string_view protocol, absl::string_view client_address,
                                absl::Time request_time, const smtp::Reply& reply) {
  v1::LastRequest request;
  request.set_protocol(std::string(protocol));
  request.set_client_address(std::string(client_address));
  *request.mutable_request_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(request_time));
  *request.mutable_reply() = ToProto(reply);
  return request;
}

std::string LastRequestKey(absl::string_view gateway) {
  return absl::StrCat("dequeue-last/", gateway);
}

void RecordLastRequest(spool::SharedState& state, absl::string_view gateway,
                       const v1::LastRequest& request) {
  spool::v1::PutEntryRequest put;
  put.set_key(LastRequestKey(gateway));
  put.set_value(request.SerializeAsString());
  state.Put(std::move(put), absl::Now() + kCallTimeout,
            [gateway = std::string(gateway)](absl::StatusOr<spool::v1::PutEntryResponse> response) {
              if (response.ok()) return;
              TURNPIKE_LOG(kWarning, "last request not recorded",
                           {{"gateway", gateway}, {"status", response.status().ToString()}});
            });
}

}  // namespace turnpike::dequeue
