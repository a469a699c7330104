#include "services/smtp-frontend/session/offers.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace turnpike::frontend {
namespace {

bool IsSame(const std::vector<std::string>& kept,
            const google::protobuf::RepeatedPtrField<std::string>& offered) {
  return std::equal(kept.begin(), kept.end(), offered.begin(), offered.end());
}

}  // namespace

std::shared_ptr<const smtp::ServerOptions> Offers::For(
    const std::shared_ptr<const ListenerProfile>& listener, const auth::v1::Offer& offer) {
  Last& last = last_[listener->name];
  if (last.listener == listener &&
      IsSame(last.options->auth_mechanisms_in_clear, offer.mechanisms()) &&
      IsSame(last.options->auth_mechanisms, offer.mechanisms_under_tls())) {
    return last.options;
  }
  last = {.listener = listener, .options = ForOne(*listener, offer)};
  return last.options;
}

std::shared_ptr<const smtp::ServerOptions> Offers::ForOne(const ListenerProfile& listener,
                                                          const auth::v1::Offer& offer) {
  auto options = std::make_shared<smtp::ServerOptions>(listener.options);
  options->auth_mechanisms_in_clear.assign(offer.mechanisms().begin(), offer.mechanisms().end());
  options->auth_mechanisms.assign(offer.mechanisms_under_tls().begin(),
                                  offer.mechanisms_under_tls().end());
  // What is said to AUTH where there is none is policy, too. (AU-11, AU-12)
  options->unoffered_auth = smtp::UnofferedAuth::kReport;
  return options;
}

std::shared_ptr<const smtp::ServerOptions> Offers::WithoutPolicy(
    const std::shared_ptr<const ListenerProfile>& listener) {
  auto options = std::make_shared<smtp::ServerOptions>(listener->options);
  options->unoffered_auth = smtp::UnofferedAuth::kReport;
  const auto last = last_.find(listener->name);
  if (last == last_.end()) return options;
  if (last->second.listener == listener) return last->second.options;
  options->auth_mechanisms_in_clear = last->second.options->auth_mechanisms_in_clear;
  options->auth_mechanisms = last->second.options->auth_mechanisms;
  last->second = {.listener = listener, .options = std::move(options)};
  return last->second.options;
}

}  // namespace turnpike::frontend
