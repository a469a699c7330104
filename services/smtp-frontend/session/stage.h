// How far a session has come: for operators, and for where connections get lost.
#ifndef TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_STAGE_H_
#define TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_STAGE_H_

#include "absl/strings/string_view.h"

namespace turnpike::frontend {

// The last thing that the client has done. Also labels of metrics.
enum class Stage {
  kConnect,  // nothing yet
  kEhlo,
  kAuth,  // within an AUTH exchange
  kIdle,  // between transactions
  kMail,
  kRcpt,
  kData,  // content is coming in, or its answer is awaited
  kAtrn,  // the roles have turned
};
inline constexpr Stage kStages[] = {Stage::kConnect, Stage::kEhlo, Stage::kAuth, Stage::kIdle,
                                    Stage::kMail,    Stage::kRcpt, Stage::kData, Stage::kAtrn};

constexpr absl::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kConnect:
      return "connect";
    case Stage::kEhlo:
      return "ehlo";
    case Stage::kAuth:
      return "auth";
    case Stage::kIdle:
      return "idle";
    case Stage::kMail:
      return "mail";
    case Stage::kRcpt:
      return "rcpt";
    case Stage::kData:
      return "data";
    case Stage::kAtrn:
      return "atrn";
  }
  return "";
}

}  // namespace turnpike::frontend

#endif  // TURNPIKE_SERVICES_SMTP_FRONTEND_SESSION_STAGE_H_
