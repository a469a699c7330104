#include "services/auth-service/client/verdict_cache.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace turnpike::auth {
namespace {

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

// The domain of a plain address; nothing for any other form.
std::optional<absl::string_view> PlainDomain(absl::string_view address) {
  const size_t at = address.find('@');
  if (at == 0 || at == absl::string_view::npos) return std::nullopt;
  for (char c : address.substr(0, at)) {
    if (!absl::ascii_isalnum(c) && absl::string_view("+-._=").find(c) == absl::string_view::npos) {
      return std::nullopt;
    }
  }
  const absl::string_view domain = address.substr(at + 1);
  if (domain.empty() || domain.find('@') != absl::string_view::npos) return std::nullopt;
  return domain;
}

// The length goes first, so that no two lists of fields make one key.
void AppendField(absl::string_view field, std::string& key) {
  const uint32_t size = static_cast<uint32_t>(field.size());
  key.append(reinterpret_cast<const char*>(&size), sizeof(size));
  key.append(field.data(), field.size());
}

absl::string_view ReturnPath(const v1::Question& question) {
  return question.has_mail() ? question.mail().return_path() : question.rcpt().return_path();
}

}  // namespace

bool VerdictCache::MakeKey(const Shape& shape, const v1::Question& question) {
  const v1::SessionFacts& facts = question.facts();
  key_.clear();
  for (int small : {static_cast<int>(shape.about), static_cast<int>(shape.client),
                    static_cast<int>(shape.sender), static_cast<int>(shape.recipient),
                    static_cast<int>(facts.role()), static_cast<int>(facts.identity().kind())}) {
    key_ += static_cast<char>(small);
  }
  AppendField(facts.listener(), key_);
  if (shape.about == v1::Question::kConnect) return true;
  AppendField(facts.identity().name(), key_);
  if (shape.client) AppendField(facts.client_address(), key_);
  for (const auto& [extent, address] :
       {std::pair(shape.sender, ReturnPath(question)),
        std::pair(shape.recipient, absl::string_view(question.rcpt().address()))}) {
    switch (extent) {
      case Extent::kNothing:
        break;
      case Extent::kDomain: {
        const std::optional<absl::string_view> domain = PlainDomain(address);
        if (!domain.has_value()) return false;
        AppendField(*domain, key_);
        break;
      }
      case Extent::kWhole:
        AppendField(address, key_);
        break;
    }
  }
  return true;
}

const v1::Answer* VerdictCache::FindKey(absl::Time now) {
  if (const auto young = young_.find(key_); young != young_.end()) {
    if (now < young->second.expire_time) return &young->second.answer;
    young_.erase(young);
    return nullptr;
  }
  const auto old = old_.find(key_);
  if (old == old_.end()) return nullptr;
  Entry entry = std::move(old->second);
  old_.erase(old);
  if (now >= entry.expire_time) return nullptr;
  return &young_.insert_or_assign(key_, std::move(entry)).first->second.answer;
}

const v1::Answer* VerdictCache::Find(const v1::Question& question, absl::Time now) {
  for (const Shape& shape : shapes_) {
    if (shape.about != question.question_case() || !MakeKey(shape, question)) continue;
    if (const v1::Answer* answer = FindKey(now); answer != nullptr) return answer;
  }
  return nullptr;
}

void VerdictCache::Add(const v1::Question& question, const v1::Answer& answer, absl::Time now) {
  Shape shape{.about = question.question_case()};
  absl::Duration lifetime;
  if (question.has_connect() && answer.has_offer()) {
    lifetime = ToDuration(answer.offer().lifetime_duration());
  } else if ((question.has_mail() || question.has_rcpt()) && answer.has_verdict()) {
    const v1::Scope& scope = answer.verdict().scope();
    lifetime = ToDuration(scope.lifetime_duration());
    shape.client = !scope.any_client();
    shape.sender = scope.any_sender()             ? Extent::kNothing
                   : scope.any_sender_in_domain() ? Extent::kDomain
                                                  : Extent::kWhole;
    if (question.has_rcpt()) {
      shape.recipient = scope.any_recipient_in_domain() ? Extent::kDomain : Extent::kWhole;
    }
  }
  if (lifetime <= absl::ZeroDuration()) return;
  // A domain's verdict on an address that is not plain holds for that address at least.
  if (shape.sender == Extent::kDomain && !PlainDomain(ReturnPath(question)).has_value()) {
    shape.sender = Extent::kWhole;
  }
  if (shape.recipient == Extent::kDomain && !PlainDomain(question.rcpt().address()).has_value()) {
    shape.recipient = Extent::kWhole;
  }
  if (!MakeKey(shape, question)) return;
  if (young_.size() >= generation_entries_max_) {
    old_ = std::move(young_);
    young_ = Entries();
  }
  old_.erase(key_);
  young_.insert_or_assign(key_, Entry{answer, now + lifetime});
  if (std::find(shapes_.begin(), shapes_.end(), shape) == shapes_.end()) shapes_.push_back(shape);
}

}  // namespace turnpike::auth
