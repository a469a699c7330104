#include "services/common/observe/http_server.h"

#include <iterator>
#include <sstream>
#include <utility>

#include "absl/strings/string_view.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"
#include "services/common/base/status_macros.h"
#include "services/common/observe/web_server.h"

namespace turnpike::observe {
namespace {

std::string MetricsText(const std::vector<std::shared_ptr<prometheus::Collectable>>& collectables) {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& collectable : collectables) {
    std::vector<prometheus::MetricFamily> more = collectable->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(families));
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

WebAnswer Answer(const HttpServer::Options& options, const WebRequest& request) {
  if (request.method() != "GET" && request.method() != "HEAD") {
    return {.status = 405, .body = "only GET and HEAD\n", .allow = "GET, HEAD"};
  }
  if (request.path() == "/metrics") {
    return {.type = "text/plain; version=0.0.4; charset=utf-8",
            .body = MetricsText(options.collectables)};
  }
  if (request.path() == "/livez") return {.body = "ok\n"};
  if (request.path() == "/readyz") {
    const bool is_ready = options.is_ready && options.is_ready();
    return is_ready ? WebAnswer{.body = "ok\n"} : WebAnswer{.status = 503, .body = "not ready\n"};
  }
  return {.status = 404, .body = "see /metrics, /livez and /readyz\n"};
}

class Pages : public HttpServer {
 public:
  explicit Pages(std::unique_ptr<WebServer> server) : server_(std::move(server)) {}
  const std::string& address() const override { return server_->address(); }

 private:
  const std::unique_ptr<WebServer> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options) {
  WebServer::Options web{.listen = options.listen, .threads = options.threads};
  web.answer = [options = std::move(options)](WebRequest& request) {
    return Answer(options, request);
  };
  TURNPIKE_ASSIGN_OR_RETURN(std::unique_ptr<WebServer> server, WebServer::Start(std::move(web)));
  return std::make_unique<Pages>(std::move(server));
}

}  // namespace turnpike::observe
