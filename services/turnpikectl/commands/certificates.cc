// The certificates that the services show each other: `certificate issue`. (PL-40)
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/credentials/crypto.h"
#include "services/turnpikectl/certificates/issue.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"

namespace turnpike::ctl {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;
constexpr int64_t kDaysDefault = 365;
constexpr int64_t kDaysMax = 3650;

absl::Status WriteAll(int descriptor, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "write");
    text.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(descriptor) == 0 ? absl::OkStatus() : absl::ErrnoToStatus(errno, "fsync");
}

// For the user alone, whatever was there before, and whose ever it was: a new file takes the old
// one's place, so that nobody ever reads half of it.
absl::Status WriteOwnFile(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());  // of a process that was killed
  const int descriptor =
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, fresh);
  absl::Status status = WriteAll(descriptor, text);
  if (close(descriptor) != 0 && status.ok()) status = absl::ErrnoToStatus(errno, "close");
  if (status.ok() && rename(fresh.c_str(), path.c_str()) != 0) {
    status = absl::ErrnoToStatus(errno, "rename");
  }
  if (status.ok()) return status;
  unlink(fresh.c_str());
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// A file that cannot be read is the mistake of whoever named it: INVALID_ARGUMENT.
absl::StatusOr<std::string> ReadAuthorityFile(const std::string& path) {
  absl::StatusOr<std::string> content = base::ReadFile(path, kFileBytesMax);
  if (!content.ok()) return absl::InvalidArgumentError(content.status().message());
  return content;
}

absl::Status WriteFiles(const std::string& folder, const std::string& authority,
                        const IssuedCertificate& issued) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::ErrnoToStatus(error.value(), folder);
  TURNPIKE_RETURN_IF_ERROR(WriteOwnFile(folder + "/ca.crt", authority));
  TURNPIKE_RETURN_IF_ERROR(WriteOwnFile(folder + "/tls.key", issued.key));
  return WriteOwnFile(folder + "/tls.crt", issued.certificate);
}

absl::Status IssueForService(const Invocation& invocation, Context& context) {
  const std::string authority = invocation.Get("--authority");
  const std::string directory = invocation.Get("--directory");
  if (authority.empty() || directory.empty()) {
    return absl::InvalidArgumentError("--authority and --directory are needed");
  }
  TURNPIKE_ASSIGN_OR_RETURN(const int64_t days,
                            invocation.Number("--days", kDaysDefault, 1, kDaysMax));
  CertificateRequest request = {.service = invocation.Get("SERVICE"),
                                .trust_domain = invocation.Has("--trust-domain")
                                                    ? invocation.Get("--trust-domain")
                                                    : std::string("turnpike"),
                                .names = invocation.All("NAME"),
                                .now = absl::Now(),
                                .lifetime = absl::Hours(24 * days)};
  const absl::Cleanup wipe = [&request] { auth::Wipe(request.authority_key); };
  TURNPIKE_ASSIGN_OR_RETURN(request.authority_certificate,
                            ReadAuthorityFile(authority + "/tls.crt"));
  TURNPIKE_ASSIGN_OR_RETURN(request.authority_key, ReadAuthorityFile(authority + "/tls.key"));
  TURNPIKE_ASSIGN_OR_RETURN(const IssuedCertificate issued, IssueCertificate(request));
  const std::string folder = absl::StrCat(directory, "/", request.service);
  TURNPIKE_RETURN_IF_ERROR(WriteFiles(folder, request.authority_certificate, issued));
  Value value;
  value.Set("directory", folder);
  value.Set("not_after", issued.not_after);
  context.printer().Done(
      absl::StrCat(folder, ": a certificate until ",
                   absl::FormatTime("%Y-%m-%d", issued.not_after, absl::UTCTimeZone())),
      value);
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> CertificateCommands() {
  return {
      {.path = "certificate issue",
       .summary = "make a service's certificate for services.tls",
       .details =
           "Makes a key and a certificate that other services know this one by, and writes "
           "tls.crt, tls.key and ca.crt into the folder of the service below --directory, which is "
           "what services.tls.directory names. What was there is replaced; running services take "
           "it up by themselves.",
       .arguments = {{.name = "SERVICE",
                      .help = "whose",
                      .choices = {"smtp-frontend", "auth-service", "gateway-dequeue", "spool-store",
                                  "outbound-delivery", "turnpikectl", "keda"}},
                     {.name = "NAME",
                      .help = "a DNS name or an IP address that services.*.target names it by; "
                              "`*.` may stand in front of a DNS name",
                      .is_many = true,
                      .is_optional = true}},
       .flags = {{.name = "--authority",
                  .value = "DIR",
                  .help = "folder with tls.crt and tls.key of the authority that signs"},
                 {.name = "--directory", .value = "DIR", .help = "where the files are put"},
                 {.name = "--trust-domain",
                  .value = "NAME",
                  .help = "as services.tls.trust_domain (default turnpike)"},
                 {.name = "--days",
                  .value = "N",
                  .help = "how long it is valid, 1 to 3650, and no longer than its authority "
                          "(default 365)"}},
       .run = IssueForService},
  };
}

}  // namespace turnpike::ctl
