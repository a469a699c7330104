#include "services/outbound-delivery/rpc/delivery_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "protos/turnpike/delivery/v1/delivery.grpc.pb.h"
#include "services/outbound-delivery/core/route_table.h"
#include "services/outbound-delivery/core/settlement.h"
#include "services/outbound-delivery/resolve/resolver.h"

namespace turnpike::delivery {
namespace {

constexpr int kPageSizeDefault = 100;
constexpr int kPageSizeMax = 1000;

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t nanos = absl::ToUnixNanos(time);
  out->set_seconds(nanos / 1'000'000'000);
  out->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

class DeliveryService : public v1::DeliveryService::CallbackService {
 public:
  explicit DeliveryService(const Worker& worker) : worker_(worker) {}

  grpc::ServerUnaryReactor* ListDestinations(grpc::CallbackServerContext* context,
                                             const v1::ListDestinationsRequest* request,
                                             v1::ListDestinationsResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    if (request->page_size() < 0 || request->page_size() > kPageSizeMax) {
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, "page_size is not in 0..1000"});
      return reactor;
    }
    const auto page_size =
        static_cast<size_t>(request->page_size() == 0 ? kPageSizeDefault : request->page_size());
    // One more tells whether there is a next page.
    std::vector<Dispatcher::DestinationView> views =
        worker_.Destinations(request->page_token(), page_size + 1);
    if (views.size() > page_size) {
      views.resize(page_size);
      response->set_next_page_token(views.back().key);
    }
    for (const Dispatcher::DestinationView& view : views) {
      v1::Destination* out = response->add_destinations();
      *out->mutable_queue() = view.queue;
      out->set_connections(static_cast<int32_t>(view.sessions));
      out->set_waiting(static_cast<int32_t>(view.waiting));
      if (view.last_failure) {
        *out->mutable_last_failure() = ToProto(view.last_failure->reply);
        SetTime(view.last_failure_time, out->mutable_last_failure_time());
      }
    }
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* ExplainRoute(grpc::CallbackServerContext* context,
                                         const v1::ExplainRouteRequest* request,
                                         v1::ExplainRouteResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    if (request->queue().name().empty()) {
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, "queue.name is missing"});
      return reactor;
    }
    const std::shared_ptr<const Worker::Settings> settings = worker_.settings();
    const smtp::ReplyOr<RoutePlan> plan =
        settings->routes->PlanFor(request->queue(), request->route());
    if (!plan.ok()) {
      *response->mutable_failure() = ToProto(plan.reply());
      reactor->Finish(grpc::Status::OK);
      return reactor;
    }
    settings->resolver->Resolve(*plan, [settings, reactor, response,
                                        fallback = plan->fallback](const Resolution& resolution) {
      AppendHops(resolution, response);
      if (fallback == nullptr || (resolution.failure && !resolution.is_unreachable())) {
        if (resolution.failure) *response->mutable_failure() = ToProto(*resolution.failure);
        reactor->Finish(grpc::Status::OK);
        return;
      }
      // The smart host comes last (DL-3).
      settings->resolver->Resolve(*fallback, [settings, reactor, response](const Resolution& last) {
        AppendHops(last, response);
        if (last.failure && response->hops().empty()) {
          *response->mutable_failure() = ToProto(*last.failure);
        }
        reactor->Finish(grpc::Status::OK);
      });
    });
    return reactor;
  }

 private:
  static void AppendHops(const Resolution& resolution, v1::ExplainRouteResponse* response) {
    for (const Hop& hop : resolution.hops) {
      v1::Hop* out = response->add_hops();
      out->set_host(hop.host);
      out->set_address(hop.address.ToString());
      out->set_port(hop.port);
      out->set_preference(hop.preference);
      out->set_lmtp(hop.is_lmtp);
    }
  }

  const Worker& worker_;
};

}  // namespace

std::unique_ptr<grpc::Service> CreateDeliveryService(const Worker& worker) {
  return std::make_unique<DeliveryService>(worker);
}

}  // namespace turnpike::delivery
