// Loads a spool-store, without any SMTP, and prints messages per second.
//
//   spool_load --target 127.0.0.1:7101 --phase enqueue --queue held.test --hold --messages 100000
//   spool_load --target 127.0.0.1:7101 --phase lease --messages 100000
//
// enqueue: stores messages for a queue, `--in_flight` at a time. lease: takes deliveries that are
// due and settles each as delivered, until `--messages` are settled.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/base/message_id.h"
#include "services/common/rpc/channel.h"
#include "services/spool-store/client/rpc_spool.h"

ABSL_FLAG(std::string, target, "", "spool-store's gRPC address");
ABSL_FLAG(std::string, phase, "enqueue", "enqueue or lease");
ABSL_FLAG(std::string, queue, "out.test", "domain of the queue");
ABSL_FLAG(bool, hold, false, "enqueue: for a gateway, held");
ABSL_FLAG(int64_t, messages, 10000, "how many");
ABSL_FLAG(int64_t, bytes, 4096, "of each message");
ABSL_FLAG(int64_t, in_flight, 500, "without an answer at one time");

namespace {

namespace v1 = turnpike::spool::v1;
using turnpike::spool::LeaseStream;
using turnpike::spool::Spool;

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "spool_load: %s\n", status.ToString().c_str());
  std::exit(1);
}

// Counts operations that are under way and done.
class Counter {
 public:
  void Begin(int64_t in_flight_max) {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(
        +[](std::pair<Counter*, int64_t>* self) { return self->first->in_flight_ < self->second; },
        &(limit_ = {this, in_flight_max})));
    ++in_flight_;
  }
  void End() {
    absl::MutexLock lock(&mu_);
    --in_flight_;
    ++done_;
  }
  void AwaitDone(int64_t count) {
    absl::MutexLock lock(&mu_);
    limit_ = {this, count};
    mu_.Await(absl::Condition(
        +[](std::pair<Counter*, int64_t>* self) { return self->first->done_ >= self->second; },
        &limit_));
  }

 private:
  absl::Mutex mu_;
  std::pair<Counter*, int64_t> limit_;
  int64_t in_flight_ = 0;
  int64_t done_ = 0;
};

v1::NewMessage MakeMessage(const std::string& content) {
  v1::NewMessage message;
  const absl::Time now = absl::Now();
  message.set_message_id(std::string(turnpike::base::MessageId::Generate(now).bytes()));
  message.mutable_envelope()->set_return_path("ann@sender.test");
  v1::NewDelivery* delivery = message.add_deliveries();
  const bool hold = absl::GetFlag(FLAGS_hold);
  delivery->mutable_queue()->set_kind(hold ? v1::QUEUE_KIND_GATEWAY : v1::QUEUE_KIND_REMOTE);
  delivery->mutable_queue()->set_name(absl::GetFlag(FLAGS_queue));
  delivery->add_recipients()->set_address("user@" + absl::GetFlag(FLAGS_queue));
  delivery->set_hold(hold);
  message.mutable_received_time()->set_seconds(absl::ToUnixSeconds(now));
  message.set_inline_content(content);
  message.set_content_bytes(static_cast<int64_t>(content.size()));
  return message;
}

void EnqueueAll(Spool& spool, int64_t count) {
  const std::string content(static_cast<size_t>(absl::GetFlag(FLAGS_bytes)), 'x');
  const int64_t in_flight = absl::GetFlag(FLAGS_in_flight);
  Counter counter;
  for (int64_t i = 0; i < count; ++i) {
    counter.Begin(in_flight);
    spool.Enqueue(MakeMessage(content), absl::Now() + absl::Minutes(1),
                  [&counter](absl::Status status) {
                    if (!status.ok()) Fail(status);
                    counter.End();
                  });
  }
  counter.AwaitDone(count);
}

class Settler : public LeaseStream::Handler {
 public:
  Settler(Spool& spool, Counter& counter) : spool_(spool), counter_(counter) {}

  void set_stream(LeaseStream* stream) { stream_ = stream; }

  void OnLeased(v1::LeaseResponse response) override {
    for (const v1::LeasedDelivery& delivery : response.deliveries()) {
      v1::Settlement settlement;
      *settlement.mutable_token() = delivery.token();
      for (int32_t index : delivery.recipient_indexes()) {
        v1::RecipientOutcome* outcome = settlement.add_outcomes();
        outcome->set_index(index);
        outcome->set_disposition(v1::DISPOSITION_DELIVERED);
      }
      spool_.Settle(std::move(settlement), absl::Now() + absl::Minutes(1),
                    [this](absl::StatusOr<v1::SettleOutcome> outcome) {
                      if (!outcome.ok()) Fail(outcome.status());
                      stream_->AddCredit(1);
                      counter_.End();
                    });
    }
  }
  void OnClosed(absl::Status) override {}

 private:
  Spool& spool_;
  Counter& counter_;
  LeaseStream* stream_ = nullptr;
};

void LeaseAll(Spool& spool, int64_t count) {
  Counter counter;
  auto settler = std::make_shared<Settler>(spool, counter);
  v1::LeaseOpen open;
  open.set_worker("spool_load");
  open.mutable_due()->set_deliveries_per_queue_max(100'000);
  std::unique_ptr<LeaseStream> stream = spool.OpenLease(std::move(open), settler);
  settler->set_stream(stream.get());
  stream->AddCredit(static_cast<int32_t>(absl::GetFlag(FLAGS_in_flight)));
  counter.AwaitDone(count);
}

}  // namespace

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  auto spool =
      turnpike::spool::RpcSpool::Create(turnpike::rpc::CreateChannel(absl::GetFlag(FLAGS_target)));
  const int64_t count = absl::GetFlag(FLAGS_messages);
  const absl::Time begin = absl::Now();
  if (absl::GetFlag(FLAGS_phase) == "lease") {
    LeaseAll(*spool, count);
  } else {
    EnqueueAll(*spool, count);
  }
  std::printf("%.1f\n", static_cast<double>(count) / absl::ToDoubleSeconds(absl::Now() - begin));
  std::fflush(stdout);
  std::_Exit(0);  // leases and streams end with the connection
}
