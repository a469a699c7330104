#include "services/common/spooled/queue_text.h"

#include "absl/strings/str_cat.h"

namespace turnpike::spool {

std::string QueueText(const v1::QueueName& queue) {
  switch (queue.kind()) {
    case v1::QUEUE_KIND_GATEWAY:
      return absl::StrCat("gateway/", queue.name());
    case v1::QUEUE_KIND_REMOTE:
      return absl::StrCat("remote/", queue.name());
    case v1::QUEUE_KIND_LOCAL:
      return absl::StrCat("local/", queue.name());
    default:  // unset, or of a newer version
      return absl::StrCat(static_cast<int>(queue.kind()), "/", queue.name());
  }
}

}  // namespace turnpike::spool
