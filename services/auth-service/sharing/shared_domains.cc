#include "services/auth-service/sharing/shared_domains.h"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/counter.h"
#include "services/auth-service/store/expiring_cache.h"
#include "services/common/net/io_threads.h"
#include "services/common/observe/log.h"
#include "services/common/smtp/address.h"

namespace turnpike::auth {

class SharedDomains::Impl {
 public:
  Impl(Options options, SharingMetrics& metrics, const base::Clock& clock)
      : options_(std::move(options)),
        metrics_(metrics),
        clock_(clock),
        cache_(options_.cache_entries_max),
        threads_(std::make_unique<net::IoThreads>(1)) {}

  ~Impl() {
    threads_->Stop();
    threads_->Join();
    threads_ = nullptr;  // and with it the conversations
    absl::flat_hash_map<std::string, Waiters> questions;
    {
      absl::MutexLock lock(&mu_);
      questions.swap(questions_);
    }
    for (auto& [key, waiters] : questions) Tell(std::move(waiters), false);
  }

  void Find(std::string address, absl::AnyInvocable<void(bool)> done) {
    absl::StatusOr<smtp::Mailbox> mailbox = smtp::Mailbox::Parse(address, {.allow_utf8 = true});
    if (!mailbox.ok()) return done(false);
    const std::string key = absl::AsciiStrToLower(mailbox->ToString());
    std::optional<bool> known;
    {
      absl::MutexLock lock(&mu_);
      known = cache_.Find(key, clock_.Now());
      if (!known.has_value()) {
        if (const auto open = questions_.find(key); open != questions_.end()) {
          open->second.push_back(std::move(done));
          return;
        }
        if (questions_.size() < options_.questions_max) {
          questions_[key].push_back(std::move(done));
        } else {
          metrics_.dropped.Increment();
          known = false;
        }
      } else {
        metrics_.remembered.Increment();
      }
    }
    if (known.has_value()) return done(*known);
    asio::post(threads_->context(0),
               [this, key, mailbox = *std::move(mailbox)] { Ask(key, mailbox); });
  }

 private:
  using Waiters = std::vector<absl::AnyInvocable<void(bool)>>;

  // One address and the servers that have not said anything of it. Of the thread.
  struct Question {
    Question(std::string key, size_t open, asio::io_context& context)
        : key(std::move(key)), open(open), timer(context) {}
    const std::string key;
    size_t open;
    bool is_answered = false;
    asio::steady_timer timer;
  };

  void Ask(const std::string& key, const smtp::Mailbox& mailbox) {
    asio::io_context& context = threads_->context(0);
    auto question = std::make_shared<Question>(key, options_.hosts.size(), context);
    for (const ProbeTarget& host : options_.hosts) {
      const auto on_end = [this, question, &host](const std::exception_ptr& exception,
                                                  ProbeAnswer answer) {
        OnAnswer(*question, host, exception ? ProbeAnswer::kNoAnswer : answer);
      };
      asio::co_spawn(context, ProbeAddress(options_.probe, host, mailbox), on_end);
    }
    // A name server that does not answer holds a conversation, but nobody who waits for it.
    question->timer.expires_after(absl::ToChronoNanoseconds(options_.probe.timeout));
    question->timer.async_wait([this, question](const asio::error_code& error) {
      if (!error) Answer(*question, false);
    });
  }

  void OnAnswer(Question& question, const ProbeTarget& host, ProbeAnswer answer) {
    switch (answer) {
      case ProbeAnswer::kFound:
        metrics_.found.Increment();
        break;
      case ProbeAnswer::kNotFound:
        metrics_.not_found.Increment();
        break;
      case ProbeAnswer::kNoAnswer:
        metrics_.no_answer.Increment();
        TURNPIKE_LOG(kWarning, "no answer about a shared domain's address",
                     {{"server", host.host}, {"port", static_cast<int>(host.port)}});
        break;
    }
    --question.open;
    if (answer == ProbeAnswer::kFound) return Answer(question, true);
    if (question.open == 0) Answer(question, false);
  }

  void Answer(Question& question, bool is_found) {
    if (std::exchange(question.is_answered, true)) return;
    question.timer.cancel();
    Waiters waiters;
    {
      absl::MutexLock lock(&mu_);
      const absl::Time now = clock_.Now();
      cache_.Add(question.key, is_found, now,
                 now + (is_found ? options_.found_time : options_.not_found_time));
      const auto open = questions_.find(question.key);
      if (open != questions_.end()) {
        waiters = std::move(open->second);
        questions_.erase(open);
      }
    }
    Tell(std::move(waiters), is_found);
  }

  static void Tell(Waiters waiters, bool is_found) {
    for (absl::AnyInvocable<void(bool)>& done : waiters) done(is_found);
  }

  const Options options_;
  SharingMetrics& metrics_;
  const base::Clock& clock_;
  absl::Mutex mu_;
  ExpiringCache<bool> cache_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<std::string, Waiters> questions_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<net::IoThreads> threads_;
};

SharedDomains::SharedDomains(Options options, SharingMetrics& metrics, const base::Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), metrics, clock)) {}

SharedDomains::~SharedDomains() = default;

void SharedDomains::Find(std::string address, absl::AnyInvocable<void(bool is_found)> done) {
  impl_->Find(std::move(address), std::move(done));
}

}  // namespace turnpike::auth
