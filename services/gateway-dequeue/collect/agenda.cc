#include "services/gateway-dequeue/collect/agenda.h"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <exception>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/gate.h"
#include "services/common/base/status_macros.h"
#include "services/common/net/io_threads.h"
#include "services/common/observe/log.h"
#include "services/common/upstream/connection.h"
#include "services/gateway-dequeue/collect/collect_errand.h"
#include "services/gateway-dequeue/collect/entry.h"
#include "services/gateway-dequeue/collect/etrn_errand.h"
#include "services/gateway-dequeue/collect/frontend_client.h"
#include "services/gateway-dequeue/collect/schedule.h"

namespace turnpike::dequeue {
namespace {

using Entries = std::map<std::string, std::shared_ptr<Entry>>;

}  // namespace

class Agenda::Impl {
 public:
  explicit Impl(Parts parts)
      : frontend_(std::move(parts.frontend)),
        metrics_(parts.registry),
        entry_parts_{.state = parts.state, .metrics = metrics_, .clock = parts.clock},
        io_threads_(1) {}

  ~Impl() { Stop(); }

  absl::Status Add(const config::v1::Collection& collection) {
    TURNPIKE_ASSIGN_OR_RETURN(Schedule schedule, Schedule::FromConfig(collection.schedule()));
    Add({.kind = RunKind::kCollection,
         .name = collection.name(),
         .host = collection.host(),
         .port = static_cast<uint16_t>(collection.port()),
         .schedule = std::move(schedule)},
        std::make_unique<CollectErrand>(collection.name(), *frontend_));
    return absl::OkStatus();
  }

  absl::Status Add(const config::v1::UpstreamRequest& request, const std::string& hostname) {
    TURNPIKE_ASSIGN_OR_RETURN(Schedule schedule, Schedule::FromConfig(request.schedule()));
    absl::StatusOr<upstream::Server> server = upstream::Server::Create(
        request.host(), request.port(), request.tls(), request.authorities_file(),
        request.has_auth() ? &request.auth() : nullptr);
    if (!server.ok()) {
      return absl::Status(server.status().code(), absl::StrCat("request ", request.name(), ": ",
                                                               server.status().message()));
    }
    Add({.kind = RunKind::kRequest,
         .name = request.name(),
         .host = request.host(),
         .port = static_cast<uint16_t>(request.port()),
         .schedule = std::move(schedule)},
        std::make_unique<EtrnErrand>(
            *std::move(server), hostname,
            std::vector<std::string>(request.domains().begin(), request.domains().end())));
    return absl::OkStatus();
  }

  void Begin() {
    for (const Entries& entries : entries_) {
      for (const auto& [name, entry] : entries) Spawn(Enter(), Entry::Loop(entry));
    }
  }

  void RunNow(RunKind kind, const std::string& name, Callback<ErrandResult> done) {
    const Entries& entries = EntriesOf(kind);
    const auto found = entries.find(name);
    if (found == entries.end()) {
      return done(absl::NotFoundError(absl::StrCat("no such ", RunKindName(kind))));
    }
    std::shared_ptr<Pass> pass = Enter();
    if (pass == nullptr) return done(ShuttingDown());
    Spawn(std::move(pass), RunAndTell(found->second, std::move(done)));
  }

  void Describe(RunKind kind, Callback<std::vector<v1::RequestState>> done) {
    std::shared_ptr<Pass> pass = Enter();
    if (pass == nullptr) return done(ShuttingDown());
    Spawn(std::move(pass), DescribeAll(EntriesOf(kind), std::move(done)));
  }

  void Drain(absl::Time deadline) {
    gate_.Close();
    asio::post(io_threads_.context(0), [this] {
      for (const Entries& entries : entries_) {
        for (const auto& [name, entry] : entries) entry->Stop();
      }
    });
    gate_.WaitUntil(deadline);
  }

  void Stop() {
    if (is_stopped_) return;
    is_stopped_ = true;
    gate_.Close();
    io_threads_.Stop();
    io_threads_.Join();
    for (const Entries& entries : entries_) {
      for (const auto& [name, entry] : entries) entry->GiveUpLock();
    }
    frontend_ = nullptr;  // its last callbacks post to the context, which is still there
  }

 private:
  // Of each piece of work that drains.
  struct Pass {
    explicit Pass(base::Gate& gate) : gate(gate) {}
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() { gate.Leave(); }
    base::Gate& gate;
  };

  const Entries& EntriesOf(RunKind kind) const { return entries_[static_cast<size_t>(kind)]; }

  void Add(Entry::Options options, std::unique_ptr<Errand> errand) {
    const std::string name = options.name;
    entries_[static_cast<size_t>(options.kind)][name] = std::make_shared<Entry>(
        std::move(options), std::move(errand), entry_parts_, io_threads_.context(0).get_executor());
  }

  // Null: nothing begins any more.
  std::shared_ptr<Pass> Enter() {
    return gate_.TryEnter() ? std::make_shared<Pass>(gate_) : nullptr;
  }

  static absl::Status ShuttingDown() {
    return absl::UnavailableError("gateway-dequeue is shutting down");
  }

  void Spawn(std::shared_ptr<Pass> pass, asio::awaitable<void> work) {
    auto on_end = [pass = std::move(pass)](std::exception_ptr exception) {
      if (exception) TURNPIKE_LOG(kError, "exception in a run");
    };
    asio::co_spawn(io_threads_.context(0), std::move(work), std::move(on_end));
  }

  static asio::awaitable<void> RunAndTell(std::shared_ptr<Entry> entry,
                                          Callback<ErrandResult> done) {
    done(co_await Entry::RunNow(std::move(entry)));
  }

  static asio::awaitable<void> DescribeAll(Entries entries,
                                           Callback<std::vector<v1::RequestState>> done) {
    std::vector<v1::RequestState> states;
    for (const auto& [name, entry] : entries) {
      absl::StatusOr<v1::RequestState> state = co_await Entry::Describe(entry);
      if (!state.ok()) {
        done(state.status());
        co_return;
      }
      states.push_back(*std::move(state));
    }
    done(std::move(states));
  }

  std::unique_ptr<FrontendClient> frontend_;
  RunMetrics metrics_;
  const Entry::Parts entry_parts_;
  base::Gate gate_;
  bool is_stopped_ = false;
  net::IoThreads io_threads_;
  Entries entries_[2];  // by RunKind; with timers of the context, so they go before it
};

Agenda::Agenda(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Agenda::~Agenda() = default;

absl::StatusOr<std::unique_ptr<Agenda>> Agenda::Start(const config::v1::Config& config,
                                                      Parts parts) {
  auto impl = std::make_unique<Impl>(std::move(parts));
  for (const config::v1::Collection& collection : config.collections()) {
    TURNPIKE_RETURN_IF_ERROR(impl->Add(collection));
  }
  for (const config::v1::UpstreamRequest& request : config.requests()) {
    TURNPIKE_RETURN_IF_ERROR(impl->Add(request, config.hostname()));
  }
  impl->Begin();
  return std::unique_ptr<Agenda>(new Agenda(std::move(impl)));
}

void Agenda::RunNow(RunKind kind, const std::string& name, Callback<ErrandResult> done) {
  impl_->RunNow(kind, name, std::move(done));
}

void Agenda::Describe(RunKind kind, Callback<std::vector<v1::RequestState>> done) {
  impl_->Describe(kind, std::move(done));
}

void Agenda::Drain(absl::Time deadline) { impl_->Drain(deadline); }

void Agenda::Stop() { impl_->Stop(); }

}  // namespace turnpike::dequeue
