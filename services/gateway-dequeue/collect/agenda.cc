#include "services/gateway-dequeue/collect/agenda.h"

#include <array>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <exception>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/current.h"
#include "services/common/base/gate.h"
#include "services/common/base/status_macros.h"
#include "services/common/config/files.h"
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

// An entry, and what it was made of.
struct Made {
  std::string origin;
  std::shared_ptr<Entry> entry;
};
using Entries = std::map<std::string, Made>;

// All entries of one configuration. Immutable.
struct Table {
  std::array<Entries, 2> by_kind;

  const Entries& Of(RunKind kind) const { return by_kind[static_cast<size_t>(kind)]; }
  Entries& Of(RunKind kind) { return by_kind[static_cast<size_t>(kind)]; }
};

// Differs when anything that an entry is made of does.
std::string OriginOf(const config::v1::Collection& collection) {
  return collection.SerializeAsString();
}
std::string OriginOf(const config::v1::UpstreamRequest& request, const std::string& hostname) {
  const config::FileIdentity file = config::IdentityOf(request.authorities_file());
  return absl::StrCat(request.SerializeAsString(), "\n", hostname, "\n", file.device, " ",
                      file.inode, " ", file.bytes, " ", file.modified_seconds, ".",
                      file.modified_nanoseconds);
}

}  // namespace

class Agenda::Impl {
 public:
  explicit Impl(Parts parts)
      : frontend_(std::move(parts.frontend)),
        metrics_(parts.registry),
        entry_parts_{.state = parts.state, .metrics = metrics_, .clock = parts.clock},
        io_threads_(1) {}

  ~Impl() { Stop(); }

  absl::Status Take(const config::v1::Config& config) {
    const std::shared_ptr<const Table> old = table_.Get();
    auto fresh = std::make_shared<Table>();
    for (const config::v1::Collection& collection : config.collections()) {
      std::string origin = OriginOf(collection);
      if (Keep(RunKind::kCollection, collection.name(), origin, *old, *fresh)) continue;
      TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<Entry> entry, Make(collection));
      fresh->Of(RunKind::kCollection)[collection.name()] = {std::move(origin), std::move(entry)};
    }
    for (const config::v1::UpstreamRequest& request : config.requests()) {
      std::string origin = OriginOf(request, config.hostname());
      if (Keep(RunKind::kRequest, request.name(), origin, *old, *fresh)) continue;
      TURNPIKE_ASSIGN_OR_RETURN(std::shared_ptr<Entry> entry, Make(request, config.hostname()));
      fresh->Of(RunKind::kRequest)[request.name()] = {std::move(origin), std::move(entry)};
    }
    table_.Set(fresh);
    Exchange(*old, *fresh);
    return absl::OkStatus();
  }

  void RunNow(RunKind kind, const std::string& name, Callback<ErrandResult> done) {
    const std::shared_ptr<const Table> table = table_.Get();
    const auto found = table->Of(kind).find(name);
    if (found == table->Of(kind).end()) {
      return done(absl::NotFoundError(absl::StrCat("no such ", RunKindName(kind))));
    }
    std::shared_ptr<Pass> pass = Enter();
    if (pass == nullptr) return done(ShuttingDown());
    Spawn(std::move(pass), RunAndTell(found->second.entry, std::move(done)));
  }

  void Describe(RunKind kind, Callback<std::vector<v1::RequestState>> done) {
    std::shared_ptr<Pass> pass = Enter();
    if (pass == nullptr) return done(ShuttingDown());
    Spawn(std::move(pass), DescribeAll(table_.Get()->Of(kind), std::move(done)));
  }

  void Drain(absl::Time deadline) {
    gate_.Close();
    asio::post(io_threads_.context(0), [this] {
      for (const std::shared_ptr<Entry>& entry : AllEntries()) entry->Stop();
    });
    gate_.WaitUntil(deadline);
  }

  void Stop() {
    if (is_stopped_) return;
    is_stopped_ = true;
    gate_.Close();
    io_threads_.Stop();
    io_threads_.Join();
    for (const std::shared_ptr<Entry>& entry : AllEntries()) entry->GiveUpLock();
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

  static bool Keep(RunKind kind, const std::string& name, const std::string& origin,
                   const Table& old, Table& fresh) {
    const auto found = old.Of(kind).find(name);
    if (found == old.Of(kind).end() || found->second.origin != origin) return false;
    fresh.Of(kind)[name] = found->second;
    return true;
  }

  absl::StatusOr<std::shared_ptr<Entry>> Make(const config::v1::Collection& collection) {
    TURNPIKE_ASSIGN_OR_RETURN(Schedule schedule, Schedule::FromConfig(collection.schedule()));
    return Make({.kind = RunKind::kCollection,
                 .name = collection.name(),
                 .host = collection.host(),
                 .port = static_cast<uint16_t>(collection.port()),
                 .schedule = std::move(schedule)},
                std::make_unique<CollectErrand>(collection.name(), *frontend_));
  }

  absl::StatusOr<std::shared_ptr<Entry>> Make(const config::v1::UpstreamRequest& request,
                                              const std::string& hostname) {
    TURNPIKE_ASSIGN_OR_RETURN(Schedule schedule, Schedule::FromConfig(request.schedule()));
    absl::StatusOr<upstream::Server> server = upstream::Server::Create(
        request.host(), request.port(), request.tls(), request.authorities_file(),
        request.has_auth() ? &request.auth() : nullptr);
    if (!server.ok()) {
      return absl::Status(server.status().code(), absl::StrCat("request ", request.name(), ": ",
                                                               server.status().message()));
    }
    return Make({.kind = RunKind::kRequest,
                 .name = request.name(),
                 .host = request.host(),
                 .port = static_cast<uint16_t>(request.port()),
                 .schedule = std::move(schedule)},
                std::make_unique<EtrnErrand>(
                    *std::move(server), hostname,
                    std::vector<std::string>(request.domains().begin(), request.domains().end())));
  }

  std::shared_ptr<Entry> Make(Entry::Options options, std::unique_ptr<Errand> errand) {
    return std::make_shared<Entry>(std::move(options), std::move(errand), entry_parts_,
                                   io_threads_.context(0).get_executor());
  }

  // Begins what is new, and ends what is gone.
  void Exchange(const Table& old, const Table& fresh) {
    for (const RunKind kind : {RunKind::kCollection, RunKind::kRequest}) {
      for (const auto& [name, made] : fresh.Of(kind)) {
        if (IsIn(old.Of(kind), name, made)) continue;
        std::shared_ptr<Pass> pass = Enter();
        if (pass != nullptr) Spawn(std::move(pass), Entry::Loop(made.entry));
      }
      for (const auto& [name, made] : old.Of(kind)) {
        if (!IsIn(fresh.Of(kind), name, made)) Retire(made.entry);
      }
    }
  }

  static bool IsIn(const Entries& entries, const std::string& name, const Made& made) {
    const auto found = entries.find(name);
    return found != entries.end() && found->second.entry == made.entry;
  }

  void Retire(std::shared_ptr<Entry> entry) {
    {
      absl::MutexLock lock(&mu_);
      std::erase_if(retired_, [](const std::weak_ptr<Entry>& each) { return each.expired(); });
      retired_.push_back(entry);
    }
    asio::post(io_threads_.context(0), [entry = std::move(entry)] { entry->Retire(); });
  }

  // With those that only end what they are doing.
  std::vector<std::shared_ptr<Entry>> AllEntries() {
    std::vector<std::shared_ptr<Entry>> all;
    for (const Entries& entries : table_.Get()->by_kind) {
      for (const auto& [name, made] : entries) all.push_back(made.entry);
    }
    absl::MutexLock lock(&mu_);
    for (const std::weak_ptr<Entry>& each : retired_) {
      if (std::shared_ptr<Entry> entry = each.lock()) all.push_back(std::move(entry));
    }
    return all;
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
    for (const auto& [name, made] : entries) {
      absl::StatusOr<v1::RequestState> state = co_await Entry::Describe(made.entry);
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
  // Entries have timers of the context, so they go before it.
  base::Current<Table> table_{std::make_shared<const Table>()};
  absl::Mutex mu_;
  std::vector<std::weak_ptr<Entry>> retired_ ABSL_GUARDED_BY(mu_);
};

Agenda::Agenda(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Agenda::~Agenda() = default;

absl::StatusOr<std::unique_ptr<Agenda>> Agenda::Start(const config::v1::Config& config,
                                                      Parts parts) {
  auto impl = std::make_unique<Impl>(std::move(parts));
  TURNPIKE_RETURN_IF_ERROR(impl->Take(config));
  return std::unique_ptr<Agenda>(new Agenda(std::move(impl)));
}

absl::Status Agenda::Reconfigure(const config::v1::Config& config) { return impl_->Take(config); }

void Agenda::RunNow(RunKind kind, const std::string& name, Callback<ErrandResult> done) {
  impl_->RunNow(kind, name, std::move(done));
}

void Agenda::Describe(RunKind kind, Callback<std::vector<v1::RequestState>> done) {
  impl_->Describe(kind, std::move(done));
}

void Agenda::Drain(absl::Time deadline) { impl_->Drain(deadline); }

void Agenda::Stop() { impl_->Stop(); }

}  // namespace turnpike::dequeue
