// What stands beside the rules: the dynamic screen, mailbox logins, domain sharing, directories,
// built as the configuration says. (AU-20 to AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_NEIGHBOURS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_NEIGHBOURS_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/auth-service/core/account_directory.h"
#include "services/auth-service/core/address_sharing.h"
#include "services/auth-service/core/recent_logins.h"
#include "services/auth-service/core/screen.h"
#include "services/auth-service/core/site.h"
#include "services/auth-service/rpc/admin_service.h"

namespace grpc {
class Service;
}
namespace prometheus {
class Registry;
}
namespace turnpike::rpc {
class Security;
}

namespace turnpike::auth {

// Thread-safe. Nothing of it is used any more when it is destroyed.
class Neighbours {
 public:
  // `config` is complete and checked. The registry and `security` (null: plain text) outlive this.
  // UNAVAILABLE when auth.pop_before_smtp.policy_listen cannot be bound; INTERNAL when TLS cannot
  // be set up.
  static absl::StatusOr<std::unique_ptr<Neighbours>> Create(const config::v1::Config& config,
                                                            std::shared_ptr<const Site> site,
                                                            prometheus::Registry& registry,
                                                            const rpc::Security* security);
  ~Neighbours();

  Screen& screen();
  RecentLogins* recent_logins();  // null: auth.pop_before_smtp is off
  AddressSharing* sharing();      // null: no domain_sharing.hosts
  std::vector<AccountDirectory*> directories();

  // For as long as this lives.
  std::unique_ptr<grpc::Service> MakeAdminService(
      std::function<void(v1::ExplainVerdictRequest, AdminServiceParts::ExplainDone)> explain);

 private:
  class Impl;
  explicit Neighbours(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_NEIGHBOURS_H_
