#include "services/outbound-delivery/security/tls_advisor.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace turnpike::delivery {

struct TlsAdvisor::Search {
  Subject subject;
  absl::AnyInvocable<void(Advice)> done;

  void Finish() { done(DecideTls(subject.question)); }
};

void TlsAdvisor::Advise(Subject subject, absl::AnyInvocable<void(Advice)> done) {
  auto search = std::make_shared<Search>();
  search->subject = std::move(subject);
  search->done = std::move(done);
  const Subject& known = search->subject;
  if (!follows_dane_ || !known.are_addresses_authentic) return FindPolicy(std::move(search));
  // [RFC7672 2.2.3] Limit: records are looked for at the host's name as the MX record has it, not
  // at what that is an alias of; MX hosts are no aliases. [RFC5321 5.1]
  const std::string name = absl::StrCat("_", known.port, "._tcp.", known.question.host);
  dns_.Ask({name, RecordType::kTlsa},
           [this, search](const std::shared_ptr<const DnsAnswer>& answer) {
             search->subject.question.tlsa = *answer;
             FindPolicy(search);
           });
}

void TlsAdvisor::FindPolicy(std::shared_ptr<Search> search) {
  if (policies_ == nullptr || search->subject.policy_domain.empty()) return search->Finish();
  policies_->Find(search->subject.policy_domain, [search](std::optional<StsPolicy> policy) {
    search->subject.question.sts = std::move(policy);
    search->Finish();
  });
}

}  // namespace turnpike::delivery
