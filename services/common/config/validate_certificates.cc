#include "services/common/config/validate_certificates.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "protos/turnpike/config/v1/rules.pb.h"
#include "services/common/base/file.h"
#include "services/common/credentials/pem.h"

namespace turnpike::config {
namespace {

// As for the certificates of the services.
constexpr size_t kFileBytesMax = 1 << 20;

bool IsReadBy(const std::string& service) {
  const auto& readers = v1::Tls::descriptor()
                            ->FindFieldByNumber(v1::Tls::kCertificateFileFieldNumber)
                            ->options()
                            .GetExtension(v1::rules)
                            .read_by();
  return service.empty() || std::find(readers.begin(), readers.end(), service) != readers.end();
}

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

// The three files of one listener.
class Checker {
 public:
  Checker(const Places& places, std::string path, Problems& problems)
      : places_(places), path_(std::move(path)), problems_(problems) {}

  void Check(const v1::Tls& tls) {
    const auto chain = Certificates("certificate_file", tls.certificate_file());
    if (!tls.client_authorities_file().empty()) {
      (void)Certificates("client_authorities_file", tls.client_authorities_file());
    }
    const std::optional<std::string> key_text = Read("key_file", tls.key_file());
    if (!key_text.has_value()) return;
    const absl::StatusOr<auth::PrivateKey> key = auth::ParsePrivateKey(*key_text);
    if (!key.ok()) {
      Error("key_file", absl::StrCat(tls.key_file(), ": ", key.status().message(),
                                     "; put the certificate's key there"));
    } else if (!chain.empty() && !auth::IsKeyOf(*key, chain.front())) {
      Error("key_file",
            absl::StrCat(tls.key_file(), " is not the key of the certificate in ",
                         tls.certificate_file(), "; replace the one that belongs to another"));
    }
    if (!chain.empty()) CheckTimes(tls.certificate_file(), chain.front());
  }

 private:
  void Error(absl::string_view key, absl::string_view text) {
    const std::string path = absl::StrCat(path_, ".", key);
    problems_.AddError(FindPlace(places_, path), path, text);
  }

  std::optional<std::string> Read(absl::string_view key, const std::string& file) {
    absl::StatusOr<std::string> text = base::ReadFile(file, kFileBytesMax);
    if (text.ok()) return *std::move(text);
    Error(key, absl::StrCat("cannot read ", text.status().message()));
    return std::nullopt;
  }

  // None if they cannot be used, which has been said then.
  std::vector<auth::Certificate> Certificates(absl::string_view key, const std::string& file) {
    const std::optional<std::string> text = Read(key, file);
    if (!text.has_value()) return {};
    absl::StatusOr<std::vector<auth::Certificate>> found = auth::ParseCertificates(*text);
    if (found.ok()) return *std::move(found);
    Error(key, absl::StrCat(file, ": ", found.status().message(), "; write it anew"));
    return {};
  }

  void CheckTimes(const std::string& file, const auth::Certificate& certificate) {
    const std::optional<auth::Validity> validity = auth::ValidityOf(certificate);
    const absl::Time now = absl::Now();
    const std::string path = path_ + ".certificate_file";
    if (validity.has_value() && validity->end <= now) {
      problems_.AddWarning(FindPlace(places_, path), path,
                           absl::StrCat(file, ": the certificate was good until ",
                                        Text(validity->end), "; replace it"));
    } else if (validity.has_value() && validity->begin > now) {
      problems_.AddWarning(
          FindPlace(places_, path), path,
          absl::StrCat(file, ": the certificate is good from ", Text(validity->begin),
                       "; wait until then, or set this machine's clock"));
    }
  }

  const Places& places_;
  const std::string path_;  // `smtp.listeners[0].tls`
  Problems& problems_;
};

}  // namespace

void ValidateCertificates(const Places& places, const v1::Config& config,
                          const std::string& service, Problems& problems) {
  if (!IsReadBy(service)) return;
  for (int i = 0; i < config.smtp().listeners_size(); ++i) {
    const v1::Listener& listener = config.smtp().listeners(i);
    if (!listener.has_tls()) continue;
    Checker(places, absl::StrCat("smtp.listeners[", i, "].tls"), problems).Check(listener.tls());
  }
}

}  // namespace turnpike::config
