#include "services/spool-store/client/queue_sums.h"

#include <tuple>

namespace turnpike::spool {
namespace {

bool IsBefore(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return std::make_tuple(a.seconds(), a.nanos()) < std::make_tuple(b.seconds(), b.nanos());
}

}  // namespace

void AddStats(const v1::QueueStats& stats, v1::QueueStats* sum) {
  if (stats.has_queue()) *sum->mutable_queue() = stats.queue();
  sum->set_held(sum->held() + stats.held());
  sum->set_ready(sum->ready() + stats.ready());
  sum->set_deferred(sum->deferred() + stats.deferred());
  sum->set_leased(sum->leased() + stats.leased());
  sum->set_bytes(sum->bytes() + stats.bytes());
  if (stats.has_oldest_time() &&
      (!sum->has_oldest_time() || IsBefore(stats.oldest_time(), sum->oldest_time()))) {
    *sum->mutable_oldest_time() = stats.oldest_time();
  }
  if (stats.has_next_attempt_time() &&
      (!sum->has_next_attempt_time() ||
       IsBefore(stats.next_attempt_time(), sum->next_attempt_time()))) {
    *sum->mutable_next_attempt_time() = stats.next_attempt_time();
  }
  const bool is_later = stats.has_last_release_time() &&
                        (!sum->has_last_release_time() ||
                         IsBefore(sum->last_release_time(), stats.last_release_time()));
  if (is_later) *sum->mutable_last_release_time() = stats.last_release_time();
  if (stats.has_route() && (is_later || !sum->has_route())) {
    *sum->mutable_route() = stats.route();
  }
}

}  // namespace turnpike::spool
