#include "services/common/upstream/resolve.h"

#include <algorithm>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/net/await.h"
#include "services/common/net/ip.h"

namespace turnpike::upstream {
namespace {

using asio::ip::tcp;
using Endpoints = absl::StatusOr<std::vector<tcp::endpoint>>;

// A question to the system's resolver, which cannot be stopped once it is at work: what comes first
// counts, its answer or the deadline.
class Lookup : public std::enable_shared_from_this<Lookup> {
 public:
  explicit Lookup(const asio::any_io_executor& executor) : resolver_(executor), timer_(executor) {}

  void Start(const std::string& host, uint16_t port, absl::Time deadline,
             absl::AnyInvocable<void(Endpoints)> done) {
    done_ = std::move(done);
    timer_.expires_after(
        absl::ToChronoMilliseconds(std::max(deadline - absl::Now(), absl::ZeroDuration())));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->Finish(absl::DeadlineExceededError("the resolver does not answer"));
    });
    resolver_.async_resolve(
        host, absl::StrCat(port), tcp::resolver::numeric_service,
        [self = shared_from_this()](const asio::error_code& error,
                                    const tcp::resolver::results_type& results) {
          self->OnResolved(error, results);
        });
  }

 private:
  void OnResolved(const asio::error_code& error, const tcp::resolver::results_type& results) {
    if (error == asio::error::host_not_found || error == asio::error::no_data) {
      return Finish(absl::NotFoundError("the name has no address"));
    }
    if (error) return Finish(absl::UnavailableError(absl::StrCat("resolver: ", error.message())));
    std::vector<tcp::endpoint> endpoints;
    for (const auto& result : results) endpoints.push_back(result.endpoint());
    if (endpoints.empty()) return Finish(absl::NotFoundError("the name has no address"));
    Finish(std::move(endpoints));
  }

  void Finish(Endpoints endpoints) {
    if (done_ == nullptr) return;
    timer_.cancel();
    std::exchange(done_, nullptr)(std::move(endpoints));
  }

  tcp::resolver resolver_;
  asio::steady_timer timer_;
  absl::AnyInvocable<void(Endpoints)> done_;
};

}  // namespace

asio::awaitable<Endpoints> Resolve(std::string host, uint16_t port, absl::Time deadline) {
  if (const absl::StatusOr<net::IpAddress> address = net::IpAddress::Parse(host); address.ok()) {
    std::vector<tcp::endpoint> only{tcp::endpoint(address->ToAsio(), port)};
    co_return only;
  }
  const auto lookup = std::make_shared<Lookup>(co_await asio::this_coro::executor);
  net::StartOperation<Endpoints> start = [&lookup, &host, port,
                                          deadline](absl::AnyInvocable<void(Endpoints)> done) {
    lookup->Start(host, port, deadline, std::move(done));
  };
  co_return co_await net::Await<Endpoints>(std::move(start));
}

}  // namespace turnpike::upstream
