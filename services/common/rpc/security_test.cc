// Mutual TLS between a server and callers of all kinds. (PL-40)
#include "services/common/rpc/security.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "services/common/base/file.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/limits.h"
#include "services/common/rpc/server.h"
#include "services/common/rpc/testing/authority.h"
#include "services/common/rpc/testing/echo_server.h"
#include "services/common/rpc/testing/recorder.h"

namespace turnpike::rpc::testing {
namespace {

constexpr char kNames[] = "DNS:localhost,IP:127.0.0.1";
constexpr absl::Duration kPatience = absl::Seconds(20);

bool EchoIsForFrontends(absl::string_view method, absl::string_view caller) {
  if (absl::StartsWith(method, "/turnpike.rpc.testing.EchoService/")) {
    return caller == "smtp-frontend";
  }
  return MayCall(method, caller);
}

std::string ReadText(const std::string& path) { return *base::ReadFile(path, 1 << 20); }

double MetricOf(prometheus::Registry& registry, const std::string& name) {
  for (const prometheus::MetricFamily& family : registry.Collect()) {
    if (family.name != name) continue;
    EXPECT_EQ(family.metric.size(), 1u) << name;
    const prometheus::ClientMetric& metric = family.metric.front();
    return family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                          : metric.gauge.value;
  }
  ADD_FAILURE() << "no " << name;
  return -1;
}

uint16_t PortOf(const std::string& address) {
  uint32_t port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  return static_cast<uint16_t>(port);
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return false;
}

class SecurityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    authority_.Issue(directory_, {.service = "spool-store", .names = kNames});
    server_security_ = Secure("spool-store", directory_, &registry_);
    Start();
  }

  void Start() {
    server_ = nullptr;
    auto server =
        Server::Start({.listen = "127.0.0.1:0", .security = server_security_.get()}, {&service_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  static std::unique_ptr<Security> Secure(const std::string& service, const std::string& directory,
                                          prometheus::Registry* registry = nullptr,
                                          const std::string& trust_domain = "turnpike") {
    auto security = Security::Create(
        {.identity = {.service = service, .directory = directory, .trust_domain = trust_domain},
         .refresh_interval = absl::Seconds(1),
         .registry = registry,
         .may_call = EchoIsForFrontends});
    EXPECT_TRUE(security.ok()) << security.status();
    return *std::move(security);
  }

  // How `Say` ends over a connection of its own; the certificate that the server showed.
  static std::pair<grpc::StatusCode, std::string> Say(
      const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    SayRequest request;
    request.set_text("x");
    SayResponse response;
    const grpc::Status status = EchoService::NewStub(channel)->Say(&context, request, &response);
    std::string certificate;
    if (const auto peer = context.auth_context(); status.ok() && peer != nullptr) {
      for (const grpc::string_ref& text : peer->FindPropertyValues("x509_pem_cert")) {
        certificate.assign(text.data(), text.size());
      }
    }
    return {status.error_code(), certificate};
  }

  grpc::StatusCode SayAs(const Security* security) const {
    return Say(CreateChannel(server_->address(), security)).first;
  }

  // As somebody who keeps to no rule of ours, with the files of a service (empty: without a
  // certificate) and this test's authority.
  grpc::StatusCode SayBy(const std::string& folder) const {
    grpc::SslCredentialsOptions options{.pem_root_certs = authority_.certificate()};
    if (!folder.empty()) {
      options.pem_private_key = ReadText(folder + "/tls.key");
      options.pem_cert_chain = ReadText(folder + "/tls.crt");
    }
    return Say(grpc::CreateChannel(server_->address(), grpc::SslCredentials(options))).first;
  }

  double Denied() { return MetricOf(registry_, "turnpike_grpc_denied_total"); }

  Authority authority_;
  const std::string directory_ = MakeFolder();
  prometheus::Registry registry_;
  EchoServer service_;
  std::unique_ptr<Security> server_security_;
  std::unique_ptr<Server> server_;
};

TEST_F(SecurityTest, CallerThatIsNamedIsServed) {
  authority_.Issue(directory_, {.service = "smtp-frontend"});
  const auto security = Secure("smtp-frontend", directory_);
  EXPECT_EQ(SayAs(security.get()), grpc::StatusCode::OK);
  EXPECT_EQ(Denied(), 0);
}

TEST_F(SecurityTest, ServiceThatMayNotIsDeniedAndCounted) {
  authority_.Issue(directory_, {.service = "auth-service"});
  const auto security = Secure("auth-service", directory_);
  EXPECT_EQ(SayAs(security.get()), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(SayAs(security.get()), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Denied(), 2);
}

TEST_F(SecurityTest, CallerWithoutTlsOrCertificateIsRefused) {
  EXPECT_EQ(SayAs(nullptr), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(SayBy(""), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(SecurityTest, CertificateOfAnotherAuthorityIsRefused) {
  Authority other;
  const std::string folder = MakeFolder();
  other.Issue(folder, {.service = "smtp-frontend"});
  EXPECT_EQ(SayBy(folder + "/smtp-frontend"), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(SecurityTest, ExpiredCertificateIsRefused) {
  authority_.Issue(directory_, {.service = "smtp-frontend", .end = -absl::Minutes(1)});
  EXPECT_EQ(SayBy(directory_ + "/smtp-frontend"), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(SecurityTest, OtherTrustDomainIsDenied) {
  authority_.Issue(directory_, {.service = "smtp-frontend", .trust_domain = "elsewhere"});
  const auto security = Secure("smtp-frontend", directory_, nullptr, "elsewhere");
  EXPECT_EQ(SayAs(security.get()), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Denied(), 1);
}

TEST_F(SecurityTest, CertificateWithoutOneUriNameIsDenied) {
  authority_.Issue(directory_, {.service = "smtp-frontend", .has_uri = false});
  EXPECT_EQ(SayBy(directory_ + "/smtp-frontend"), grpc::StatusCode::PERMISSION_DENIED);
  authority_.Issue(directory_,
                   {.service = "smtp-frontend", .further_uris = {"spiffe://turnpike/turnpikectl"}});
  EXPECT_EQ(SayBy(directory_ + "/smtp-frontend"), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(SecurityTest, ServerWithAnotherNameOrAuthorityIsNotTrusted) {
  authority_.Issue(directory_, {.service = "smtp-frontend"});
  const auto client = Secure("smtp-frontend", directory_);
  authority_.Issue(directory_, {.service = "spool-store", .names = "DNS:elsewhere.invalid"});
  server_security_ = nullptr;
  server_ = nullptr;
  server_security_ = Secure("spool-store", directory_);
  Start();
  EXPECT_EQ(SayAs(client.get()), grpc::StatusCode::UNAVAILABLE);

  Authority other;
  other.Issue(directory_, {.service = "spool-store", .names = kNames});
  const auto impostor = Secure("spool-store", directory_);
  server_ = nullptr;
  server_security_ = nullptr;
  auto server = Server::Start({.listen = "127.0.0.1:0", .security = impostor.get()}, {&service_});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(Say(CreateChannel((*server)->address(), client.get())).first,
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(SecurityTest, HealthIsForEveryServiceAndReflectionForOperators) {
  const auto call = [&](const Security& security, const std::string& path) {
    grpc::GenericStub stub(CreateChannel(server_->address(), &security));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    const grpc::Slice nothing("");
    const grpc::ByteBuffer request(&nothing, 1);
    grpc::ByteBuffer response;
    Recorder<grpc::StatusCode> done;
    stub.UnaryCall(&context, path, grpc::StubOptions(), &request, &response,
                   [&done](const grpc::Status& status) { done.Add(status.error_code()); });
    return done.WaitFor(1).at(0);
  };
  constexpr char kHealth[] = "/grpc.health.v1.Health/Check";
  constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  authority_.Issue(directory_, {.service = "keda"});
  const auto keda = Secure("keda", directory_);
  EXPECT_EQ(call(*keda, kHealth), grpc::StatusCode::OK);
  EXPECT_EQ(call(*keda, kReflection), grpc::StatusCode::PERMISSION_DENIED);
  authority_.Issue(directory_, {.service = "turnpikectl"});
  const auto operators = Secure("turnpikectl", directory_);
  EXPECT_NE(call(*operators, kReflection), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(SecurityTest, NewCertificateServesNewConnectionsWhileOldStreamsGoOn) {
  authority_.Issue(directory_, {.service = "smtp-frontend"});
  const auto client = Secure("smtp-frontend", directory_);
  const auto stub = EchoService::NewStub(CreateChannel(server_->address(), client.get()));
  Recorder<std::string> echoed;
  Recorder<absl::Status> closed;
  auto stream =
      OpenChat(stub.get(),
               {.on_message = [&echoed](ChatResponse& response) { echoed.Add(response.texts(0)); },
                .on_closed = [&](const absl::Status& s) { closed.Add(s); }});
  ChatRequest request;
  request.add_texts("before");
  ASSERT_TRUE(stream->TryWrite(request));
  ASSERT_EQ(echoed.WaitFor(1).size(), 1u);

  authority_.Issue(directory_, {.service = "spool-store", .names = kNames});
  authority_.Issue(directory_, {.service = "smtp-frontend"});
  const std::string fresh = ReadText(directory_ + "/spool-store/tls.crt");
  EXPECT_TRUE(Eventually([&] {
    const auto [code, certificate] = Say(CreateChannel(server_->address(), client.get()));
    EXPECT_EQ(code, grpc::StatusCode::OK);
    return certificate == fresh;
  }));

  request.clear_texts();
  request.add_texts("after");
  ASSERT_TRUE(stream->TryWrite(request));
  EXPECT_EQ(echoed.WaitFor(2).back(), "after");
  EXPECT_TRUE(closed.values().empty());
  stream->WritesDone();
  EXPECT_TRUE(closed.WaitFor(1).at(0).ok());
}

TEST_F(SecurityTest, BadFilesAreNotTakenUpWhileTheOldOnesAreGood) {
  authority_.Issue(directory_, {.service = "smtp-frontend"});
  const auto client = Secure("smtp-frontend", directory_);
  const std::string before = ReadText(directory_ + "/spool-store/tls.crt");
  const double end = MetricOf(registry_, "turnpike_certificate_not_after_timestamp_seconds");
  const auto is_successful = [&] {
    return MetricOf(registry_, "turnpike_grpc_certificate_last_refresh_successful") == 1;
  };
  EXPECT_TRUE(Eventually(is_successful));

  // The key of another certificate.
  const std::string key = ReadText(directory_ + "/smtp-frontend/tls.key");
  WriteFile(directory_ + "/spool-store/tls.key", key);
  EXPECT_TRUE(Eventually([&] { return !is_successful(); }));
  absl::SleepFor(absl::Seconds(2.5));  // gRPC would have looked twice
  EXPECT_EQ(Say(CreateChannel(server_->address(), client.get())),
            std::make_pair(grpc::StatusCode::OK, before));
  EXPECT_EQ(MetricOf(registry_, "turnpike_certificate_not_after_timestamp_seconds"), end);

  authority_.Issue(directory_, {.service = "spool-store", .names = kNames, .end = absl::Hours(2)});
  EXPECT_TRUE(Eventually(is_successful));
  EXPECT_GT(MetricOf(registry_, "turnpike_certificate_not_after_timestamp_seconds"), end);
}

TEST_F(SecurityTest, AuthorityThatIsTakenAwayIsNotTrustedAnyMore) {
  authority_.Issue(directory_, {.service = "smtp-frontend"});
  const auto client = Secure("smtp-frontend", directory_);
  EXPECT_EQ(SayAs(client.get()), grpc::StatusCode::OK);
  const Authority other;
  WriteFile(directory_ + "/spool-store/ca.crt", other.certificate());
  EXPECT_TRUE(Eventually([&] { return SayAs(client.get()) == grpc::StatusCode::UNAVAILABLE; }));
}

TEST_F(SecurityTest, FilesThatAreNotAnIdentityAreAnErrorAtOnce) {
  const auto created = Security::Create(
      {.identity = {.service = "keda", .directory = directory_, .trust_domain = "turnpike"}});
  EXPECT_EQ(created.status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(created.status().message(), directory_ + "/keda/tls.crt"));
}

// Until it has shown a certificate a connection is anybody's.
TEST_F(SecurityTest, ConnectionThatShowsNothingIsClosed) {
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {.sin_family = AF_INET,
                         .sin_port = htons(PortOf(server_->address())),
                         .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                         .sin_zero = {}};
  ASSERT_EQ(connect(silent, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  timeval patience = {.tv_sec = 2 * kHandshakeTimeoutMs / 1000, .tv_usec = 0};
  setsockopt(silent, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  const absl::Time begin = absl::Now();
  char octet;
  EXPECT_EQ(recv(silent, &octet, 1, 0), 0);
  EXPECT_GT(absl::Now() - begin, absl::Milliseconds(kHandshakeTimeoutMs / 2));
  close(silent);
}

// gRPC gives up the connection too, soon after: who calls again may meet its end.
TEST_F(SecurityTest, TooMuchMetadataEndsTheCallAndTheNextIsServed) {
  constexpr size_t kMax = kMetadataBytesMax;
  authority_.Issue(directory_, {.service = "smtp-frontend"});
  const auto security = Secure("smtp-frontend", directory_);
  const auto channel = CreateChannel(server_->address(), security.get());
  const auto stub = EchoService::NewStub(channel);
  for (const size_t octets : {kMax / 2, 2 * kMax}) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    context.AddMetadata("x-more", std::string(octets, 'x'));
    SayRequest request;
    request.set_text("x");
    SayResponse response;
    EXPECT_EQ(stub->Say(&context, request, &response).error_code(),
              octets < kMax ? grpc::StatusCode::OK : grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  EXPECT_TRUE(Eventually([&] { return Say(channel).first == grpc::StatusCode::OK; }));
}

TEST_F(SecurityTest, ConfigurationWithoutTlsMeansPlainText) {
  config::v1::Services services;
  const auto plain = Security::Create(services, "spool-store", nullptr);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(*plain, nullptr);
  services.mutable_tls()->set_directory(directory_);
  services.mutable_tls()->set_trust_domain("turnpike");
  const auto mutual = Security::Create(services, "spool-store", nullptr);
  ASSERT_TRUE(mutual.ok()) << mutual.status();
  EXPECT_NE(*mutual, nullptr);
}

}  // namespace
}  // namespace turnpike::rpc::testing
