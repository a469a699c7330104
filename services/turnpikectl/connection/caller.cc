#include "services/turnpikectl/connection/caller.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/common/base/check.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/security.h"
#include "services/common/rpc/service_identity.h"
#include "services/common/rpc/status.h"
#include "services/turnpikectl/core/text.h"

namespace turnpike::ctl {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using Stub = grpc::TemplatedGenericStub<Message, Message>;

// `/turnpike.spool.v1.SpoolService/ListQueues`
std::string PathOf(absl::string_view method, const Message& request, const Message& response) {
  const MethodDescriptor* descriptor =
      DescriptorPool::generated_pool()->FindMethodByName(std::string(method));
  TURNPIKE_CHECK(descriptor != nullptr);
  TURNPIKE_CHECK(descriptor->input_type() == request.GetDescriptor());
  TURNPIKE_CHECK(descriptor->output_type() == response.GetDescriptor());
  return absl::StrCat("/", descriptor->service()->full_name(), "/", descriptor->name());
}

// gRPC's own words when nobody is there, which the services do not use.
bool IsNotReached(absl::string_view text) {
  for (const char* words : {"all backends failing", "Failed to connect", "failed to connect",
                            "DNS resolution failed", "empty address list"}) {
    if (absl::StrContains(text, words)) return true;
  }
  return false;
}

// The reason within what gRPC says about it: `…; last error: UNKNOWN: ipv4:…: Connection refused`.
std::string ReasonIn(const std::string& text) {
  constexpr absl::string_view kBefore = "last error: UNKNOWN: ";
  const size_t begin = text.find(kBefore.data());
  return begin == std::string::npos ? text : text.substr(begin + kBefore.size());
}

// What to do about an error, for what the service's own words do not say. `is_connected`: the
// service has answered, be it with what gRPC says about a third.
std::string Explain(const absl::Status& status, const ServiceInfo& service,
                    const std::string& target, bool is_connected, absl::Duration timeout) {
  const std::string where = absl::StrCat(service.name, " at ", target);
  const std::string said = Printable(status.message());
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      if (!is_connected && IsNotReached(said)) {
        return absl::StrCat("cannot reach ", where, ": ", ReasonIn(said),
                            "; is it running, and do both ends have services.tls, or neither? ",
                            service.flag, " or ", service.key, " says where it is");
      }
      return absl::StrCat(where, " cannot do it now: ", said, "; try again");
    case absl::StatusCode::kDeadlineExceeded:
      return absl::StrCat("no answer within ", absl::FormatDuration(timeout), " from ", where,
                          "; it may have been done all the same: look before you repeat it, and "
                          "give it longer with --timeout");
    case absl::StatusCode::kUnimplemented:
      return absl::StrCat(where, " does not know this request: it is of another version");
    default:
      return absl::StrCat(said.empty() ? absl::StatusCodeToString(status.code()) : said, " (",
                          where, ")");
  }
}

// A call on its way. The request may change once it has started.
class StartedCall {
 public:
  StartedCall(Stub& stub, const std::string& path, const Message& request, const Message& response,
              absl::Duration timeout)
      : request_(request.New()), response_(response.New()) {
    request_->CopyFrom(request);
    context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    stub.UnaryCall(&context_, path, grpc::StubOptions(), request_.get(), response_.get(),
                   [this](grpc::Status result) {
                     status_ = std::move(result);
                     done_.Notify();
                   });
  }

  const grpc::Status& Wait() {
    done_.WaitForNotification();
    return status_;
  }

 private:
  const std::unique_ptr<Message> request_;
  const std::unique_ptr<Message> response_;
  grpc::ClientContext context_;
  grpc::Status status_;
  absl::Notification done_;
};

// Enough for the store to commit them together.
constexpr size_t kCallsAtOnceMax = 64;

}  // namespace

struct Caller::Place {
  const ServiceInfo& service;
  std::string target;
  std::shared_ptr<grpc::Channel> channel;

  absl::Status Annotate(const grpc::Status& status, absl::Duration timeout) const {
    if (status.ok()) return absl::OkStatus();
    const absl::Status plain = rpc::FromGrpc(status);
    const bool is_connected = channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
    return absl::Status(plain.code(), Explain(plain, service, target, is_connected, timeout));
  }
};

Caller::Caller(Targets targets, absl::Duration timeout)
    : targets_(std::move(targets)), timeout_(timeout) {}

Caller::~Caller() = default;

absl::StatusOr<std::vector<std::string>> Caller::TargetsOf(absl::string_view method) {
  return targets_.Of(ServiceOfMethod(method));
}

absl::Status Caller::Secure() {
  if (is_secured_) return absl::OkStatus();
  TURNPIKE_ASSIGN_OR_RETURN(const std::optional<rpc::ServiceIdentity::Source> identity,
                            targets_.Identity());
  if (identity.has_value()) {
    absl::StatusOr<std::unique_ptr<rpc::Security>> security =
        rpc::Security::Create({.identity = *identity});
    // A file that is not there is the mistake of whoever named it, not what was asked for.
    if (!security.ok()) return absl::InvalidArgumentError(security.status().message());
    security_ = *std::move(security);
  }
  is_secured_ = true;
  return absl::OkStatus();
}

absl::StatusOr<Caller::Place> Caller::Find(absl::string_view method, const std::string& target) {
  Place place = {.service = ServiceOfMethod(method), .target = target, .channel = nullptr};
  if (place.target.empty()) {
    TURNPIKE_ASSIGN_OR_RETURN(const std::vector<std::string> targets, TargetsOf(method));
    place.target = targets.front();
  }
  TURNPIKE_RETURN_IF_ERROR(Secure());
  std::shared_ptr<grpc::Channel>& channel = channels_[place.target];
  if (channel == nullptr) channel = rpc::CreateChannel(place.target, security_.get());
  place.channel = channel;
  return place;
}

absl::Status Caller::Call(absl::string_view method, const Message& request, Message& response,
                          const Options& options) {
  const std::string path = PathOf(method, request, response);
  TURNPIKE_ASSIGN_OR_RETURN(const Place place, Find(method, options.target));
  const absl::Duration timeout = options.timeout.value_or(timeout_);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  Stub stub(place.channel);
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, path, grpc::StubOptions(), &request, &response,
                 [&status, &done](grpc::Status result) {
                   status = std::move(result);
                   done.Notify();
                 });
  done.WaitForNotification();
  return place.Annotate(status, timeout);
}

absl::Status Caller::CallEach(absl::string_view method, size_t count, Message& request,
                              const Message& response, const std::function<void(size_t)>& fill,
                              const std::function<bool(size_t, const absl::Status&)>& on_end,
                              const std::vector<std::string>& targets) {
  const std::string path = PathOf(method, request, response);
  struct End {
    explicit End(Place where) : place(std::move(where)), stub(place.channel) {}
    const Place place;
    Stub stub;
  };
  std::map<std::string, std::unique_ptr<End>> ends;  // by target
  for (const std::string& target : targets.empty() ? std::vector<std::string>{""} : targets) {
    if (ends.count(target) > 0) continue;
    TURNPIKE_ASSIGN_OR_RETURN(Place place, Find(method, target));
    ends[target] = std::make_unique<End>(std::move(place));
  }
  const auto end_of = [&](size_t i) -> End& { return *ends.at(targets.empty() ? "" : targets[i]); };
  bool goes_on = true;
  for (size_t first = 0; first < count && goes_on; first += kCallsAtOnceMax) {
    std::deque<StartedCall> calls;
    for (size_t i = first; i < std::min(count, first + kCallsAtOnceMax); ++i) {
      fill(i);
      calls.emplace_back(end_of(i).stub, path, request, response, timeout_);
    }
    for (size_t i = 0; i < calls.size(); ++i) {
      const absl::Status status = end_of(first + i).place.Annotate(calls[i].Wait(), timeout_);
      goes_on = on_end(first + i, status) && goes_on;
    }
  }
  return absl::OkStatus();
}

absl::Status Caller::Read(absl::string_view method, const Message& request, Message& response,
                          const std::function<bool()>& on_response, const std::string& target) {
  const std::string path = PathOf(method, request, response);
  TURNPIKE_ASSIGN_OR_RETURN(const Place place, Find(method, target));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
  grpc::CompletionQueue queue;
  Stub stub(place.channel);
  const auto call = stub.PrepareCall(&context, path, &queue);
  // Nothing is ever under way twice, so that the next event is that of the last request.
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  bool goes_on = wait();
  if (goes_on) {
    call->WriteLast(request, grpc::WriteOptions(), nullptr);
    goes_on = wait();
  }
  bool is_wanted = true;
  while (goes_on && is_wanted) {
    call->Read(&response, nullptr);
    goes_on = wait();
    if (goes_on) is_wanted = on_response();
  }
  if (!is_wanted) context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  queue.Shutdown();
  while (wait()) {
  }
  return is_wanted ? place.Annotate(status, timeout_) : absl::OkStatus();
}

}  // namespace turnpike::ctl
