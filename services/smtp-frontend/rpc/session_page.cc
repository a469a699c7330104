#include "services/smtp-frontend/rpc/session_page.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/util/time_util.h"

namespace turnpike::frontend {
namespace {

constexpr int32_t kPageSizeDefault = 100;
constexpr int32_t kPageSizeMax = 1000;

// Where a session stands in the list: it keeps its place as long as it lives.
using Place = std::pair<int64_t, std::string>;

Place PlaceOf(const v1::Session& session) {
  return {google::protobuf::util::TimeUtil::TimestampToNanoseconds(session.begin_time()),
          session.session_id()};
}

std::string TokenOf(const Place& place) { return absl::StrCat(place.first, "-", place.second); }

std::optional<Place> PlaceOfToken(const std::string& token) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(token, absl::MaxSplits('-', 1));
  int64_t nanoseconds;
  if (!absl::SimpleAtoi(parts.first, &nanoseconds) || parts.second.empty()) return std::nullopt;
  return Place(nanoseconds, parts.second);
}

}  // namespace

absl::StatusOr<v1::ListSessionsResponse> PageOf(std::vector<v1::Session> sessions,
                                                const v1::ListSessionsRequest& request) {
  if (request.page_size() < 0 || request.page_size() > kPageSizeMax) {
    return absl::InvalidArgumentError("page_size must be in 0..1000");
  }
  const size_t page_size = request.page_size() == 0 ? kPageSizeDefault : request.page_size();
  if (!request.page_token().empty()) {
    const std::optional<Place> last = PlaceOfToken(request.page_token());
    if (!last) return absl::InvalidArgumentError("page_token is not one that was given out");
    std::erase_if(sessions,
                  [&last](const v1::Session& session) { return PlaceOf(session) <= *last; });
  }
  std::sort(sessions.begin(), sessions.end(),
            [](const v1::Session& a, const v1::Session& b) { return PlaceOf(a) < PlaceOf(b); });
  v1::ListSessionsResponse page;
  for (size_t i = 0; i < std::min(page_size, sessions.size()); ++i) {
    *page.add_sessions() = std::move(sessions[i]);
  }
  if (sessions.size() > page_size) {
    page.set_next_page_token(TokenOf(PlaceOf(page.sessions(page.sessions_size() - 1))));
  }
  return page;
}

}  // namespace turnpike::frontend
