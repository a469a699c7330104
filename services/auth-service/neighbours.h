// What stands beside the rules: the dynamic screen, mailbox logins, domain sharing, directories,
// built as the configuration says. (AU-20 to AU-23)
#ifndef TURNPIKE_SERVICES_AUTH_SERVICE_NEIGHBOURS_H_
#define TURNPIKE_SERVICES_AUTH_SERVICE_NEIGHBOURS_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "protos/turnpike/config/v1/config.pb.h"
#include "services/auth-service/core/screen.h"
#include "services/auth-service/core/site.h"
#include "services/auth-service/directory/pooled_directory.h"
#include "services/auth-service/mailbox/shared_logins.h"
#include "services/auth-service/rpc/admin_service.h"
#include "services/auth-service/sharing/shared_domains.h"
#include "services/common/base/disposer.h"

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

// What stays while configurations come and go: the screen's view, the server for mailbox servers'
// reports. And what of a configuration is worth keeping for the next one: directories and the
// memory of shared domains, with their connections and what they remember.
//
// Thread-safe, but for Prepare and Take, which one thread calls.
class Neighbours {
 public:
  // What the rules ask under one configuration.
  struct Circle {
    std::shared_ptr<SharedLogins> recent_logins;  // null: auth.pop_before_smtp is off
    std::shared_ptr<SharedDomains> sharing;       // null: no domain_sharing.hosts
    std::vector<std::shared_ptr<PooledDirectory>> directories;
  };

  // `config` is complete and checked. The registry, `security` (null: plain text) and the disposer,
  // which destroys what was kept long enough, outlive this.
  Neighbours(const config::v1::Config& config, prometheus::Registry& registry,
             const rpc::Security* security, base::Disposer& disposer);
  ~Neighbours();

  // Builds what `config` needs and the last configuration that was taken had otherwise; changes
  // nothing yet. UNAVAILABLE when auth.pop_before_smtp.policy_listen cannot be bound; INTERNAL when
  // TLS cannot be set up.
  absl::StatusOr<Circle> Prepare(const config::v1::Config& config,
                                 std::shared_ptr<const Site> site);
  // Goes by what was prepared last, with the same configuration.
  void Take(const config::v1::Config& config);
  // Or does not.
  void DropPrepared();

  // Lets go of what is kept, for the end.
  void Forget();

  Screen& screen();

  // For as long as this lives.
  std::unique_ptr<grpc::Service> MakeAdminService(
      std::function<void(v1::ExplainVerdictRequest, AdminServiceParts::ExplainDone)> explain);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace turnpike::auth

#endif  // TURNPIKE_SERVICES_AUTH_SERVICE_NEIGHBOURS_H_
