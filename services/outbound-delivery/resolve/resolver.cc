#include "services/outbound-delivery/resolve/resolver.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/outbound-delivery/core/address_filter.h"
#include "services/outbound-delivery/core/failures.h"
#include "services/outbound-delivery/core/mx.h"
#include "services/outbound-delivery/resolve/dns_message.h"

namespace turnpike::delivery {

std::string Hop::EndpointText() const { return absl::StrCat("[", address.ToString(), "]:", port); }

std::string Hop::ToString() const {
  if (host == address.ToString()) return EndpointText();
  return absl::StrCat(host, " ", EndpointText());
}

bool Resolution::is_unreachable() const {
  if (!failure) return false;
  for (const smtp::ReplyCode& code : {kNoSuchDomain, kNoMailHost, kDnsFailure, kTargetNotFound}) {
    if (*failure == smtp::Reply(code)) return true;
  }
  return false;
}

// One resolution under way; its callbacks hold it.
struct Resolver::Search {
  struct Host {
    MxRecord mx;
    std::vector<net::IpAddress> v4;
    std::vector<net::IpAddress> v6;
    bool is_v4_authentic = false;
    bool is_v6_authentic = false;
    bool has_failed = false;  // DNS could not say
  };

  RoutePlan plan;
  absl::AnyInvocable<void(Resolution)> done;
  bool is_host_authentic = false;
  absl::Mutex mu;
  std::vector<Host> hosts;  // written under `mu` while addresses are being asked for
  size_t open_questions ABSL_GUARDED_BY(mu) = 0;

  void Fail(const smtp::Reply& reply) {
    Resolution resolution;
    resolution.failure =
        plan.is_indirect && reply.is_permanent() ? smtp::Reply(kTargetNotFound) : reply;
    done(std::move(resolution));
  }
};

Resolver::Resolver(Dns& dns, OwnHosts own, Options options)
    : dns_(dns), own_(std::move(own)), options_(std::move(options)) {}

void Resolver::Resolve(const RoutePlan& plan, absl::AnyInvocable<void(Resolution)> done) {
  auto search = std::make_shared<Search>();
  search->plan = plan;
  search->done = std::move(done);
  switch (plan.target) {
    case RoutePlan::Target::kDomain:
      AskMx(std::move(search));
      return;
    case RoutePlan::Target::kHost:
      search->is_host_authentic = plan.is_trusted;
      search->hosts.push_back({.mx = {.host = plan.name}});
      AskAddresses(search);
      return;
    case RoutePlan::Target::kAddress: {
      const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(plan.name);
      if (!address.ok()) return search->Fail(kNoMailHost);
      search->is_host_authentic = plan.is_trusted;
      search->hosts.push_back({.mx = {.host = plan.name}});
      (address->is_v4() ? search->hosts[0].v4 : search->hosts[0].v6).push_back(*address);
      OnAllAddresses(search);
      return;
    }
  }
}

void Resolver::AskMx(std::shared_ptr<Search> search) {
  const DnsQuestion question{search->plan.name, RecordType::kMx};
  dns_.Ask(question, [this, search](const std::shared_ptr<const DnsAnswer>& answer) {
    OnMx(search, *answer);
  });
}

void Resolver::OnMx(const std::shared_ptr<Search>& search, const DnsAnswer& answer) {
  search->is_host_authentic = answer.is_authentic && options_.trusts_ad;
  switch (answer.result) {
    case DnsAnswer::Result::kServFail:
    case DnsAnswer::Result::kTimeout:
      return search->Fail(kDnsFailure);
    case DnsAnswer::Result::kNxDomain:
      return search->Fail(kNoSuchDomain);
    case DnsAnswer::Result::kNoData:
      if (search->plan.returns_without_mx) return search->Fail(kNoMx);  // (DL-31)
      // The implicit MX of preference 0. [RFC5321 5.1]
      if (!search->plan.avoided_hosts.empty()) return search->Fail(kNoFurtherHost);
      search->hosts.push_back({.mx = {.host = search->plan.name}});
      return AskAddresses(search);
    case DnsAnswer::Result::kOk:
      break;
  }
  MxChoice choice = ChooseMx(answer.mx, own_.is_own_name, options_.random);
  if (choice.result == MxChoice::Result::kNullMx) return search->Fail(kNullMx);
  if (choice.result == MxChoice::Result::kLoop) return search->Fail(kLoopsToUs);
  const std::vector<std::string>& avoided = search->plan.avoided_hosts;
  for (MxRecord& mx : choice.hosts) {
    if (std::find(avoided.begin(), avoided.end(), mx.host) != avoided.end()) continue;  // (DL-32)
    search->hosts.push_back({.mx = std::move(mx)});
  }
  if (search->hosts.empty()) return search->Fail(kNoFurtherHost);
  AskAddresses(search);
}

void Resolver::AskAddresses(const std::shared_ptr<Search>& search) {
  const size_t host_count = search->hosts.size();
  {
    absl::MutexLock lock(&search->mu);
    search->open_questions = 2 * host_count;
  }
  // From here on the last answer goes on, perhaps before this returns.
  std::vector<std::string> names;
  for (const Search::Host& host : search->hosts) names.push_back(host.mx.host);
  for (size_t i = 0; i < host_count; ++i) {
    AskOne(search, i, RecordType::kA, names[i], 0);
    AskOne(search, i, RecordType::kAaaa, names[i], 0);
  }
}

void Resolver::AskOne(const std::shared_ptr<Search>& search, size_t host, RecordType type,
                      const std::string& name, int aliases) {
  const auto on_answer = [this, search, host, type,
                          aliases](const std::shared_ptr<const DnsAnswer>& answer) {
    if (!answer->alias.empty() && aliases < static_cast<int>(kAliasesMax)) {
      AskOne(search, host, type, answer->alias, aliases + 1);
      return;
    }
    bool is_last;
    {
      absl::MutexLock lock(&search->mu);
      Search::Host& entry = search->hosts[host];
      (type == RecordType::kA ? entry.v4 : entry.v6) = answer->addresses;
      (type == RecordType::kA ? entry.is_v4_authentic : entry.is_v6_authentic) =
          answer->is_authentic && options_.trusts_ad;
      entry.has_failed |= answer->is_failure();
      is_last = --search->open_questions == 0;
    }
    if (is_last) OnAllAddresses(search);
  };
  dns_.Ask({name, type}, on_answer);
}

void Resolver::OnAllAddresses(const std::shared_ptr<Search>& search) {
  const RoutePlan& plan = search->plan;
  Resolution resolution;
  bool has_failed = false;
  bool has_forbidden = false;
  bool is_loop = false;
  std::optional<uint16_t> own_preference;
  for (Search::Host& host : search->hosts) {
    // The hosts are in order: from our own on, none is better than we are.
    if (own_preference && host.mx.preference >= *own_preference) break;
    has_failed |= host.has_failed;
    std::vector<net::IpAddress> addresses;
    for (std::vector<net::IpAddress>* family : {&host.v6, &host.v4}) {
      for (size_t i = family->size(); i > 1; --i) {
        std::swap((*family)[i - 1], (*family)[options_.random(i)]);
      }
    }
    for (size_t i = 0; i < std::max(host.v4.size(), host.v6.size()); ++i) {  // in turn
      if (i < host.v6.size()) addresses.push_back(host.v6[i]);
      if (i < host.v4.size()) addresses.push_back(host.v4[i]);
    }
    if (addresses.size() > kAddressesPerHostMax) addresses.resize(kAddressesPerHostMax);
    for (const net::IpAddress& address : addresses) {
      if (own_.is_own_endpoint(address, plan.port)) {
        is_loop = true;
        own_preference = host.mx.preference;
        continue;
      }
      if (!plan.is_trusted && !options_.allow_forbidden_addresses && !IsAllowedForMail(address)) {
        has_forbidden = true;
        continue;
      }
      resolution.hops.push_back(
          {.host = host.mx.host,
           .address = address,
           .port = plan.port,
           .preference = host.mx.preference,
           .is_lmtp = plan.is_lmtp,
           .is_host_authentic = search->is_host_authentic,
           .is_address_authentic = address.is_v4() ? host.is_v4_authentic : host.is_v6_authentic});
    }
  }
  if (own_preference) {
    const auto worse = [&](const Hop& hop) { return hop.preference >= *own_preference; };
    resolution.hops.erase(std::remove_if(resolution.hops.begin(), resolution.hops.end(), worse),
                          resolution.hops.end());
  }
  if (!resolution.hops.empty()) return search->done(std::move(resolution));
  if (has_failed) return search->Fail(kDnsFailure);
  if (is_loop) return search->Fail(kLoopsToUs);
  if (has_forbidden) return search->Fail(kForbiddenAddress);
  search->Fail(kNoMailHost);
}

}  // namespace turnpike::delivery
