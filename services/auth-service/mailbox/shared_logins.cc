#include "services/auth-service/mailbox/shared_logins.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "services/common/credentials/crypto.h"
#include "services/common/net/ip.h"

namespace turnpike::auth {
namespace {

constexpr size_t kUserBytesMax = 320;

// Empty if the address is none.
std::string KeyOf(absl::string_view account, absl::string_view client_address) {
  const absl::StatusOr<net::IpAddress> client = net::IpAddress::Parse(client_address);
  if (!client.ok()) return "";
  return absl::StrCat("mailbox-login/",
                      absl::BytesToHexString(Sha256(absl::AsciiStrToLower(account)).substr(0, 16)),
                      "/", absl::BytesToHexString(client->bytes()));
}

}  // namespace

SharedLogins::SharedLogins(Options options, spool::SharedState& state)
    : options_(std::move(options)), state_(state) {}

void SharedLogins::Find(std::string account, std::string client_address, absl::Time deadline,
                        absl::AnyInvocable<void(absl::StatusOr<bool>)> done) {
  spool::v1::GetEntryRequest get;
  get.set_key(KeyOf(account, client_address));
  if (get.key().empty()) return done(false);
  state_.Get(std::move(get), deadline,
             [done = std::move(done)](absl::StatusOr<spool::v1::GetEntryResponse> found) mutable {
               if (!found.ok() && !absl::IsNotFound(found.status())) return done(found.status());
               done(found.ok());
             });
}

void SharedLogins::Report(absl::string_view user, absl::string_view client_address,
                          absl::Time deadline, absl::AnyInvocable<void(absl::Status)> done) {
  if (user.empty() || user.size() > kUserBytesMax) {
    return done(absl::InvalidArgumentError("account: 1 to 320 octets"));
  }
  spool::v1::PutEntryRequest put;
  put.set_key(KeyOf(options_.account_of(user), client_address));
  if (put.key().empty()) return done(absl::InvalidArgumentError("client_address: an IP address"));
  *put.mutable_time_to_live_duration() = google::protobuf::util::TimeUtil::NanosecondsToDuration(
      absl::ToInt64Nanoseconds(options_.window));
  state_.Put(std::move(put), deadline,
             [done = std::move(done)](absl::StatusOr<spool::v1::PutEntryResponse> put) mutable {
               done(put.status());
             });
}

}  // namespace turnpike::auth
