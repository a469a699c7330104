#include "services/auth-service/screen/screen_rules.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "services/common/credentials/crypto.h"
#include "services/common/smtp/address.h"
#include "services/common/smtp/domain_name.h"

namespace turnpike::auth {
namespace {

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Nanoseconds(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration));
}

// Drops the failures from before the window.
void Forget(absl::Time begin_time, WatchRecord& watch) {
  const int64_t begin = absl::ToUnixSeconds(begin_time);
  int64_t time = watch.first_time();
  int gone = 0;
  const int count = std::min(watch.later_by_size(), watch.marks_size());
  for (; gone < count; ++gone) {
    time += watch.later_by(gone);
    if (time > begin) break;
  }
  if (gone == count) {
    watch.Clear();
    return;
  }
  watch.mutable_later_by()->erase(watch.later_by().begin(), watch.later_by().begin() + gone);
  watch.mutable_marks()->erase(watch.marks().begin(), watch.marks().begin() + gone);
  watch.set_first_time(time);
  watch.set_later_by(0, 0);
}

int64_t LastTime(const WatchRecord& watch) {
  int64_t time = watch.first_time();
  for (uint32_t later_by : watch.later_by()) time += later_by;
  return time;
}

}  // namespace

ScreenRules ScreenRules::From(const config::v1::DynamicScreening& config) {
  ScreenRules rules{.is_enabled = config.enabled(),
                    .failures_max = config.max_failures(),
                    .window = FromProto(config.window()),
                    .block_time = FromProto(config.block_for()),
                    .block_time_max = FromProto(config.block_for_max()),
                    .entries_max = config.entries_max()};
  for (const std::string& text : config.allow()) {
    const absl::StatusOr<net::IpNetwork> network = net::IpNetwork::Parse(text);
    if (network.ok()) rules.allowed.push_back(*network);
  }
  return rules;
}

bool ScreenRules::IsAllowed(const net::IpAddress& address) const {
  return std::any_of(allowed.begin(), allowed.end(), [&address](const net::IpNetwork& network) {
    return network.Contains(address);
  });
}

bool ScreenRules::OverlapsAllowed(const net::IpNetwork& network) const {
  return std::any_of(allowed.begin(), allowed.end(), [&network](const net::IpNetwork& each) {
    return each.Contains(network.address()) || network.Contains(each.address());
  });
}

net::IpNetwork ScreenedNetwork(const net::IpAddress& address) {
  return net::IpNetwork::Around(address, address.is_v4() ? 32 : 64);
}

std::string NormalUser(absl::string_view user) {
  if (const auto mailbox = smtp::Mailbox::Parse(user, {.allow_utf8 = true}); mailbox.ok()) {
    return absl::AsciiStrToLower(mailbox->ToString());
  }
  if (const auto domain = smtp::DomainName::Parse(user); domain.ok()) return domain->ascii();
  return absl::AsciiStrToLower(user);
}

uint32_t MarkOf(const LoginAttempt& attempt) {
  if (attempt.password_mark.empty()) return 0;
  const std::string digest = Sha256(
      absl::StrCat(NormalUser(attempt.user), absl::string_view("\0", 1), attempt.password_mark));
  uint32_t mark = 0;
  for (size_t i = 0; i < sizeof(mark); ++i) {
    mark = mark << 8 | static_cast<uint8_t>(digest[i]);
  }
  return std::max(mark, uint32_t{1});
}

FailureEffect AddFailure(const ScreenRules& rules, uint32_t mark, absl::Time now,
                         WatchRecord& watch) {
  Forget(now - rules.window, watch);
  if (mark != 0 &&
      std::find(watch.marks().begin(), watch.marks().end(), mark) != watch.marks().end()) {
    return FailureEffect::kRepeated;
  }
  const int64_t time = absl::ToUnixSeconds(now);
  if (watch.marks_size() == 0) {
    watch.set_first_time(time);
    watch.add_later_by(0);
  } else {
    // Replicas' clocks differ a little.
    watch.add_later_by(static_cast<uint32_t>(std::max<int64_t>(0, time - LastTime(watch))));
  }
  watch.add_marks(mark);
  return static_cast<size_t>(watch.marks_size()) >= rules.failures_max ? FailureEffect::kBlocks
                                                                       : FailureEffect::kCounted;
}

BlockRecord NextBlock(const ScreenRules& rules, const std::optional<BlockRecord>& earlier,
                      absl::string_view reason, absl::Time now) {
  BlockRecord block;
  block.set_reason(std::string(reason));
  block.set_begin_time(absl::ToUnixSeconds(now));
  const bool is_remembered =
      earlier.has_value() && TimeToKeep(rules, *earlier, now) > std::optional(absl::ZeroDuration());
  block.set_times(is_remembered ? std::min(earlier->times(), 1'000) + 1 : 1);
  absl::Duration time = rules.block_time;
  for (int i = 1; i < block.times() && time < rules.block_time_max; ++i) time *= 2;
  time = std::min(time, rules.block_time_max);
  block.set_end_time(absl::ToUnixSeconds(now + time + absl::Milliseconds(999)));
  return block;
}

bool IsInForce(const BlockRecord& block, absl::Time now) {
  return block.end_time() == 0 || absl::FromUnixSeconds(block.end_time()) > now;
}

std::optional<absl::Duration> TimeToKeep(const ScreenRules& rules, const BlockRecord& block,
                                         absl::Time now) {
  if (block.end_time() == 0) return std::nullopt;
  return std::max(absl::ZeroDuration(),
                  absl::FromUnixSeconds(block.end_time()) + rules.block_time_max - now);
}

}  // namespace turnpike::auth
