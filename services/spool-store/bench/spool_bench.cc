// Measures a store on this machine's disk: how fast it takes messages, leases and settles them,
// with any number of held ones beside; what a start then takes; and the CPU time of each.
//
//   bazel run -c opt //services/spool-store/bench:spool_bench -- --directory /var/tmp/x --held
//   1000000
//
// --rpc goes through gRPC on loopback and the client library, all in this process.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "prometheus/registry.h"
#include "services/common/base/check.h"
#include "services/common/base/clock.h"
#include "services/common/base/message_id.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/server.h"
#include "services/spool-store/client/rpc_spool.h"
#include "services/spool-store/rpc/spool_service.h"
#include "services/spool-store/storage/rocks_store.h"

namespace turnpike::spool {
namespace {

struct Flags {
  std::string directory = "/var/tmp/turnpike-spool-bench";
  int64_t held = 0;
  int64_t messages = 200'000;
  int64_t bytes = 2'000;
  int in_flight = 1'000;
  int queues = 100;
  bool rpc = false;
  bool keep = false;
};

double CpuSeconds() {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// Prints what happened since it was made.
class Stopwatch {
 public:
  Stopwatch(std::string what, const Metrics& metrics)
      : what_(std::move(what)),
        metrics_(metrics),
        commits_(Commits()),
        operations_(Operations()),
        write_seconds_(WriteSeconds()) {}
  void Print(int64_t count) const {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start_);
    const double cpu = CpuSeconds() - cpu_;
    const double commits = Commits() - commits_;
    std::printf("%-28s %9ld in %7.2f s: %9.0f/s, CPU %6.1f us each", what_.c_str(),
                static_cast<long>(count), seconds, static_cast<double>(count) / seconds,
                1e6 * cpu / static_cast<double>(count));
    if (commits > 0) {
      std::printf("; %.0f commits of %.0f, one in %.1f ms, %.1f ms of it written", commits,
                  (Operations() - operations_) / commits, 1e3 * seconds / commits,
                  1e3 * (WriteSeconds() - write_seconds_) / commits);
    }
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  double Commits() const {
    return static_cast<double>(metrics_.commit_operations->Collect().histogram.sample_count);
  }
  double Operations() const { return metrics_.commit_operations->Collect().histogram.sample_sum; }

  double WriteSeconds() const { return metrics_.commit_duration->Collect().histogram.sample_sum; }

  const std::string what_;
  const Metrics& metrics_;
  const double commits_;
  const double operations_;
  const double write_seconds_;
  const absl::Time start_ = absl::Now();
  const double cpu_ = CpuSeconds();
};

// Counts things in flight.
class Window {
 public:
  explicit Window(int size) : size_(size) {}
  void Enter() {
    absl::MutexLock lock(&mu_);
    auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return inside_ < size_; };
    mu_.Await(absl::Condition(&room));
    ++inside_;
  }
  void Leave() {
    absl::MutexLock lock(&mu_);
    --inside_;
  }
  void WaitEmpty() {
    absl::MutexLock lock(&mu_);
    auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return inside_ == 0; };
    mu_.Await(absl::Condition(&empty));
  }

 private:
  const int size_;
  absl::Mutex mu_;
  int inside_ ABSL_GUARDED_BY(mu_) = 0;
};

v1::NewMessage Message(const Flags& flags, int64_t number, bool hold, const std::string& content) {
  v1::NewMessage message;
  message.set_message_id(std::string(base::MessageId::Generate(absl::Now()).bytes()));
  message.mutable_envelope()->set_return_path("somebody@sender.example");
  message.mutable_client()->set_address("192.0.2.1");
  message.mutable_client()->set_helo("client.sender.example");
  message.set_inline_content(content);
  message.set_content_bytes(static_cast<int64_t>(content.size()));
  v1::NewDelivery& delivery = *message.add_deliveries();
  delivery.mutable_queue()->set_kind(hold ? v1::QUEUE_KIND_GATEWAY : v1::QUEUE_KIND_REMOTE);
  delivery.mutable_queue()->set_name(absl::StrCat("q", number % flags.queues, ".example"));
  delivery.set_hold(hold);
  delivery.add_recipients()->set_address("somebody@recipient.example");
  return message;
}

// Either way to a store.
class Target {
 public:
  virtual ~Target() = default;
  virtual void Enqueue(v1::NewMessage message, absl::AnyInvocable<void()> done) = 0;
  // Leases and settles everything that is due; returns when `count` are done.
  virtual void Deliver(int64_t count, int credit) = 0;
};

v1::Settlement Delivered(const v1::LeasedDelivery& leased) {
  v1::Settlement settlement;
  *settlement.mutable_token() = leased.token();
  v1::RecipientOutcome& outcome = *settlement.add_outcomes();
  outcome.set_disposition(v1::DISPOSITION_DELIVERED);
  return settlement;
}

class Progress {
 public:
  explicit Progress(int64_t count) : left_(count) {}
  void Done() {
    if (--left_ > 0) return;
    absl::MutexLock lock(&mu_);
    is_over_ = true;
  }
  void Wait() {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&is_over_));
  }

 private:
  std::atomic<int64_t> left_;
  absl::Mutex mu_;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
};

class DirectTarget : public Target {
 public:
  explicit DirectTarget(Store& store) : store_(store) {}

  void Enqueue(v1::NewMessage message, absl::AnyInvocable<void()> done) override {
    store_.Enqueue(std::move(message), nullptr,
                   [done = std::move(done)](const v1::EnqueueResult& result) mutable {
                     TURNPIKE_CHECK(result.outcome() == v1::ENQUEUE_OUTCOME_STORED);
                     std::move(done)();
                   });
  }

  void Deliver(int64_t count, int credit) override {
    auto sink = std::make_shared<Sink>(store_, count);
    v1::LeaseOpen open;
    open.mutable_due()->set_deliveries_per_queue_max(1'000'000);
    auto consumer = *store_.OpenConsumer(open, sink);
    sink->set_consumer(consumer.get());
    v1::LeaseRequest request;
    request.set_credit(credit);
    consumer->Handle(request);
    sink->progress.Wait();
  }

 private:
  class Sink : public Store::LeaseSink {
   public:
    Sink(Store& store, int64_t count) : progress(count), store_(store) {}
    void set_consumer(Store::Consumer* consumer) { consumer_ = consumer; }
    void OnLeased(v1::LeaseResponse response) override {
      const int deliveries = response.deliveries_size();
      for (const v1::LeasedDelivery& leased : response.deliveries()) {
        store_.Settle(Delivered(leased), [this](const v1::SettleResult&) { progress.Done(); });
      }
      v1::LeaseRequest request;
      request.set_credit(deliveries);
      consumer_.load()->Handle(request);
    }
    bool HasRoom() override { return true; }
    Progress progress;

   private:
    Store& store_;
    std::atomic<Store::Consumer*> consumer_ = nullptr;
  };

  Store& store_;
};

class RpcTarget : public Target {
 public:
  explicit RpcTarget(Store& store) : service_(store) {
    server_ = *rpc::Server::Start({.listen = "127.0.0.1:0"}, {&service_});
    spool_ = RpcSpool::Create(rpc::CreateChannel(server_->address()));
  }
  ~RpcTarget() override {
    spool_ = nullptr;
    service_.Drain();
    server_->Shutdown(absl::Now() + absl::Seconds(5));
  }

  void Enqueue(v1::NewMessage message, absl::AnyInvocable<void()> done) override {
    spool_->Enqueue(std::move(message), absl::InfiniteFuture(),
                    [done = std::move(done)](const absl::Status& status) mutable {
                      TURNPIKE_CHECK(status.ok(), status.ToString());
                      std::move(done)();
                    });
  }

  void Deliver(int64_t count, int credit) override {
    auto handler = std::make_shared<Handler>(*spool_, count);
    v1::LeaseOpen open;
    open.mutable_due()->set_deliveries_per_queue_max(1'000'000);
    auto stream = spool_->OpenLease(open, handler);
    handler->set_stream(stream.get());
    stream->AddCredit(credit);
    handler->progress.Wait();
  }

 private:
  class Handler : public LeaseStream::Handler {
   public:
    Handler(Spool& spool, int64_t count) : progress(count), spool_(spool) {}
    void set_stream(LeaseStream* stream) { stream_ = stream; }
    void OnLeased(v1::LeaseResponse response) override {
      for (const v1::LeasedDelivery& leased : response.deliveries()) {
        spool_.Settle(Delivered(leased), absl::InfiniteFuture(),
                      [this](const absl::StatusOr<v1::SettleOutcome>&) { progress.Done(); });
      }
      stream_.load()->AddCredit(response.deliveries_size());
    }
    void OnClosed(absl::Status) override {}
    Progress progress;

   private:
    Spool& spool_;
    std::atomic<LeaseStream*> stream_ = nullptr;
  };

  SpoolService service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<RpcSpool> spool_;
};

void Fill(Target& target, const Flags& flags, const Metrics& metrics, const std::string& what,
          int64_t count, bool hold) {
  if (count == 0) return;
  const std::string content(static_cast<size_t>(flags.bytes), 'x');
  Window window(flags.in_flight);
  const Stopwatch stopwatch(what, metrics);
  for (int64_t i = 0; i < count; ++i) {
    window.Enter();
    target.Enqueue(Message(flags, i, hold, content), [&window] { window.Leave(); });
  }
  window.WaitEmpty();
  stopwatch.Print(count);
}

int Run(const Flags& flags) {
  if (!flags.keep) std::filesystem::remove_all(flags.directory);
  Metrics metrics(std::make_shared<prometheus::Registry>());
  const RocksStore::Options options{.directory = flags.directory};
  auto store = RocksStore::Open(options, base::Clock::System(), metrics);
  TURNPIKE_CHECK(store.ok(), store.status().ToString());
  {
    std::unique_ptr<Target> target;
    if (flags.rpc) {
      target = std::make_unique<RpcTarget>(**store);
    } else {
      target = std::make_unique<DirectTarget>(**store);
    }
    Fill(*target, flags, metrics, "hold", flags.held, true);
    Fill(*target, flags, metrics, "enqueue", flags.messages, false);
    const Stopwatch stopwatch("lease and settle", metrics);
    target->Deliver(flags.messages, flags.in_flight);
    stopwatch.Print(flags.messages);

    const Stopwatch both("enqueue, lease and settle", metrics);
    std::thread deliver([&] { target->Deliver(flags.messages, flags.in_flight); });
    Fill(*target, flags, metrics, "  of these: enqueue", flags.messages, false);
    deliver.join();
    both.Print(flags.messages);
  }
  store->reset();
  const Stopwatch stopwatch("start, per held delivery", metrics);
  store = RocksStore::Open(options, base::Clock::System(), metrics);
  TURNPIKE_CHECK(store.ok(), store.status().ToString());
  stopwatch.Print(std::max<int64_t>(flags.held, 1));
  store->reset();
  if (!flags.keep) std::filesystem::remove_all(flags.directory);
  return 0;
}

}  // namespace
}  // namespace turnpike::spool

int main(int argc, char** argv) {
  CLI::App app("Measures the spool.");
  turnpike::spool::Flags flags;
  app.add_option("--directory", flags.directory, "folder of the store; emptied first");
  app.add_option("--held", flags.held, "held deliveries beside");
  app.add_option("--messages", flags.messages, "messages to put through");
  app.add_option("--bytes", flags.bytes, "content of each");
  app.add_option("--in-flight", flags.in_flight, "messages in flight at once");
  app.add_option("--queues", flags.queues, "queues they are spread over");
  app.add_flag("--rpc", flags.rpc, "through gRPC");
  app.add_flag("--keep", flags.keep, "do not empty the folder");
  CLI11_PARSE(app, argc, argv);
  return turnpike::spool::Run(flags);
}
