#include "services/outbound-delivery/security/sts_policies.h"

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace turnpike::delivery {
namespace {

// Collects the two answers to the question for a host's addresses.
struct AddressSearch {
  absl::Mutex mu;
  int open ABSL_GUARDED_BY(mu) = 2;
  std::vector<net::IpAddress> found ABSL_GUARDED_BY(mu);
};

}  // namespace

struct StsPolicies::State : public std::enable_shared_from_this<State> {
  struct Entry {
    std::string id;  // of `policy`
    StsPolicy policy;
    absl::Time expire_time = absl::InfinitePast();
    std::string failed_id;  // could not be fetched
    absl::Time retry_time = absl::InfinitePast();
    std::list<std::string>::iterator place;
  };

  State(Dns& dns_in, StsFetcher& fetcher_in, Options options_in, const base::Clock& clock_in)
      : dns(dns_in), fetcher(fetcher_in), options(std::move(options_in)), clock(clock_in) {}

  std::optional<StsPolicy> Known(const std::string& domain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto it = entries.find(domain);
    if (it == entries.end() || clock.Now() >= it->second.expire_time) return std::nullopt;
    by_use.splice(by_use.begin(), by_use, it->second.place);
    return it->second.policy;
  }

  // Whether the policy with this id is known, or was tried in vain not long ago.
  bool IsSettled(const std::string& domain, const std::string& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto it = entries.find(domain);
    if (it == entries.end()) return false;
    const Entry& entry = it->second;
    const absl::Time now = clock.Now();
    return (entry.id == id && now < entry.expire_time) ||
           (entry.failed_id == id && now < entry.retry_time);
  }

  Entry& EntryOf(const std::string& domain) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto [it, is_new] = entries.try_emplace(domain);
    if (is_new) {
      by_use.push_front(domain);
      it->second.place = by_use.begin();
    }
    return it->second;
  }

  void DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    while (entries.size() > options.policies_max) {
      entries.erase(by_use.back());
      by_use.pop_back();
    }
  }

  // Tells everybody who waits for the domain what is known by now.
  void Answer(const std::string& domain) {
    std::vector<Callback> callbacks;
    std::optional<StsPolicy> policy;
    {
      absl::MutexLock lock(&mu);
      policy = Known(domain);
      const auto it = asked.find(domain);
      callbacks = std::move(it->second);
      asked.erase(it);
    }
    for (Callback& done : callbacks) done(policy);
  }

  void OnRecord(const std::string& domain, const DnsAnswer& answer) {
    const std::optional<std::string> id = ReadStsRecord(answer.texts);
    bool must_fetch = false;
    {
      absl::MutexLock lock(&mu);
      must_fetch = id.has_value() && !IsSettled(domain, *id);
      if (!must_fetch) options.report(Known(domain) ? Outcome::kKnown : Outcome::kNone);
    }
    if (!must_fetch) return Answer(domain);
    FindServer(domain, *id);
  }

  void FindServer(const std::string& domain, const std::string& id) {
    auto search = std::make_shared<AddressSearch>();
    const std::string host = absl::StrCat("mta-sts.", domain);
    for (const RecordType type : {RecordType::kA, RecordType::kAaaa}) {
      dns.Ask({host, type}, [self = shared_from_this(), search, domain, id,
                             host](const std::shared_ptr<const DnsAnswer>& answer) {
        std::vector<net::IpAddress> addresses;
        {
          absl::MutexLock lock(&search->mu);
          std::copy_if(answer->addresses.begin(), answer->addresses.end(),
                       std::back_inserter(search->found), self->options.is_allowed);
          if (--search->open > 0) return;
          addresses = search->found;
        }
        if (addresses.empty()) return self->OnFailure(domain, id, Outcome::kFetchFailed);
        self->fetcher.Fetch(host, addresses, [self, domain, id](absl::StatusOr<std::string> text) {
          self->OnText(domain, id, std::move(text));
        });
      });
    }
  }

  void OnText(const std::string& domain, const std::string& id, absl::StatusOr<std::string> text) {
    if (!text.ok()) return OnFailure(domain, id, Outcome::kFetchFailed);
    absl::StatusOr<StsPolicy> policy = ReadStsPolicy(*text);
    if (!policy.ok()) return OnFailure(domain, id, Outcome::kInvalid);
    {
      absl::MutexLock lock(&mu);
      Entry& entry = EntryOf(domain);
      entry.id = id;
      entry.expire_time = clock.Now() + policy->age_max;
      entry.policy = *std::move(policy);
      DropOldest();
    }
    options.report(Outcome::kFetched);
    Answer(domain);
  }

  void OnFailure(const std::string& domain, const std::string& id, Outcome outcome) {
    {
      absl::MutexLock lock(&mu);
      Entry& entry = EntryOf(domain);
      entry.failed_id = id;
      entry.retry_time = clock.Now() + options.failure_time;
      DropOldest();
    }
    options.report(outcome);
    Answer(domain);
  }

  Dns& dns;
  StsFetcher& fetcher;
  const Options options;
  const base::Clock& clock;
  mutable absl::Mutex mu;
  absl::flat_hash_map<std::string, Entry> entries ABSL_GUARDED_BY(mu);
  std::list<std::string> by_use ABSL_GUARDED_BY(mu);  // last used first
  absl::flat_hash_map<std::string, std::vector<Callback>> asked ABSL_GUARDED_BY(mu);
};

StsPolicies::StsPolicies(Dns& dns, StsFetcher& fetcher, Options options, const base::Clock& clock)
    : state_(std::make_shared<State>(dns, fetcher, std::move(options), clock)) {}

StsPolicies::~StsPolicies() = default;

void StsPolicies::Find(const std::string& domain, Callback done) {
  {
    absl::MutexLock lock(&state_->mu);
    std::vector<Callback>& callbacks = state_->asked[domain];
    callbacks.push_back(std::move(done));
    if (callbacks.size() > 1) return;
  }
  state_->dns.Ask({absl::StrCat("_mta-sts.", domain), RecordType::kTxt},
                  [state = state_, domain](const std::shared_ptr<const DnsAnswer>& answer) {
                    state->OnRecord(domain, *answer);
                  });
}

size_t StsPolicies::size() const {
  absl::MutexLock lock(&state_->mu);
  return state_->entries.size();
}

}  // namespace turnpike::delivery
