// A gRPC server on loopback that answers what a test says, for any method of any service.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_TESTING_FAKE_SERVICES_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_TESTING_FAKE_SERVICES_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace grpc {
class Server;
}

namespace turnpike::ctl {

// Thread-safe. Handlers run on gRPC's threads, one call at a time.
class FakeServices {
 public:
  FakeServices();
  ~FakeServices();
  FakeServices(const FakeServices&) = delete;
  FakeServices& operator=(const FakeServices&) = delete;

  // `127.0.0.1:40123`
  const std::string& address() const { return address_; }

  // Answers `method` (`turnpike.spool.v1.SpoolService.ListQueues`) by
  // `absl::Status(const Request&, Response&)`. A method that nobody answers is UNIMPLEMENTED.
  template <typename Request, typename Response>
  void On(const std::string& method,
          std::function<absl::Status(const Request&, Response&)> handler) {
    Set(method, [handler = std::move(handler)](const std::string& request_octets,
                                               std::vector<std::string>& responses) {
      Request request;
      if (!request.ParseFromString(request_octets)) return absl::DataLossError("no such message");
      Response response;
      const absl::Status status = handler(request, response);
      responses.push_back(response.SerializeAsString());
      return status;
    });
  }

  // Answers a method that answers with a stream.
  template <typename Request, typename Response>
  void OnStream(const std::string& method,
                std::function<absl::Status(const Request&, std::vector<Response>&)> handler) {
    Set(method, [handler = std::move(handler)](const std::string& request_octets,
                                               std::vector<std::string>& responses) {
      Request request;
      if (!request.ParseFromString(request_octets)) return absl::DataLossError("no such message");
      std::vector<Response> messages;
      const absl::Status status = handler(request, messages);
      for (const Response& message : messages) responses.push_back(message.SerializeAsString());
      return status;
    });
  }

 private:
  using Handler =
      std::function<absl::Status(const std::string& request, std::vector<std::string>& responses)>;
  class GenericService;
  class Reactor;

  void Set(const std::string& method, Handler handler);
  absl::Status Handle(absl::string_view path, const std::string& request,
                      std::vector<std::string>& responses);

  absl::Mutex mu_;
  std::map<std::string, Handler> handlers_ ABSL_GUARDED_BY(mu_);  // by `/package.Service/Method`
  std::unique_ptr<GenericService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_TESTING_FAKE_SERVICES_H_
