#include "services/smtp-frontend/testing/test_frontend.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "services/common/base/message_id.h"
#include "services/common/net/testing/test_certificate.h"
#include "services/common/observe/log.h"

namespace turnpike::frontend::testing {
namespace {

using config::v1::Listener;

// One fake for all threads. Answers all open questions before it goes, as a policy must.
class SharedPolicy : public auth::Policy {
 public:
  explicit SharedPolicy(auth::FakePolicy& policy) : policy_(policy) {}
  ~SharedPolicy() override { policy_.SetHoldAnswers(false); }
  void Ask(auth::v1::Question question, absl::Time deadline, AnswerCallback done) override {
    policy_.Ask(std::move(question), deadline, std::move(done));
  }

 private:
  auth::FakePolicy& policy_;
};

void AddListener(config::v1::Config* config, const char* name, config::v1::ListenerRole role) {
  Listener* listener = config->mutable_smtp()->add_listeners();
  listener->set_name(name);
  listener->set_role(role);
  listener->set_listen("127.0.0.1:0");
}

}  // namespace

config::v1::Config DefaultConfig() {
  config::v1::Config config;
  config.set_hostname("mx.example.com");
  config::v1::Smtp* smtp = config.mutable_smtp();
  smtp->set_message_bytes_max(20 << 20);
  smtp->set_recipients_max(100);
  smtp->set_received_fields_max(50);
  smtp->set_errors_max(20);
  smtp->set_auth_failures_max(3);
  smtp->mutable_idle_timeout()->set_seconds(10);
  smtp->mutable_data_timeout()->set_seconds(10);
  smtp->mutable_store_timeout()->set_seconds(10);
  smtp->mutable_policy_timeout()->set_seconds(10);
  smtp->set_connections_max(1000);
  smtp->set_connections_per_address_max(1000);
  smtp->set_threads(2);
  AddListener(&config, "mx", config::v1::LISTENER_ROLE_SMTP);
  AddListener(&config, "submission", config::v1::LISTENER_ROLE_SUBMISSION);
  AddListener(&config, "odmr", config::v1::LISTENER_ROLE_ODMR);
  config::v1::Gateway* gateway = config.add_gateways();
  gateway->set_domain("gw.example");
  gateway->mutable_etrn()->set_enabled(true);
  gateway->mutable_atrn()->set_enabled(true);
  config.add_local_domains()->set_domain("local.example");
  return config;
}

void AddTls(config::v1::Config* config) {
  const auto certificate = net::testing::MakeCertificate("frontend", "mx.example.com");
  for (Listener& listener : *config->mutable_smtp()->mutable_listeners()) {
    listener.mutable_tls()->set_certificate_file(certificate.certificate_file);
    listener.mutable_tls()->set_key_file(certificate.key_file);
  }
}

TestFrontend::TestFrontend(const config::v1::Config& config)
    : config_(config), registry_(std::make_shared<prometheus::Registry>()) {
  observe::SetLogLevel(observe::LogLevel::kError);
  policy_.AddGatewayDomain("gw.example");
  policy_.AddLocalDomain("local.example");
  policy_.AddLogin("gw.example", "secret", auth::v1::Identity::KIND_GATEWAY);
  auto dequeue = std::make_unique<dequeue::FakeDequeue>();
  auto spool = std::make_unique<spool::FakeSpool>();
  dequeue_ = dequeue.get();
  spool_ = spool.get();
  Server::Clients clients{.make_policy = [this] { return std::make_unique<SharedPolicy>(policy_); },
                          .dequeue = std::move(dequeue),
                          .spool = std::move(spool)};
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(config_, std::move(clients), *registry_);
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

TestFrontend::~TestFrontend() = default;

absl::Status TestFrontend::Reconfigure(const config::v1::Config& config) {
  const absl::Status status = server_->Reconfigure(config);
  if (status.ok()) config_ = config;
  return status;
}

std::string TestFrontend::AddressOf(absl::string_view listener) const {
  const auto& listeners = config_.smtp().listeners();
  for (int i = 0; i < listeners.size(); ++i) {
    if (listeners[i].name() == listener) return server_->addresses()[i];
  }
  ADD_FAILURE() << "no listener " << listener;
  return "";
}

double TestFrontend::Metric(absl::string_view name, absl::string_view labels) const {
  const std::string series =
      absl::StrCat(name, labels.empty() ? "" : absl::StrCat("{", labels, "}"));
  const std::string text = prometheus::TextSerializer().Serialize(registry_->Collect());
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits("} ", 1));
    double value;
    if (absl::StrCat(parts.first, "}") == series && absl::SimpleAtod(parts.second, &value)) {
      return value;
    }
  }
  return 0;
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

void Hold(spool::FakeSpool& spool, const std::string& user, const std::string& content) {
  spool::v1::NewMessage message;
  const base::MessageId id = base::MessageId::Generate(absl::Now());
  message.set_message_id(std::string(id.bytes()));
  message.mutable_envelope()->set_return_path("sender@elsewhere.example");
  spool::v1::NewDelivery* delivery = message.add_deliveries();
  delivery->set_hold(true);
  delivery->mutable_queue()->set_kind(spool::v1::QUEUE_KIND_GATEWAY);
  delivery->mutable_queue()->set_name("gw.example");
  delivery->add_recipients()->set_address(absl::StrCat(user, "@gw.example"));
  message.set_content_bytes(static_cast<int64_t>(content.size()));
  constexpr size_t kPieceBytes = spool::kInlineContentBytesMax;
  if (content.size() <= kPieceBytes) {
    message.set_inline_content(content);
  } else {
    for (size_t offset = 0; offset < content.size(); offset += kPieceBytes) {
      spool.AppendContent(id.bytes(), static_cast<int64_t>(offset),
                          content.substr(offset, kPieceBytes),
                          [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
    }
  }
  spool.Enqueue(std::move(message), absl::InfiniteFuture(),
                [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
}

}  // namespace turnpike::frontend::testing
