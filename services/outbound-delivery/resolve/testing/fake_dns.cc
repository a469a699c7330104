#include "services/outbound-delivery/resolve/testing/fake_dns.h"

namespace turnpike::delivery {

void FakeDns::SetMx(const std::string& name, std::vector<MxRecord> records) {
  Set({name, RecordType::kMx}, {.result = DnsAnswer::Result::kOk,
                                .mx = std::move(records),
                                .time_to_live = absl::Minutes(5)});
}

void FakeDns::SetAddresses(const std::string& name, const std::vector<std::string>& addresses) {
  for (const bool is_v4 : {true, false}) {
    DnsAnswer answer{.result = DnsAnswer::Result::kNoData, .time_to_live = absl::Minutes(5)};
    for (const std::string& text : addresses) {
      const net::IpAddress address = *net::IpAddress::Parse(text);
      if (address.is_v4() == is_v4) answer.addresses.push_back(address);
    }
    if (!answer.addresses.empty()) answer.result = DnsAnswer::Result::kOk;
    Set({name, is_v4 ? RecordType::kA : RecordType::kAaaa}, std::move(answer));
  }
}

void FakeDns::Set(const DnsQuestion& question, DnsAnswer answer) {
  absl::MutexLock lock(&mu_);
  answers_[question] = std::move(answer);
}

void FakeDns::Hold() {
  absl::MutexLock lock(&mu_);
  is_held_ = true;
}

void FakeDns::Release() {
  std::vector<std::pair<std::shared_ptr<const DnsAnswer>, Callback>> due;
  {
    absl::MutexLock lock(&mu_);
    is_held_ = false;
    for (auto& [question, done] : held_) due.emplace_back(Find(question), std::move(done));
    held_.clear();
  }
  for (auto& [answer, done] : due) done(std::move(answer));
}

int FakeDns::asked() const {
  absl::MutexLock lock(&mu_);
  return asked_;
}

void FakeDns::Ask(const DnsQuestion& question, Callback done) {
  std::shared_ptr<const DnsAnswer> answer;
  {
    absl::MutexLock lock(&mu_);
    ++asked_;
    if (is_held_) {
      held_.emplace_back(question, std::move(done));
      return;
    }
    answer = Find(question);
  }
  done(std::move(answer));
}

std::shared_ptr<const DnsAnswer> FakeDns::Find(const DnsQuestion& question) {
  const auto it = answers_.find(question);
  if (it != answers_.end()) return std::make_shared<const DnsAnswer>(it->second);
  // A name that has records of any type exists.
  for (RecordType type : {RecordType::kA, RecordType::kAaaa, RecordType::kMx}) {
    if (answers_.contains(DnsQuestion{question.name, type})) {
      return std::make_shared<const DnsAnswer>(
          DnsAnswer{.result = DnsAnswer::Result::kNoData, .time_to_live = absl::Minutes(5)});
    }
  }
  return std::make_shared<const DnsAnswer>(
      DnsAnswer{.result = DnsAnswer::Result::kNxDomain, .time_to_live = absl::Minutes(5)});
}

}  // namespace turnpike::delivery
