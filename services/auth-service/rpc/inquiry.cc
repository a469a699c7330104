#include "services/auth-service/rpc/inquiry.h"

#include <utility>

#include "services/auth-service/rpc/directory_chain.h"
#include "services/common/smtp/reply_codes.h"

namespace turnpike::auth {
namespace {

// A rule set can want no more than a From: header has addresses, and little else.
constexpr int kStepsMax = 300;

struct Inquiry {
  Witnesses witnesses;
  std::string client_address;
  absl::Time deadline;
  Decide decide;
  absl::AnyInvocable<void(v1::Verdict)> done;
  Evidence evidence;
  int steps = 0;
};

void Continue(std::unique_ptr<Inquiry> inquiry);

void GiveUp(std::unique_ptr<Inquiry> inquiry) {
  inquiry->done(Refuse("unavailable", smtp::kTemporaryFailure));
}

void AskForOwner(std::unique_ptr<Inquiry> inquiry, const std::string& address) {
  std::vector<AccountDirectory*> directories = inquiry->witnesses.directories;
  const absl::Time deadline = inquiry->deadline;
  FindInDirectories(
      std::move(directories), address, deadline,
      [address, inquiry = std::move(inquiry)](absl::StatusOr<FoundAccount> found) mutable {
        if (!found.ok()) return GiveUp(std::move(inquiry));
        std::optional<std::string>& owner = inquiry->evidence.owners[address];
        if (found->entry != nullptr) owner = found->entry->address;
        Continue(std::move(inquiry));
      });
}

void AskForSharing(std::unique_ptr<Inquiry> inquiry, const std::string& address) {
  AddressSharing* const sharing = inquiry->witnesses.sharing;
  if (sharing == nullptr) {
    inquiry->evidence.is_sender_shared = false;
    return Continue(std::move(inquiry));
  }
  sharing->Find(address, [inquiry = std::move(inquiry)](bool is_found) mutable {
    inquiry->evidence.is_sender_shared = is_found;
    Continue(std::move(inquiry));
  });
}

void AskForRecentLogin(std::unique_ptr<Inquiry> inquiry, const std::string& account) {
  RecentLogins* const logins = inquiry->witnesses.recent_logins;
  if (logins == nullptr) {
    inquiry->evidence.has_sender_logged_in = false;
    return Continue(std::move(inquiry));
  }
  const std::string client_address = inquiry->client_address;
  const absl::Time deadline = inquiry->deadline;
  logins->Find(account, client_address, deadline,
               [inquiry = std::move(inquiry)](absl::StatusOr<bool> has_logged_in) mutable {
                 if (!has_logged_in.ok()) return GiveUp(std::move(inquiry));
                 inquiry->evidence.has_sender_logged_in = *has_logged_in;
                 Continue(std::move(inquiry));
               });
}

void Continue(std::unique_ptr<Inquiry> inquiry) {
  const Decision decision = inquiry->decide(inquiry->evidence);
  if (!decision.want.has_value()) return inquiry->done(decision.verdict);
  if (++inquiry->steps > kStepsMax) return GiveUp(std::move(inquiry));
  switch (decision.want->kind) {
    case Want::Kind::kOwner:
      return AskForOwner(std::move(inquiry), decision.want->address);
    case Want::Kind::kSharing:
      return AskForSharing(std::move(inquiry), decision.want->address);
    case Want::Kind::kRecentLogin:
      return AskForRecentLogin(std::move(inquiry), decision.want->address);
  }
}

}  // namespace

void Inquire(const Witnesses& witnesses, std::string client_address, absl::Time deadline,
             Decide decide, absl::AnyInvocable<void(v1::Verdict)> done) {
  Continue(std::make_unique<Inquiry>(Inquiry{.witnesses = witnesses,
                                             .client_address = std::move(client_address),
                                             .deadline = deadline,
                                             .decide = std::move(decide),
                                             .done = std::move(done)}));
}

}  // namespace turnpike::auth
