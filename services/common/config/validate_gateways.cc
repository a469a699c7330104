#include "services/common/config/validate_gateways.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace turnpike::config {
namespace {

class GatewayValidator {
 public:
  GatewayValidator(const Places& places, Problems& problems)
      : places_(places), problems_(problems) {}

  void Check(const std::string& path, const v1::Gateway& gateway) {
    CheckTarget(path, gateway);
    CheckLogin(path + ".etrn.auth", gateway.etrn());
    CheckRecipients(path, gateway);
    CheckAccess(path + ".access", gateway.access());
  }

 private:
  void Error(const std::string& path, absl::string_view text) {
    problems_.AddError(FindPlace(places_, path), path, text);
  }
  void Warn(const std::string& path, absl::string_view text) {
    problems_.AddWarning(FindPlace(places_, path), path, text);
  }

  // What needs a fixed target.
  void CheckTarget(const std::string& path, const v1::Gateway& gateway) {
    if (gateway.etrn().deliver_to() != "requesting_host") return;
    if (gateway.forward_every().seconds() > 0 || gateway.forward_every().nanos() > 0) {  // DQ-3
      Error(path + ".forward_every",
            "goes nowhere, as nobody has asked; name a target in `etrn.deliver_to`");
    }
    if (gateway.etrn().has_auth()) {  // DQ-15
      Error(path + ".etrn.auth",
            "would show the password to whoever asks; name a target in `etrn.deliver_to`");
    }
    if (gateway.etrn().treat_target_as_foreign()) {  // DQ-17
      Warn(path + ".etrn.treat_target_as_foreign",
           "does nothing with `deliver_to: requesting_host`; the mail goes to an address anyway");
    }
  }

  void CheckLogin(const std::string& path, const v1::Etrn& etrn) {
    if (!etrn.has_auth()) return;
    if (!etrn.auth().password().empty() || !etrn.auth().password_file().empty()) return;
    Error(path, "has no password; give `password` or `password_file`");
  }

  // DQ-4
  void CheckRecipients(const std::string& path, const v1::Gateway& gateway) {
    for (int i = 0; i < gateway.recipients_size(); ++i) {
      const absl::string_view address = gateway.recipients(i);
      const absl::string_view domain = address.substr(address.rfind('@') + 1);
      const bool is_own =
          domain == gateway.domain() ||
          std::any_of(gateway.aliases().begin(), gateway.aliases().end(),
                      [domain](const std::string& alias) { return domain == alias; });
      if (is_own) continue;
      Error(absl::StrCat(path, ".recipients[", i, "]"),
            absl::StrCat("`", address, "` is in none of the gateway's domains"));
    }
  }

  // DQ-41
  void CheckAccess(const std::string& path, const v1::Access& access) {
    for (int i = 0; i < access.honor_from_size(); ++i) {
      const std::string& network = access.honor_from(i);
      if (std::find(access.ignore_from().begin(), access.ignore_from().end(), network) ==
          access.ignore_from().end()) {
        continue;
      }
      Error(absl::StrCat(path, ".honor_from[", i, "]"),
            absl::StrCat("`", network, "` is in `ignore_from` too, which wins; take one away"));
    }
  }

  const Places& places_;
  Problems& problems_;
};

}  // namespace

void ValidateGateways(const Places& places, const v1::Config& config, Problems& problems) {
  GatewayValidator validator(places, problems);
  for (int i = 0; i < config.gateways_size(); ++i) {
    validator.Check(absl::StrCat("gateways[", i, "]"), config.gateways(i));
  }
}

}  // namespace turnpike::config
