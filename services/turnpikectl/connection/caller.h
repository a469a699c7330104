// Calls to the services, by the names of their RPCs, with errors that say what happened, where, and
// what to do.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CONNECTION_CALLER_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CONNECTION_CALLER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/turnpikectl/connection/targets.h"

namespace google::protobuf {
class Message;
}
namespace grpc {
class Channel;
}

namespace turnpike::rpc {
class Security;
}

namespace turnpike::ctl {

// Blocks; thread-compatible.
class Caller {
 public:
  struct Options {
    std::string target = {};                     // empty: the first
    std::optional<absl::Duration> timeout = {};  // unset: the constructor's
  };

  // Calls give up after `timeout`.
  Caller(Targets targets, absl::Duration timeout);
  ~Caller();

  // `method`: `turnpike.spool.v1.SpoolService.ListQueues`, whose messages `request` and `response`
  // are; dies otherwise. Errors keep the service's code. UNAVAILABLE: not reached, or it says so
  // itself; DEADLINE_EXCEEDED: the call may have been done.
  absl::Status Call(absl::string_view method, const google::protobuf::Message& request,
                    google::protobuf::Message& response, const Options& options);
  absl::Status Call(absl::string_view method, const google::protobuf::Message& request,
                    google::protobuf::Message& response) {
    return Call(method, request, response, Options());
  }

  // Calls `method` `count` times, some calls at a time, with what `fill` makes of `request` for
  // each, which keeps what it does not touch. `on_end` gets how each ended, in their order; after
  // it has returned false those under way are still waited for and told, but no others begin.
  // `targets`: where each call goes; empty: all to the first place of the service. An
  // error when nobody says where the service is.
  absl::Status CallEach(absl::string_view method, size_t count, google::protobuf::Message& request,
                        const google::protobuf::Message& response,
                        const std::function<void(size_t i)>& fill,
                        const std::function<bool(size_t i, const absl::Status& status)>& on_end,
                        const std::vector<std::string>& targets = {});

  // The same as Call for a method that answers with a stream: `on_response` gets each message, in
  // `response`, until it returns false.
  absl::Status Read(absl::string_view method, const google::protobuf::Message& request,
                    google::protobuf::Message& response, const std::function<bool()>& on_response,
                    const std::string& target = "");

  Targets& targets() { return targets_; }
  // Where the service of a method is: several where several were named.
  absl::StatusOr<std::vector<std::string>> TargetsOf(absl::string_view method);

 private:
  struct Place;  // of one call

  // Sets `security_` up when it is first needed.
  absl::Status Secure();
  absl::StatusOr<Place> Find(absl::string_view method, const std::string& target);

  Targets targets_;
  const absl::Duration timeout_;
  bool is_secured_ = false;
  std::unique_ptr<const rpc::Security> security_;                   // null: plain text
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;  // by target
};

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CONNECTION_CALLER_H_
