#include "services/outbound-delivery/core/logins.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace turnpike::delivery {
namespace {

constexpr absl::string_view kPlainPrefix = "{PLAIN}";
constexpr size_t kPasswordFileBytesMax = 64 * 1024;

Login FromProto(const config::v1::Login& login) {
  return {.username = login.username(),
          .password = login.password(),
          .allow_cleartext = login.allow_cleartext()};
}

bool UsesMailPasswords(const config::v1::Delivery& delivery) {
  const auto uses = [](const config::v1::SmartHost& host) {
    return host.per_account_auth() && host.per_account_use_mail_password();
  };
  return uses(delivery.smart_host()) ||
         std::any_of(
             delivery.routes().begin(), delivery.routes().end(),
             [&](const config::v1::DeliveryRoute& route) { return uses(route.smart_host()); });
}

// Whether the smart hosts that take mail passwords take them in clear too.
bool AllowsCleartext(const config::v1::Delivery& delivery) {
  return delivery.smart_host().auth().allow_cleartext();
}

}  // namespace

std::string GatewayLoginName(absl::string_view domain) {
  return absl::StrCat("gateways/", domain, "/etrn");
}

std::string RouteLoginName(int number) { return absl::StrCat("routes/", number, "/smart_host"); }

std::string AccountLoginName(absl::string_view address) {
  return absl::StrCat("accounts/", absl::AsciiStrToLower(address), "/smart_host");
}

std::string PlainPassword(absl::string_view verifiers) {
  for (absl::string_view line : absl::StrSplit(verifiers, '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (absl::ConsumePrefix(&line, kPlainPrefix)) return std::string(line);
  }
  return std::string();
}

absl::StatusOr<Logins> Logins::FromConfig(const config::v1::Config& config) {
  Logins logins;
  for (const config::v1::Gateway& gateway : config.gateways()) {
    if (!gateway.etrn().has_auth()) continue;
    logins.by_name_[GatewayLoginName(gateway.domain())] = FromProto(gateway.etrn().auth());
  }
  const config::v1::Delivery& delivery = config.delivery();
  if (delivery.smart_host().has_auth()) {
    logins.by_name_[kSmartHostLoginName] = FromProto(delivery.smart_host().auth());
  }
  for (int i = 0; i < delivery.routes_size(); ++i) {
    if (!delivery.routes(i).smart_host().has_auth()) continue;
    logins.by_name_[RouteLoginName(i)] = FromProto(delivery.routes(i).smart_host().auth());
  }
  const bool uses_mail_passwords = UsesMailPasswords(delivery);
  for (const config::v1::Account& account : config.accounts()) {
    const std::string name = AccountLoginName(account.address());
    if (account.has_smart_host()) {
      logins.by_name_[name] = FromProto(account.smart_host());
      continue;
    }
    if (!uses_mail_passwords) continue;
    std::string verifiers = account.password();
    if (verifiers.empty() && !account.password_file().empty()) {
      TURNPIKE_ASSIGN_OR_RETURN(verifiers,
                                base::ReadFile(account.password_file(), kPasswordFileBytesMax));
    }
    std::string password = PlainPassword(verifiers);
    if (password.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the mail password of ", account.address(),
          " is to be its smart-host password, but is not there in clear (`{PLAIN}`)"));  // DL-25
    }
    logins.by_name_[name] = {.username = account.address(),
                             .password = std::move(password),
                             .allow_cleartext = AllowsCleartext(delivery)};
  }
  return logins;
}

const Login* Logins::Find(absl::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &it->second;
}

}  // namespace turnpike::delivery
