#include "services/smtp-frontend/listener/server.h"

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
#include "prometheus/counter.h"
#include "services/common/base/gate.h"
#include "services/common/net/io_threads.h"
#include "services/common/net/ip.h"
#include "services/common/net/listener.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/reply_codes.h"
#include "services/smtp-frontend/collect/collection.h"
#include "services/smtp-frontend/collect/collector.h"
#include "services/smtp-frontend/listener/connection_limits.h"
#include "services/smtp-frontend/listener/profile.h"
#include "services/smtp-frontend/listener/proxy_reader.h"
#include "services/smtp-frontend/listener/settings.h"
#include "services/smtp-frontend/session/environment.h"
#include "services/smtp-frontend/session/offers.h"
#include "services/smtp-frontend/session/rate_limit.h"
#include "services/smtp-frontend/session/session.h"

namespace turnpike::frontend {
namespace {

// For sessions that were cut off to notice it.
constexpr absl::Duration kAbortTime = absl::Seconds(2);

}  // namespace

class Server::Impl {
 public:
  Impl(const config::v1::Config& config, Clients clients, prometheus::Registry& registry)
      : metrics_(registry), io_threads_(config.smtp().threads()), clients_(std::move(clients)) {
    for (size_t i = 0; i < io_threads_.size(); ++i) {
      auto thread = std::make_unique<Thread>();
      thread->policy = clients_.make_policy();
      thread->environment = {.policy = thread->policy.get(),
                             .dequeue = clients_.dequeue.get(),
                             .spool = clients_.spool.get(),
                             .metrics = &metrics_,
                             .recipient_limit = &recipient_limit_,
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
    {
      absl::MutexLock lock(&mu_);
      sockets_.clear();
    }
    for (const auto& thread : threads_) {
      thread->environment.policy = nullptr;
      thread->environment.dequeue = nullptr;
      thread->environment.spool = nullptr;
      thread->policy.reset();
    }
    clients_ = Clients();
  }

  // Also the first one: from then on it listens.
  absl::Status Reconfigure(const config::v1::Config& config) {
    absl::StatusOr<std::shared_ptr<const Settings>> created = Settings::Create(config, metrics_);
    if (!created.ok()) return created.status();
    const std::shared_ptr<const Settings> settings = *std::move(created);
    absl::StatusOr<Sockets> opened = OpenMissing(settings);
    if (!opened.ok()) return opened.status();
    // Nothing can fail from here on.
    Sockets closed = Take(settings, *std::move(opened));
    for (const auto& [socket, listener] : closed) {
      listener->Stop();
      TURNPIKE_LOG(kInfo, "no longer listening", {{"address", listener->address()}});
    }
    limits_.SetOptions(settings->connections);
    recipient_limit_.SetOptions(settings->recipients);
    for (const Settings::Listener& listener : settings->listeners) {
      const ListenerProfile& profile = *listener.profile;
      metrics_.SetConnectionsLimit(*profile.metrics, settings->connections.connections_max);
      if (profile.tls != nullptr) {
        metrics_.SetCertificateEnd(*profile.metrics, CertificateEnd(*profile.tls));
      }
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
    const std::shared_ptr<const Settings> settings = this->settings();
    const auto found = settings->collections.find(name);
    if (found == settings->collections.end()) {
      return done(absl::NotFoundError("no such collection"));
    }
    if (!gate_.TryEnter()) return done(absl::UnavailableError("draining"));
    const size_t i = next_collect_thread_++ % threads_.size();
    asio::io_context& context = io_threads_.context(i);
    asio::post(context,
               [this, &context, thread = threads_[i].get(), run_id, collection = found->second,
                place = std::make_unique<Place>(gate_), done = std::move(done)]() mutable {
                 StartCollector(context, *thread, std::move(collection), run_id, std::move(place),
                                std::move(done));
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
    absl::MutexLock lock(&mu_);
    for (const Settings::Listener& listener : settings_->listeners) {
      addresses.push_back(sockets_.at(listener.socket)->address());
    }
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
  // By Settings::Listener.socket.
  using Sockets = absl::flat_hash_map<std::string, std::unique_ptr<net::Listener>>;

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
    absl::MutexLock lock(&mu_);
    for (const auto& [socket, listener] : sockets_) listener->Stop();
  }

  std::shared_ptr<const Settings> settings() const {
    absl::MutexLock lock(&mu_);
    return settings_;
  }

  // Opens the sockets that `settings` need and that are not open.
  absl::StatusOr<Sockets> OpenMissing(const std::shared_ptr<const Settings>& settings) {
    Sockets opened;
    for (const Settings::Listener& listener : settings->listeners) {
      {
        absl::MutexLock lock(&mu_);
        if (sockets_.contains(listener.socket)) continue;
      }
      // The first connection may come before the settings are in force.
      auto on_socket = [this, socket = listener.socket,
                        first = std::weak_ptr(settings)](asio::ip::tcp::socket connection) {
        OnSocket(socket, first, std::move(connection));
      };
      absl::StatusOr<std::unique_ptr<net::Listener>> started =
          net::Listener::Start(listener.listen, io_threads_, std::move(on_socket));
      if (!started.ok()) {
        return absl::Status(
            started.status().code(),
            absl::StrCat("listener ", listener.profile->name, ": ", started.status().message()));
      }
      TURNPIKE_LOG(kInfo, "listening",
                   {{"listener", listener.profile->name}, {"address", (*started)->address()}});
      opened[listener.socket] = *std::move(started);
    }
    return opened;
  }

  // Puts settings in force; gives back the sockets that they do not need.
  Sockets Take(const std::shared_ptr<const Settings>& settings, Sockets opened) {
    absl::MutexLock lock(&mu_);
    Sockets kept = std::move(opened);
    for (const Settings::Listener& listener : settings->listeners) {
      const auto found = sockets_.find(listener.socket);
      if (found == sockets_.end()) continue;  // opened
      kept[listener.socket] = std::move(found->second);
      sockets_.erase(found);
    }
    settings_ = settings;
    return std::exchange(sockets_, std::move(kept));
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

  void OnSocket(const std::string& name, const std::weak_ptr<const Settings>& first,
                asio::ip::tcp::socket socket) {
    std::shared_ptr<const Settings> settings = this->settings();
    const Settings::Listener* listener =
        settings == nullptr ? nullptr : settings->FindListener(name);
    if (listener == nullptr) {
      settings = first.lock();
      if (settings == nullptr) return;  // a last connection to a listener that is no more
      listener = settings->FindListener(name);
    }
    const std::shared_ptr<const ListenerProfile>& profile = listener->profile;
    asio::error_code error;
    const asio::ip::tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;  // gone already
    const net::IpAddress address = net::IpAddress::From(peer.address());
    const bool is_balancer = listener->IsBalancer(address);
    auto admitted = is_balancer ? limits_.AdmitUnknown() : limits_.Admit(address, absl::Now());
    if (const auto* refusal = std::get_if<ConnectionLimits::Refusal>(&admitted)) {
      return RefuseConnection(*profile, *refusal, std::move(socket));
    }
    if (!gate_.TryEnter()) return;
    auto place =
        std::make_shared<Place>(gate_, std::get<ConnectionLimits::Admission>(std::move(admitted)));
    Thread& thread = ThreadOf(socket);
    if (!is_balancer) {
      return Begin(profile, thread, std::make_unique<net::Stream>(std::move(socket), peer),
                   std::move(place));
    }
    auto unidentified = std::make_shared<asio::ip::tcp::socket>(std::move(socket));
    thread.unidentified.insert(unidentified.get());
    const auto log_exception = [](std::exception_ptr exception) {
      if (exception) TURNPIKE_LOG(kError, "exception at a PROXY header");
    };
    const auto executor = unidentified->get_executor();
    asio::co_spawn(executor,
                   Identify(profile, thread, std::move(unidentified),
                            absl::Now() + settings->proxy_header_timeout, std::move(place)),
                   log_exception);
  }

  // Behind a balancer: the session begins when it has said who the client is. (PL-5)
  asio::awaitable<void> Identify(std::shared_ptr<const ListenerProfile> profile, Thread& thread,
                                 std::shared_ptr<asio::ip::tcp::socket> socket, absl::Time deadline,
                                 std::shared_ptr<Place> place) {
    const absl::StatusOr<std::optional<ProxyClient>> header =
        co_await ReadProxyHeader(socket, deadline);
    thread.unidentified.erase(socket.get());
    asio::error_code error;
    asio::ip::tcp::endpoint client = socket->remote_endpoint(error);
    if (!header.ok() || error) {
      profile->metrics->refused_by_proxy_header.Increment();
      TURNPIKE_LOG(kInfo, "no good PROXY header",
                   {{"listener", profile->name},
                    {"peer", net::IpAddress::From(client.address()).ToString()},
                    {"error", header.ok() ? error.message() : header.status().ToString()}});
      socket->close(error);
      co_return;
    }
    if (header->has_value()) {
      client = asio::ip::tcp::endpoint((*header)->address.ToAsio(), (*header)->port);
    }
    const std::optional<ConnectionLimits::Refusal> refusal =
        limits_.Identify(net::IpAddress::From(client.address()), absl::Now(), &place->admission());
    if (refusal.has_value()) {
      RefuseConnection(*profile, *refusal, std::move(*socket));
      co_return;
    }
    Begin(std::move(profile), thread, std::make_unique<net::Stream>(std::move(*socket), client),
          std::move(place));
  }

  void Begin(std::shared_ptr<const ListenerProfile> profile, Thread& thread,
             std::unique_ptr<net::Stream> stream, std::shared_ptr<Place> place) {
    auto session =
        std::make_shared<Session>(thread.environment, std::move(profile), std::move(stream));
    thread.sessions.insert(session.get());
    const auto on_end = [&thread, session, place = std::move(place)](std::exception_ptr exception) {
      if (exception) LogException(*session, exception);
      thread.sessions.erase(session.get());
    };
    Session& running = *session;
    asio::co_spawn(running.executor(), Session::Run(std::move(session)), on_end);
  }

  void StartCollector(asio::io_context& context, Thread& thread,
                      std::shared_ptr<const Collection> collection, const std::string& run_id,
                      std::unique_ptr<Place> place, CollectCallback done) {
    if (is_draining_) return done(absl::UnavailableError("draining"));
    const auto collector =
        std::make_shared<Collector>(thread.environment, std::move(collection), run_id,
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
    switch (refusal) {
      case ConnectionLimits::Refusal::kConnections:
        profile.metrics->refused_by_limit.Increment();
        break;
      case ConnectionLimits::Refusal::kAddress:
        profile.metrics->refused_by_address_limit.Increment();
        break;
      case ConnectionLimits::Refusal::kRate:
        profile.metrics->refused_by_rate.Increment();
        break;
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
  RateLimit recipient_limit_;
  base::Gate gate_;  // a session is inside from its accept to its end
  std::atomic<bool> is_draining_{false};
  std::vector<std::unique_ptr<Thread>> threads_;
  mutable absl::Mutex mu_;
  std::shared_ptr<const Settings> settings_ ABSL_GUARDED_BY(mu_);  // null before the first
  Sockets sockets_ ABSL_GUARDED_BY(mu_);
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
  absl::Status ready = impl->Reconfigure(config);
  if (!ready.ok()) return ready;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

absl::Status Server::Reconfigure(const config::v1::Config& config) {
  return impl_->Reconfigure(config);
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
