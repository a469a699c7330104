#include "services/smtp-frontend/listener/server.h"

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/execution/context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <atomic>
#include <exception>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/util/time_util.h"
#include "prometheus/counter.h"
#include "services/common/base/gate.h"
#include "services/common/net/io_threads.h"
#include "services/common/net/ip.h"
#include "services/common/net/listener.h"
#include "services/common/observe/log.h"
#include "services/common/routing/domain_classes.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/collect/collection.h"
#include "services/smtp-frontend/collect/collector.h"
#include "services/smtp-frontend/listener/connection_limits.h"
#include "services/smtp-frontend/listener/profile.h"
#include "services/smtp-frontend/listener/proxy_reader.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/offers.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {
namespace {

// For sessions that were cut off to notice it.
constexpr absl::Duration kAbortTime = absl::Seconds(2);

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration));
}

Timeouts TimeoutsOf(const config::v1::Smtp& smtp) {
  return {.idle = FromProto(smtp.idle_timeout()),
          .data = FromProto(smtp.data_timeout()),
          .store = FromProto(smtp.store_timeout()),
          .policy = FromProto(smtp.policy_timeout())};
}

}  // namespace

class Server::Impl {
 public:
  Impl(const config::v1::Config& config, Clients clients, prometheus::Registry& registry)
      : metrics_(registry),
        limits_({.connections_max = config.smtp().connections_max(),
                 .connections_per_address_max = config.smtp().connections_per_address_max()}),
        domain_classes_(config),
        proxy_header_timeout_(FromProto(config.smtp().proxy_header_timeout())),
        io_threads_(config.smtp().threads()),
        clients_(std::move(clients)) {
    for (size_t i = 0; i < io_threads_.size(); ++i) {
      auto thread = std::make_unique<Thread>();
      thread->policy = clients_.make_policy();
      thread->environment = {.host_name = config.hostname(),
                             .timeouts = TimeoutsOf(config.smtp()),
                             .policy = thread->policy.get(),
                             .dequeue = clients_.dequeue.get(),
                             .spool = clients_.spool.get(),
                             .domain_classes = &domain_classes_,
                             .metrics = &metrics_,
                             .buffers = &thread->buffers,
                             .offers = &thread->offers,
                             .policy_warning_time = &thread->policy_warning_time};
      threads_.push_back(std::move(thread));
    }
  }

  ~Impl() {
    StopListening();
    gate_.Close();
    CutOff();
    // From here on no session runs; those that wait for another service are destroyed with their
    // threads' contexts, after the clients have answered into these and before the rest.
    io_threads_.Stop();
    io_threads_.Join();
    for (const auto& open : listeners_) open->listener.reset();
    for (const auto& thread : threads_) {
      thread->environment.policy = nullptr;
      thread->environment.dequeue = nullptr;
      thread->environment.spool = nullptr;
      thread->policy.reset();
    }
    clients_ = Clients();
  }

  absl::Status PrepareCollections(const config::v1::Config& config) {
    for (const config::v1::Collection& settings : config.collections()) {
      absl::StatusOr<std::unique_ptr<const Collection>> collection =
          Collection::Create(config, settings, metrics_);
      if (!collection.ok()) return collection.status();
      collections_[settings.name()] = *std::move(collection);
    }
    return absl::OkStatus();
  }

  absl::Status Listen(const config::v1::Config& config) {
    for (const config::v1::Listener& listener : config.smtp().listeners()) {
      absl::StatusOr<ListenerProfile> profile = MakeProfile(config, listener);
      if (!profile.ok()) return profile.status();
      auto open = std::make_unique<Open>();
      open->profile = *std::move(profile);
      open->metrics = metrics_.ForListener(listener.name(), config.smtp().connections_max());
      open->profile.metrics = open->metrics.get();
      for (const std::string& network : listener.proxy_protocol_from()) {
        absl::StatusOr<net::IpNetwork> balancers = net::IpNetwork::Parse(network);
        if (!balancers.ok()) return balancers.status();
        open->balancers.push_back(*balancers);
      }
      if (open->profile.tls != nullptr) {
        metrics_.SetCertificateEnd(*open->metrics, CertificateEnd(*open->profile.tls));
      }
      absl::StatusOr<std::unique_ptr<net::Listener>> started = net::Listener::Start(
          listener.listen(), io_threads_, [this, from = open.get()](asio::ip::tcp::socket socket) {
            OnSocket(*from, std::move(socket));
          });
      if (!started.ok()) {
        return absl::Status(
            started.status().code(),
            absl::StrCat("listener ", listener.name(), ": ", started.status().message()));
      }
      open->listener = *std::move(started);
      TURNPIKE_LOG(kInfo, "listening",
                   {{"listener", listener.name()}, {"address", open->listener->address()}});
      listeners_.push_back(std::move(open));
    }
    return absl::OkStatus();
  }

  void Drain(absl::Time deadline) {
    is_draining_ = true;
    StopListening();
    gate_.Close();
    OnEachThread([](Thread& thread) {
      CloseUnidentified(thread);
      for (Collector* collector : Snapshot(thread.collectors)) collector->Drain();
      for (Session* session : Snapshot(thread.sessions)) session->Drain();
    });
    if (gate_.WaitUntil(deadline)) return;
    TURNPIKE_LOG(kWarning, "sessions cut off at the end of the drain",
                 {{"sessions", uint64_t{gate_.inside()}}});
    CutOff();
  }

  bool is_draining() const { return is_draining_; }
  size_t session_count() const { return gate_.inside(); }

  void Describe(absl::AnyInvocable<void(std::vector<v1::Session>)> done) {
    struct Gathering {
      absl::Mutex mu;
      size_t threads_left ABSL_GUARDED_BY(mu);
      std::vector<v1::Session> sessions ABSL_GUARDED_BY(mu);
      absl::AnyInvocable<void(std::vector<v1::Session>)> done;
    };
    auto gathering = std::make_shared<Gathering>();
    {
      absl::MutexLock lock(&gathering->mu);
      gathering->threads_left = threads_.size();
    }
    gathering->done = std::move(done);
    OnEachThread([gathering](Thread& thread) {
      std::vector<v1::Session> sessions;
      {
        absl::MutexLock lock(&gathering->mu);
        for (const Session* session : thread.sessions) {
          gathering->sessions.push_back(session->Describe());
        }
        if (--gathering->threads_left > 0) return;
        sessions = std::move(gathering->sessions);
      }
      gathering->done(std::move(sessions));
    });
  }

  void Collect(const std::string& name, const std::string& run_id, CollectCallback done) {
    const auto found = collections_.find(name);
    if (found == collections_.end()) return done(absl::NotFoundError("no such collection"));
    if (!gate_.TryEnter()) return done(absl::UnavailableError("draining"));
    const size_t i = next_collect_thread_++ % threads_.size();
    asio::io_context& context = io_threads_.context(i);
    asio::post(context, [this, &context, thread = threads_[i].get(), run_id,
                         collection = found->second.get(), place = std::make_unique<Place>(gate_),
                         done = std::move(done)]() mutable {
      StartCollector(context, *thread, *collection, run_id, std::move(place), std::move(done));
    });
  }

  void EndCollection(const std::string& run_id) {
    OnEachThread([run_id](Thread& thread) {
      for (Collector* collector : Snapshot(thread.collectors)) {
        if (collector->run_id() == run_id) collector->Drain();
      }
    });
  }

  std::vector<std::string> addresses() const {
    std::vector<std::string> addresses;
    for (const auto& open : listeners_) addresses.push_back(open->listener->address());
    return addresses;
  }

 private:
  // What belongs to one I/O thread. Used on it alone while it runs.
  struct Thread {
    std::unique_ptr<auth::Policy> policy;
    BufferPool buffers;
    Offers offers;
    absl::Time policy_warning_time = absl::InfinitePast();
    SessionEnvironment environment;
    absl::flat_hash_set<Session*> sessions;
    absl::flat_hash_set<Collector*> collectors;
    absl::flat_hash_set<asio::ip::tcp::socket*> unidentified;  // that wait for a balancer's header
  };
  struct Open {
    ListenerProfile profile;
    std::vector<net::IpNetwork> balancers;  // whose word on the client's address counts
    std::unique_ptr<ListenerMetrics> metrics;
    std::unique_ptr<net::Listener> listener;

    bool IsBalancer(const net::IpAddress& address) const {
      return std::any_of(balancers.begin(), balancers.end(),
                         [&](const net::IpNetwork& each) { return each.Contains(address); });
    }
  };

  // What a session takes up; ends with the last trace of it.
  class Place {
   public:
    // Without an admission: a connection that we open ourselves.
    explicit Place(base::Gate& gate) : gate_(gate) {}
    Place(base::Gate& gate, ConnectionLimits::Admission admission)
        : gate_(gate), admission_(std::move(admission)) {}
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { gate_.Leave(); }

    ConnectionLimits::Admission& admission() { return *admission_; }

   private:
    base::Gate& gate_;
    std::optional<ConnectionLimits::Admission> admission_;
  };

  // Draining or aborting one may end another, so that the set changes meanwhile.
  template <typename T>
  static std::vector<T*> Snapshot(const absl::flat_hash_set<T*>& set) {
    return std::vector<T*>(set.begin(), set.end());
  }

  static void CloseUnidentified(Thread& thread) {
    asio::error_code ignored;
    for (asio::ip::tcp::socket* socket : thread.unidentified) socket->close(ignored);
  }

  void OnEachThread(const std::function<void(Thread&)>& work) {
    for (size_t i = 0; i < threads_.size(); ++i) {
      asio::post(io_threads_.context(i), [thread = threads_[i].get(), work] { work(*thread); });
    }
  }

  void StopListening() {
    for (const auto& open : listeners_) open->listener->Stop();
  }

  void CutOff() {
    OnEachThread([](Thread& thread) {
      CloseUnidentified(thread);
      for (Collector* collector : Snapshot(thread.collectors)) collector->Abort();
      for (Session* session : Snapshot(thread.sessions)) session->Abort();
    });
    gate_.WaitUntil(absl::Now() + kAbortTime);
  }

  Thread& ThreadOf(asio::ip::tcp::socket& socket) {
    const auto executor = socket.get_executor();
    const auto& context = asio::query(executor, asio::execution::context);
    size_t i = 0;
    while (&context != static_cast<asio::execution_context*>(&io_threads_.context(i))) ++i;
    return *threads_[i];
  }

  void OnSocket(const Open& open, asio::ip::tcp::socket socket) {
    asio::error_code error;
    const asio::ip::tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;  // gone already
    const net::IpAddress address = net::IpAddress::From(peer.address());
    const bool is_balancer = open.IsBalancer(address);
    auto admitted = is_balancer ? limits_.AdmitUnknown() : limits_.Admit(address);
    if (const auto* refusal = std::get_if<ConnectionLimits::Refusal>(&admitted)) {
      return RefuseConnection(open.profile, *refusal, std::move(socket));
    }
    if (!gate_.TryEnter()) return;
    auto place =
        std::make_shared<Place>(gate_, std::get<ConnectionLimits::Admission>(std::move(admitted)));
    Thread& thread = ThreadOf(socket);
    if (!is_balancer) {
      return Begin(open.profile, thread, std::make_unique<net::Stream>(std::move(socket), peer),
                   std::move(place));
    }
    auto unidentified = std::make_shared<asio::ip::tcp::socket>(std::move(socket));
    thread.unidentified.insert(unidentified.get());
    const auto log_exception = [](std::exception_ptr exception) {
      if (exception) TURNPIKE_LOG(kError, "exception at a PROXY header");
    };
    const auto executor = unidentified->get_executor();
    asio::co_spawn(executor, Identify(open, thread, std::move(unidentified), std::move(place)),
                   log_exception);
  }

  // Behind a balancer: the session begins when it has said who the client is. (PL-5)
  asio::awaitable<void> Identify(const Open& open, Thread& thread,
                                 std::shared_ptr<asio::ip::tcp::socket> socket,
                                 std::shared_ptr<Place> place) {
    const absl::StatusOr<std::optional<ProxyClient>> header =
        co_await ReadProxyHeader(socket, absl::Now() + proxy_header_timeout_);
    thread.unidentified.erase(socket.get());
    asio::error_code error;
    asio::ip::tcp::endpoint client = socket->remote_endpoint(error);
    if (!header.ok() || error) {
      open.profile.metrics->refused_by_proxy_header.Increment();
      TURNPIKE_LOG(kInfo, "no good PROXY header",
                   {{"listener", open.profile.name},
                    {"peer", net::IpAddress::From(client.address()).ToString()},
                    {"error", header.ok() ? error.message() : header.status().ToString()}});
      socket->close(error);
      co_return;
    }
    if (header->has_value()) {
      client = asio::ip::tcp::endpoint((*header)->address.ToAsio(), (*header)->port);
    }
    const std::optional<ConnectionLimits::Refusal> refusal =
        limits_.Identify(net::IpAddress::From(client.address()), &place->admission());
    if (refusal.has_value()) {
      RefuseConnection(open.profile, *refusal, std::move(*socket));
      co_return;
    }
    Begin(open.profile, thread, std::make_unique<net::Stream>(std::move(*socket), client),
          std::move(place));
  }

  void Begin(const ListenerProfile& profile, Thread& thread, std::unique_ptr<net::Stream> stream,
             std::shared_ptr<Place> place) {
    auto session = std::make_shared<Session>(thread.environment, profile, std::move(stream));
    thread.sessions.insert(session.get());
    const auto on_end = [&thread, session, place = std::move(place)](std::exception_ptr exception) {
      if (exception) LogException(*session, exception);
      thread.sessions.erase(session.get());
    };
    Session& running = *session;
    asio::co_spawn(running.executor(), Session::Run(std::move(session)), on_end);
  }

  void StartCollector(asio::io_context& context, Thread& thread, const Collection& collection,
                      const std::string& run_id, std::unique_ptr<Place> place,
                      CollectCallback done) {
    if (is_draining_) return done(absl::UnavailableError("draining"));
    const auto collector = std::make_shared<Collector>(thread.environment, collection, run_id,
                                                       [&thread](Session& session, bool begins) {
                                                         if (begins) {
                                                           thread.sessions.insert(&session);
                                                         } else {
                                                           thread.sessions.erase(&session);
                                                         }
                                                       });
    thread.collectors.insert(collector.get());
    auto on_end = [&thread, collector, place = std::move(place), done = std::move(done)](
                      std::exception_ptr exception, dequeue::v1::Run run) mutable {
      thread.collectors.erase(collector.get());
      if (!exception) return done(std::move(run));
      TURNPIKE_LOG(kError, "exception in a collection", {{"session", collector->run_id()}});
      done(absl::InternalError("exception"));
    };
    asio::co_spawn(context, Collector::Run(collector), std::move(on_end));
  }

  // [RFC5321 3.8] A last word, if it can be said without waiting: not under TLS.
  static void RefuseConnection(const ListenerProfile& profile, ConnectionLimits::Refusal refusal,
                               asio::ip::tcp::socket socket) {
    if (refusal == ConnectionLimits::Refusal::kAddress) {
      profile.metrics->refused_by_address_limit.Increment();
    } else {
      profile.metrics->refused_by_limit.Increment();
    }
    asio::error_code ignored;
    if (!profile.implicit_tls) {
      std::string reply;
      smtp::Reply(smtp::kTooManyConnections).AppendTo(&reply);
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(reply), ignored);
      socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }
    socket.close(ignored);
  }

  static void LogException(const Session& session, const std::exception_ptr& exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& e) {
      TURNPIKE_LOG(kError, "exception in a session",
                   {{"session", session.id()}, {"error", e.what()}});
    }
  }

  Metrics metrics_;
  ConnectionLimits limits_;
  const routing::DomainClasses domain_classes_;
  const absl::Duration proxy_header_timeout_;
  base::Gate gate_;  // a session is inside from its accept to its end
  std::atomic<bool> is_draining_{false};
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<std::unique_ptr<Open>> listeners_;
  absl::flat_hash_map<std::string, std::unique_ptr<const Collection>> collections_;
  std::atomic<size_t> next_collect_thread_{0};
  net::IoThreads io_threads_;  // with its contexts the last sessions are destroyed
  Clients clients_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const config::v1::Config& config,
                                                      Clients clients,
                                                      prometheus::Registry& registry) {
  auto impl = std::make_unique<Impl>(config, std::move(clients), registry);
  absl::Status ready = impl->PrepareCollections(config);
  if (ready.ok()) ready = impl->Listen(config);
  if (!ready.ok()) return ready;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::Drain(absl::Time deadline) { impl_->Drain(deadline); }

bool Server::is_draining() const { return impl_->is_draining(); }

void Server::Describe(absl::AnyInvocable<void(std::vector<v1::Session>)> done) {
  impl_->Describe(std::move(done));
}

void Server::Collect(const std::string& collection, const std::string& run_id,
                     CollectCallback done) {
  impl_->Collect(collection, run_id, std::move(done));
}

void Server::EndCollection(const std::string& run_id) { impl_->EndCollection(run_id); }

std::vector<std::string> Server::addresses() const { return impl_->addresses(); }

size_t Server::session_count() const { return impl_->session_count(); }

}  // namespace turnpike::frontend
