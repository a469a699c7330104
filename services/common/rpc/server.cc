#include "services/common/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/impl/server_initializer.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "services/common/rpc/acceptor.h"
#include "services/common/rpc/callback_threads.h"
#include "services/common/rpc/limits.h"
#include "services/common/rpc/security.h"

namespace turnpike::rpc {
namespace {

using grpc::experimental::ExternalConnectionAcceptor;

// Learns the full names of the services that a server has, for grpc.health.v1.
class ServiceNamesPlugin : public grpc::ServerBuilderPlugin {
 public:
  explicit ServiceNamesPlugin(std::vector<std::string>* names) : names_(names) {}
  std::string name() override { return "turnpike_service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* initializer) override {
    *names_ = *initializer->GetServiceList();
  }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::vector<std::string>* const names_;
};

class PluginsOption : public grpc::ServerBuilderOption {
 public:
  PluginsOption(bool reflection, std::vector<std::string>* names)
      : reflection_(reflection), names_(names) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->push_back(std::make_unique<ServiceNamesPlugin>(names_));
    // The library adds reflection to every server of a process that is linked with it.
    grpc::reflection::ProtoServerReflectionPlugin reflection;
    const auto is_reflection = [&reflection](const auto& plugin) {
      return plugin->name() == reflection.name();
    };
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(), is_reflection), plugins->end());
    if (reflection_) {
      plugins->push_back(std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>());
    }
  }

 private:
  const bool reflection_;
  std::vector<std::string>* const names_;
};

class ServerImpl : public Server {
 public:
  ServerImpl(std::unique_ptr<Acceptor> acceptor,
             std::unique_ptr<ExternalConnectionAcceptor> connections,
             std::unique_ptr<grpc::Server> server, std::vector<std::string> service_names)
      : connections_(std::move(connections)),
        server_(std::move(server)),
        service_names_(std::move(service_names)),
        acceptor_(std::move(acceptor)) {
    SetServing(true);
    acceptor_->Start([this](int descriptor) {
      ExternalConnectionAcceptor::NewConnectionParameters parameters;
      parameters.fd = descriptor;
      connections_->HandleNewConnection(&parameters);
    });
  }

  ~ServerImpl() override { Shutdown(absl::Now()); }

  const std::string& address() const override { return acceptor_->address(); }

  void SetServing(bool serving) override {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    health->SetServingStatus("", serving);
    for (const std::string& name : service_names_) health->SetServingStatus(name, serving);
  }

  void SetServing(const std::string& name, bool serving) override {
    server_->GetHealthCheckService()->SetServingStatus(name, serving);
  }

  void Shutdown(absl::Time deadline) override {
    std::call_once(shutdown_, [this, deadline] {
      SetServing(false);
      acceptor_->Stop();
      server_->Shutdown(absl::ToChronoTime(deadline));
    });
  }

 private:
  const std::unique_ptr<ExternalConnectionAcceptor> connections_;
  const std::unique_ptr<grpc::Server> server_;
  const std::vector<std::string> service_names_;
  const std::unique_ptr<Acceptor> acceptor_;
  std::once_flag shutdown_;
};

void SetArguments(grpc::ServerBuilder* builder) {
  builder->SetMaxReceiveMessageSize(kMessageBytesMax);
  builder->SetMaxSendMessageSize(kMessageBytesMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kPingIntervalMinMs);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, kConnectionAgeMaxMs);
  // As for clients; a client that sends much is told less often that it may go on.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options,
                                                      const std::vector<grpc::Service*>& services) {
  absl::StatusOr<std::unique_ptr<Acceptor>> acceptor =
      Acceptor::Listen({.listen = options.listen, .connections_max = options.connections_max});
  if (!acceptor.ok()) return acceptor.status();

  static std::once_flag health_enabled;  // for all servers of the process; not thread-safe itself
  std::call_once(health_enabled, [] { grpc::EnableDefaultHealthCheckService(true); });

  KeepCallbackThreads();
  grpc::ServerBuilder builder;
  SetArguments(&builder);
  std::vector<std::string> service_names;
  builder.SetOption(std::make_unique<PluginsOption>(options.reflection, &service_names));
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<ExternalConnectionAcceptor> connections =
      builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
          options.security == nullptr ? grpc::InsecureServerCredentials()
                                      : options.security->ForServer());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    return absl::InternalError("gRPC refuses to start a server; its log says why");
  }
  return std::make_unique<ServerImpl>(*std::move(acceptor), std::move(connections),
                                      std::move(server), std::move(service_names));
}

}  // namespace turnpike::rpc
