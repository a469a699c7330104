#include "services/outbound-delivery/testing/delivery_fixture.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "prometheus/registry.h"
#include "services/common/base/message_id.h"
#include "services/outbound-delivery/resolve/testing/dns_builder.h"
#include "services/spool-store/client/fake_slots.h"

namespace turnpike::delivery {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  out->set_seconds(absl::ToInt64Seconds(duration));
  out->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - absl::Seconds(out->seconds()))));
}

void AddLocalDomain(const std::string& name, const SmtpPeer& peer, bool is_lmtp,
                    config::v1::Config* config) {
  config::v1::LocalDomain* domain = config->add_local_domains();
  domain->set_domain(name);
  domain->set_mailbox_server(absl::StrCat("127.0.0.1:", peer.port()));
  domain->set_lmtp(is_lmtp);
}

}  // namespace

DeliveryFixture::DeliveryFixture()
    : owned_spool_(std::make_unique<spool::FakeSpool>()),
      registry_(std::make_shared<prometheus::Registry>()) {
  spool_ = owned_spool_.get();
  dns_ = std::make_unique<testing_dns::ScriptedServer>(
      [this](const DnsQuestion& question, uint16_t id, bool) { return AnswerDns(question, id); });
  config_.set_hostname("mx.test.example");
  config_.add_gateways()->set_domain("home.example");
  config::v1::Delivery* delivery = config_.mutable_delivery();
  delivery->set_smtp_port(25);
  delivery->set_connections_per_destination_max(4);
  delivery->set_messages_per_connection_max(1000);
  delivery->set_leases_max(100);
  delivery->set_threads(2);
  delivery->set_tls(config::v1::DELIVERY_TLS_OPPORTUNISTIC);
  delivery->set_allow_loopback_hosts(true);
  delivery->set_bounce_on_first_5xx(true);
  delivery->set_bounce_on_smart_host_5xx(true);
  SetDuration(absl::Milliseconds(200), delivery->mutable_idle_timeout());
  SetDuration(absl::Seconds(5), delivery->mutable_connect_timeout());
  SetDuration(absl::Seconds(10), delivery->mutable_command_timeout());
  SetDuration(absl::Seconds(10), delivery->mutable_data_timeout());
  config::v1::Retry* retry = config_.mutable_retry();
  SetDuration(absl::Minutes(5), retry->mutable_first_interval());
  SetDuration(absl::Minutes(60), retry->mutable_first_period());
  SetDuration(absl::Hours(4), retry->mutable_interval());
  SetDuration(absl::Hours(4), retry->mutable_warn_after());
  SetDuration(absl::Hours(120), retry->mutable_expire_after());
  SetDuration(absl::Minutes(5), config_.mutable_spool()->mutable_lease_duration());
  config::v1::Dns* dns = config_.mutable_dns();
  dns->add_servers(dns_->address());
  SetDuration(absl::Seconds(5), dns->mutable_timeout());
  SetDuration(absl::Hours(1), dns->mutable_cache_time_max());
  dns->set_cache_entries_max(1000);
}

DeliveryFixture::~DeliveryFixture() {
  if (engine_ != nullptr) Stop();
}

void DeliveryFixture::SetLocalPeer(const SmtpPeer& peer) {
  AddLocalDomain("local.example", peer, false, &config_);
}

void DeliveryFixture::SetLmtpPeer(const SmtpPeer& peer) {
  AddLocalDomain("lmtp.example", peer, true, &config_);
}

void DeliveryFixture::SetMx(const std::string& domain,
                            const std::vector<std::pair<uint16_t, std::string>>& hosts) {
  absl::MutexLock lock(&mu_);
  for (const auto& [preference, host] : hosts) mx_.push_back({domain, {preference, host}});
}

void DeliveryFixture::SetAddress(const std::string& host, const std::string& address) {
  absl::MutexLock lock(&mu_);
  addresses_.emplace_back(host, address);
}

std::string DeliveryFixture::AnswerDns(const DnsQuestion& question, uint16_t id) {
  testing_dns::Builder builder(question);
  builder.Id(id);
  absl::MutexLock lock(&mu_);
  bool exists = false;
  for (const auto& [name, mx] : mx_) {
    if (name != question.name) continue;
    exists = true;
    if (question.type == RecordType::kMx) builder.Mx(name, 300, mx.preference, mx.host);
  }
  for (const auto& [name, address] : addresses_) {
    if (name != question.name) continue;
    exists = true;
    if (question.type == RecordType::kA) builder.Address(name, 300, address);
  }
  if (!exists) builder.Code(3);
  return builder.Build();
}

void DeliveryFixture::Start() {
  auto shared_state = std::make_unique<spool::FakeSharedState>(base::Clock::System());
  shared_state_ = shared_state.get();
  auto engine = Engine::Create(config_,
                               {.spool = std::move(owned_spool_),
                                .slots = std::make_unique<spool::FakeSlots>(base::Clock::System()),
                                .shared_state = std::move(shared_state)},
                               *registry_);
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = *std::move(engine);
  engine_->Start();
}

void DeliveryFixture::Stop() {
  engine_->Drain(absl::Now());
  engine_.reset();
  spool_ = nullptr;
  shared_state_ = nullptr;
}

spool::v1::NewMessage DeliveryFixture::MakeMessage(const std::vector<std::string>& recipients,
                                                   const std::string& content) {
  spool::v1::NewMessage message;
  message.set_message_id(std::string(base::MessageId::Generate(absl::Now()).bytes()));
  message.mutable_envelope()->set_return_path("ann@home.example");
  spool::v1::NewDelivery* delivery = message.add_deliveries();
  const std::string domain = recipients[0].substr(recipients[0].find('@') + 1);
  const bool is_local = domain == "local.example" || domain == "lmtp.example";
  delivery->mutable_queue()->set_kind(is_local ? spool::v1::QUEUE_KIND_LOCAL
                                               : spool::v1::QUEUE_KIND_REMOTE);
  delivery->mutable_queue()->set_name(domain);
  for (const std::string& recipient : recipients) {
    delivery->add_recipients()->set_address(recipient);
  }
  message.mutable_received_time()->set_seconds(absl::ToUnixSeconds(absl::Now()));
  message.set_content_bytes(static_cast<int64_t>(content.size()));
  message.set_inline_content(content);
  return message;
}

void DeliveryFixture::Enqueue(spool::v1::NewMessage message) {
  const absl::Time deadline = absl::Now() + kPatience;
  if (message.inline_content().size() > spool::kInlineContentBytesMax) {
    const std::string content = message.inline_content();
    message.clear_inline_content();
    for (size_t offset = 0; offset < content.size(); offset += spool::kInlineContentBytesMax) {
      absl::Notification done;
      spool_->AppendContent(message.message_id(), static_cast<int64_t>(offset),
                            content.substr(offset, spool::kInlineContentBytesMax),
                            [&](const absl::Status& status) {
                              EXPECT_TRUE(status.ok()) << status;
                              done.Notify();
                            });
      done.WaitForNotification();
    }
  }
  absl::Notification done;
  spool_->Enqueue(std::move(message), deadline, [&](const absl::Status& status) {
    EXPECT_TRUE(status.ok()) << status;
    done.Notify();
  });
  done.WaitForNotification();
}

bool DeliveryFixture::WaitFor(const std::function<bool()>& condition) {
  const absl::Time give_up = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > give_up) return false;
    if (spool_ != nullptr) spool_->Poll();
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

std::vector<spool::v1::Settlement> DeliveryFixture::WaitForSettlements(size_t count) {
  EXPECT_TRUE(WaitFor([&] { return spool_->settlements().size() >= count; }));
  return spool_->settlements();
}

}  // namespace turnpike::delivery
