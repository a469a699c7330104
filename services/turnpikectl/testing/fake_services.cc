#include "services/turnpikectl/testing/fake_services.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/rpc/callback_threads.h"
#include "services/common/rpc/status.h"

namespace turnpike::ctl {
namespace {

std::string Octets(const grpc::ByteBuffer& buffer) {
  grpc::Slice joined;
  if (!buffer.DumpToSingleSlice(&joined).ok()) return "";
  return std::string(reinterpret_cast<const char*>(joined.begin()), joined.size());
}

}  // namespace

// One call: reads the request, then writes what the handler has made of it.
class FakeServices::Reactor : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(FakeServices& owner, std::string path) : owner_(owner), path_(std::move(path)) {
    StartRead(&buffer_);
  }

  void OnReadDone(bool ok) override {
    if (ok) status_ = owner_.Handle(path_, Octets(buffer_), responses_);
    WriteNext();
  }
  void OnWriteDone(bool) override { WriteNext(); }
  void OnDone() override { delete this; }

 private:
  void WriteNext() {
    const bool has_more = sent_ < responses_.size();
    if (!has_more) {
      Finish(rpc::ToGrpc(status_));
      return;
    }
    const grpc::Slice slice(responses_[sent_++]);
    buffer_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&buffer_);
  }

  FakeServices& owner_;
  const std::string path_;
  grpc::ByteBuffer buffer_;
  absl::Status status_;
  std::vector<std::string> responses_;
  size_t sent_ = 0;
};

class FakeServices::GenericService : public grpc::CallbackGenericService {
 public:
  explicit GenericService(FakeServices& owner) : owner_(owner) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(owner_, context->method());
  }

 private:
  FakeServices& owner_;
};

FakeServices::FakeServices() : service_(std::make_unique<GenericService>(*this)) {
  rpc::KeepCallbackThreads();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
  TURNPIKE_CHECK(server_ != nullptr);
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeServices::~FakeServices() { server_->Shutdown(); }

void FakeServices::Set(const std::string& method, Handler handler) {
  const size_t dot = method.rfind('.');
  absl::MutexLock lock(&mu_);
  handlers_[absl::StrCat("/", method.substr(0, dot), "/", method.substr(dot + 1))] =
      std::move(handler);
}

absl::Status FakeServices::Handle(absl::string_view path, const std::string& request,
                                  std::vector<std::string>& responses) {
  absl::MutexLock lock(&mu_);
  const auto found = handlers_.find(std::string(path));
  if (found == handlers_.end()) return absl::UnimplementedError("");
  const absl::Status status = found->second(request, responses);
  if (!status.ok()) responses.clear();
  return status;
}

}  // namespace turnpike::ctl
