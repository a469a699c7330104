#include "services/outbound-delivery/transport/suspended_gateways.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace turnpike::delivery {
namespace {

constexpr char kPrefix[] = "gateway/";
constexpr char kSuffix[] = "/suspended";
constexpr int kPageSize = 1000;
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

struct SuspendedGateways::Listing {
  OnList on_list;
  std::vector<spool::v1::QueueName> queues;
  std::string page_token;
};

void SuspendedGateways::Refresh(OnList on_list) {
  {
    absl::MutexLock lock(&mu_);
    if (std::exchange(is_reading_, true)) return;
  }
  auto listing = std::make_shared<Listing>();
  listing->on_list = std::move(on_list);
  ReadPage(listing);
}

void SuspendedGateways::ReadPage(const std::shared_ptr<Listing>& listing) {
  spool::v1::ListEntriesRequest request;
  request.set_prefix(kPrefix);
  request.set_page_size(kPageSize);
  request.set_page_token(listing->page_token);
  state_.List(std::move(request), clock_.Now() + kPatience,
              [this, listing](absl::StatusOr<spool::v1::ListEntriesResponse> page) {
                if (!page.ok()) return End();
                for (const spool::v1::Entry& entry : page->entries()) {
                  absl::string_view domain = entry.key();
                  absl::ConsumePrefix(&domain, kPrefix);
                  if (!absl::ConsumeSuffix(&domain, kSuffix)) continue;
                  spool::v1::QueueName& queue = listing->queues.emplace_back();
                  queue.set_kind(spool::v1::QUEUE_KIND_GATEWAY);
                  queue.set_name(std::string(domain));
                }
                listing->page_token = page->next_page_token();
                if (!listing->page_token.empty()) return ReadPage(listing);
                listing->on_list(listing->queues);
                End();
              });
}

void SuspendedGateways::End() {
  absl::MutexLock lock(&mu_);
  is_reading_ = false;
}

}  // namespace turnpike::delivery
