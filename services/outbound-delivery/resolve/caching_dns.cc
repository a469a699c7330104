#include "services/outbound-delivery/resolve/caching_dns.h"

#include <algorithm>
#include <utility>

namespace turnpike::delivery {

struct CachingDns::State {
  struct Entry {
    std::shared_ptr<const DnsAnswer> answer;
    absl::Time expire_time;
    std::list<DnsQuestion>::iterator place;
  };

  State(Options options_in, const base::Clock& clock_in) : options(options_in), clock(clock_in) {}

  // The answer that is still good, or null.
  std::shared_ptr<const DnsAnswer> Find(const DnsQuestion& question)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto it = entries.find(question);
    if (it == entries.end()) return nullptr;
    if (clock.Now() >= it->second.expire_time) return nullptr;
    by_use.splice(by_use.begin(), by_use, it->second.place);
    return it->second.answer;
  }

  void Keep(const DnsQuestion& question, const std::shared_ptr<const DnsAnswer>& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (options.entries_max == 0) return;
    const absl::Duration time =
        answer->is_failure()
            ? options.failure_time
            : std::min(std::max(answer->time_to_live, options.time_min), options.time_max);
    const auto [it, is_new] = entries.try_emplace(question);
    if (is_new) {
      by_use.push_front(question);
    } else {
      by_use.splice(by_use.begin(), by_use, it->second.place);
    }
    it->second = {.answer = answer, .expire_time = clock.Now() + time, .place = by_use.begin()};
    if (entries.size() > options.entries_max) {
      entries.erase(by_use.back());
      by_use.pop_back();
    }
  }

  void OnAnswer(const DnsQuestion& question, const std::shared_ptr<const DnsAnswer>& answer) {
    std::vector<Callback> callbacks;
    {
      absl::MutexLock lock(&mu);
      const auto it = asked.find(question);
      callbacks = std::move(it->second);
      asked.erase(it);
      Keep(question, answer);
    }
    for (Callback& done : callbacks) done(answer);
  }

  const Options options;
  const base::Clock& clock;
  mutable absl::Mutex mu;
  absl::flat_hash_map<DnsQuestion, Entry> entries ABSL_GUARDED_BY(mu);
  std::list<DnsQuestion> by_use ABSL_GUARDED_BY(mu);  // last used first
  absl::flat_hash_map<DnsQuestion, std::vector<Callback>> asked ABSL_GUARDED_BY(mu);
};

CachingDns::CachingDns(Dns& source, Options options, const base::Clock& clock)
    : source_(source), state_(std::make_shared<State>(options, clock)) {}

CachingDns::~CachingDns() = default;

void CachingDns::Ask(const DnsQuestion& question, Callback done) {
  std::shared_ptr<const DnsAnswer> known;
  {
    absl::MutexLock lock(&state_->mu);
    known = state_->Find(question);
    if (known == nullptr) {
      std::vector<Callback>& callbacks = state_->asked[question];
      callbacks.push_back(std::move(done));
      if (callbacks.size() > 1) return;
    }
  }
  if (known != nullptr) {
    done(std::move(known));
    return;
  }
  source_.Ask(question, [state = state_, question](std::shared_ptr<const DnsAnswer> answer) {
    state->OnAnswer(question, answer);
  });
}

size_t CachingDns::size() const {
  absl::MutexLock lock(&state_->mu);
  return state_->entries.size();
}

}  // namespace turnpike::delivery
