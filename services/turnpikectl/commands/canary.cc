// `canary`: sends a message through the gateway and fetches it. (PL-61)
#include <signal.h>
#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/net/tls_context.h"
#include "services/common/observe/http_server.h"
#include "services/common/observe/metrics.h"
#include "services/turnpikectl/canary/probe.h"
#include "services/turnpikectl/commands/all_commands.h"
#include "services/turnpikectl/commands/context.h"

namespace turnpike::ctl {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(60);
constexpr size_t kPasswordBytesMax = 1024;

const View& StepView() {
  static const auto* const kView = new View{.name = "step",
                                            .columns = {{"PATH", "path"},
                                                        {"STEP", "step"},
                                                        {"RESULT", "result"},
                                                        {"SECONDS", "seconds"},
                                                        {"ERROR", "error"}}};
  return *kView;
}

const char* NameOf(ProbePath path) { return path == ProbePath::kAtrn ? "atrn" : "etrn"; }

// --- Metrics ---

class CanaryMetrics {
 public:
  CanaryMetrics()
      : registry_(observe::CreateRegistry()),
        probes_(prometheus::BuildCounter()
                    .Name("turnpike_canary_probes_total")
                    .Help("Messages sent through the gateway, by how they are fetched and what "
                          "became of them")
                    .Register(*registry_)),
        duration_(prometheus::BuildHistogram()
                      .Name("turnpike_canary_duration_seconds")
                      .Help("From the submission of a message to its comparison, where that was ok")
                      .Register(*registry_)),
        last_success_(prometheus::BuildGauge()
                          .Name("turnpike_canary_last_success_timestamp_seconds")
                          .Help("When a message came back last")
                          .Register(*registry_)) {}

  // So that each has a value from the start.
  void Declare(ProbePath path) {
    for (const char* result : {"ok", "lost", "error"}) Probes(path, result);
    Duration(path);
    LastSuccess(path);
  }

  void Note(ProbePath path, const ProbeResult& result, absl::Time now) {
    Probes(path, result.ok() ? "ok" : result.is_lost ? "lost" : "error").Increment();
    if (!result.ok()) return;
    Duration(path).Observe(absl::ToDoubleSeconds(result.duration));
    LastSuccess(path).Set(absl::ToDoubleSeconds(now - absl::UnixEpoch()));
  }

  const std::shared_ptr<prometheus::Registry>& registry() const { return registry_; }

 private:
  prometheus::Counter& Probes(ProbePath path, const char* result) {
    return probes_.Add({{"path", NameOf(path)}, {"result", result}});
  }
  prometheus::Histogram& Duration(ProbePath path) {
    return duration_.Add({{"path", NameOf(path)}}, observe::LatencyBuckets());
  }
  prometheus::Gauge& LastSuccess(ProbePath path) {
    return last_success_.Add({{"path", NameOf(path)}});
  }

  const std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& probes_;
  prometheus::Family<prometheus::Histogram>& duration_;
  prometheus::Family<prometheus::Gauge>& last_success_;
};

// --- The command line ---

absl::Status Lacks(const std::string& flag) {
  return absl::InvalidArgumentError(absl::StrCat("say ", flag));
}

// Of the flag named, `HOST:PORT`; `user_flag` and `password_flag` say who as, if they are given.
absl::StatusOr<upstream::Server> ServerOf(const Invocation& invocation, const std::string& flag) {
  if (!invocation.Has(flag)) return Lacks(absl::StrCat(flag, " HOST:PORT"));
  const std::string value = invocation.Get(flag);
  const size_t colon = value.rfind(':');
  upstream::Server server;
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(value.substr(colon + 1), &port) ||
      port == 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(flag, ": `", value, "` is not HOST:PORT"));
  }
  server.port = static_cast<uint16_t>(port);
  server.host = value.substr(0, colon);
  if (server.host.size() > 2 && server.host.front() == '[' && server.host.back() == ']') {
    server.host = server.host.substr(1, server.host.size() - 2);
  }
  const std::string tls = invocation.Has("--tls") ? invocation.Get("--tls") : "opportunistic";
  if (tls == "off") {
    server.tls = net::SmtpTls::kNone;
  } else if (tls == "opportunistic") {
    server.tls = net::SmtpTls::kOpportunistic;
    TURNPIKE_ASSIGN_OR_RETURN(server.tls_context, net::TlsContext::ForUnverifyingClient());
  } else {
    server.tls = tls == "implicit" ? net::SmtpTls::kImplicit : net::SmtpTls::kRequired;
    TURNPIKE_ASSIGN_OR_RETURN(server.tls_context,
                              net::TlsContext::ForVerifyingClient(invocation.Get("--ca-file")));
  }
  return server;
}

absl::Status AddLogin(const std::string& user, const std::string& password_file,
                      upstream::Server* server) {
  TURNPIKE_ASSIGN_OR_RETURN(const std::string text,
                            base::ReadFile(password_file, kPasswordBytesMax));
  absl::string_view password = text;
  while (absl::ConsumeSuffix(&password, "\n") || absl::ConsumeSuffix(&password, "\r")) {
  }
  server->login = net::SaslCredentials{.user = user,
                                       .password = std::string(password),
                                       .allow_clear_text = server->tls == net::SmtpTls::kNone};
  return absl::OkStatus();
}

// A flag's value, or that of another that stands in for it.
std::string FirstOf(const Invocation& invocation, const std::vector<std::string>& flags) {
  for (const std::string& flag : flags) {
    if (invocation.Has(flag)) return invocation.Get(flag);
  }
  return "";
}

absl::StatusOr<ProbeOptions> CommonOptions(const Invocation& invocation) {
  ProbeOptions options;
  options.host_name = invocation.Has("--host-name") ? invocation.Get("--host-name") : "";
  if (options.host_name.empty()) {
    std::array<char, 256> name = {};
    gethostname(name.data(), name.size() - 1);
    options.host_name = name.data();
  }
  TURNPIKE_ASSIGN_OR_RETURN(options.submit, ServerOf(invocation, "--submit"));
  if (invocation.Has("--submit-login")) {
    if (!invocation.Has("--submit-password-file")) return Lacks("--submit-password-file FILE");
    TURNPIKE_RETURN_IF_ERROR(AddLogin(invocation.Get("--submit-login"),
                                      invocation.Get("--submit-password-file"), &options.submit));
  }
  options.sender = invocation.Get("--sender");
  if (options.sender.empty()) return Lacks("--sender ADDRESS");
  options.domain = invocation.Get("--domain");
  if (options.domain.empty()) return Lacks("--domain DOMAIN");
  TURNPIKE_ASSIGN_OR_RETURN(options.timeout, invocation.Duration("--timeout", kTimeout));
  return options;
}

absl::StatusOr<ProbeOptions> AtrnOptions(const Invocation& invocation) {
  TURNPIKE_ASSIGN_OR_RETURN(ProbeOptions options, CommonOptions(invocation));
  options.path = ProbePath::kAtrn;
  TURNPIKE_ASSIGN_OR_RETURN(options.dequeue, ServerOf(invocation, "--odmr"));
  if (!invocation.Has("--password-file")) return Lacks("--password-file FILE");
  TURNPIKE_RETURN_IF_ERROR(AddLogin(FirstOf(invocation, {"--login", "--domain"}),
                                    invocation.Get("--password-file"), &options.dequeue));
  return options;
}

absl::StatusOr<ProbeOptions> EtrnOptions(const Invocation& invocation) {
  TURNPIKE_ASSIGN_OR_RETURN(ProbeOptions options, CommonOptions(invocation));
  options.path = ProbePath::kEtrn;
  options.domain = FirstOf(invocation, {"--etrn-domain", "--domain"});
  TURNPIKE_ASSIGN_OR_RETURN(options.dequeue, ServerOf(invocation, "--etrn"));
  options.listen = invocation.Get("--listen");
  if (options.listen.empty()) return Lacks("--listen ADDRESS:PORT, where the mail is to come in");
  // A gateway that need not authenticate has no password.
  const std::string password_file =
      FirstOf(invocation, {"--etrn-password-file", "--password-file"});
  if (!password_file.empty()) {
    TURNPIKE_RETURN_IF_ERROR(
        AddLogin(FirstOf(invocation, {"--etrn-login", "--etrn-domain", "--login", "--domain"}),
                 password_file, &options.dequeue));
  }
  return options;
}

// --- Running ---

void Print(Context& context, ProbePath path, const ProbeResult& result) {
  for (const ProbeStep& step : result.steps) {
    Value row;
    row.Set("path", NameOf(path));
    row.Set("step", step.name);
    row.Set("result", step.status.ok() ? "ok" : "failed");
    row.Set("seconds", absl::StrCat(absl::ToInt64Milliseconds(step.duration) / 1000, ".",
                                    absl::Dec(absl::ToInt64Milliseconds(step.duration) % 1000,
                                              absl::kZeroPad3)));
    row.Set("error", std::string(step.status.message()));
    context.printer().Row(StepView(), std::move(row));
  }
}

std::string FailureText(ProbePath path, const ProbeResult& result) {
  return absl::StrCat("canary ", NameOf(path), ": ", result.steps.back().name, ": ",
                      result.steps.back().status.message());
}

// For good; a container's first process hears no signal that it does not handle.
absl::Status RunAgainAndAgain(const Invocation& invocation, Context& context,
                              const std::vector<ProbeOptions>& probes) {
  TURNPIKE_ASSIGN_OR_RETURN(const absl::Duration interval,
                            invocation.Duration("--interval", absl::Minutes(1)));
  CanaryMetrics metrics;
  for (const ProbeOptions& probe : probes) metrics.Declare(probe.path);
  std::unique_ptr<observe::HttpServer> server;
  if (invocation.Has("--metrics-listen")) {
    TURNPIKE_ASSIGN_OR_RETURN(
        server, observe::HttpServer::Start({.listen = invocation.Get("--metrics-listen"),
                                            .is_ready = [] { return true; },
                                            .collectables = {metrics.registry()}}));
    context.Note(absl::StrCat("metrics at ", server->address()));
  }
  for (const int signal_number : {SIGTERM, SIGINT}) signal(signal_number, [](int) { _exit(0); });
  while (true) {
    const absl::Time next = absl::Now() + interval;
    for (const ProbeOptions& probe : probes) {
      const ProbeResult result = RunProbe(probe);
      metrics.Note(probe.path, result, absl::Now());
      if (!result.ok()) context.Note(FailureText(probe.path, result));
    }
    absl::SleepFor(next - absl::Now());
  }
}

absl::Status RunCanary(const Invocation& invocation, Context& context) {
  std::vector<ProbeOptions> probes;
  if (invocation.Has("--odmr")) {
    TURNPIKE_ASSIGN_OR_RETURN(probes.emplace_back(), AtrnOptions(invocation));
  }
  if (invocation.Has("--etrn")) {
    TURNPIKE_ASSIGN_OR_RETURN(probes.emplace_back(), EtrnOptions(invocation));
  }
  if (probes.empty()) return Lacks("--odmr HOST:PORT, --etrn HOST:PORT, or both");
  if (invocation.Has("--interval")) return RunAgainAndAgain(invocation, context, probes);
  if (invocation.Has("--metrics-listen")) return Lacks("--interval TIME with --metrics-listen");
  absl::Status status;
  for (const ProbeOptions& probe : probes) {
    const ProbeResult result = RunProbe(probe);
    Print(context, probe.path, result);
    if (!result.ok() && status.ok()) {
      status = absl::InternalError(FailureText(probe.path, result));
    }
  }
  context.printer().End(StepView());
  return status;
}

}  // namespace

std::vector<Command> CanaryCommands() {
  return {
      {.path = "canary",
       .summary = "send a message through the gateway and fetch it",
       .details =
           "Submits a message with a random body for a gateway's domain and fetches it as the "
           "gateway's host would: by ATRN (--odmr), and another one by ETRN (--etrn), for which it "
           "listens where the gateway's mail is delivered to (deliver_to: requesting_host, and the "
           "port of --listen). Compares octet for octet what comes with what was sent, but for the "
           "trace fields. Other mail of the domain is taken and dropped: use a domain of the "
           "canary's own. Ends with 1 if anything failed; with --interval it never ends, and "
           "counts.",
       .flags = {{.name = "--submit", .value = "HOST:PORT", .help = "where the message is given"},
                 {.name = "--submit-login", .value = "USER", .help = "who as (default nobody)"},
                 {.name = "--submit-password-file", .value = "FILE", .help = "with this password"},
                 {.name = "--sender", .value = "ADDRESS", .help = "the message's sender"},
                 {.name = "--domain",
                  .value = "DOMAIN",
                  .help = "the gateway that the message is for",
                  .completed_by = "gateway list"},
                 {.name = "--odmr", .value = "HOST:PORT", .help = "where ATRN is answered"},
                 {.name = "--login",
                  .value = "USER",
                  .help = "the gateway's login (default its domain)"},
                 {.name = "--password-file", .value = "FILE", .help = "the gateway's password"},
                 {.name = "--etrn", .value = "HOST:PORT", .help = "where ETRN is answered"},
                 {.name = "--listen",
                  .value = "ADDRESS:PORT",
                  .help = "where the mail that ETRN asks for comes in"},
                 {.name = "--etrn-domain",
                  .value = "DOMAIN",
                  .help = "another gateway for ETRN (default --domain)",
                  .completed_by = "gateway list"},
                 {.name = "--etrn-login",
                  .value = "USER",
                  .help = "its login (default its domain)"},
                 {.name = "--etrn-password-file",
                  .value = "FILE",
                  .help = "its password (default --password-file)"},
                 {.name = "--tls",
                  .value = "MODE",
                  .help = "required checks the certificate, opportunistic (default) does not; off "
                          "sends passwords in clear",
                  .choices = {"off", "opportunistic", "required", "implicit"}},
                 {.name = "--ca-file",
                  .value = "FILE",
                  .help = "the authorities of certificates (default the system's)"},
                 {.name = "--host-name",
                  .value = "NAME",
                  .help = "our name in EHLO (default the machine's)"},
                 {.name = "--interval", .value = "TIME", .help = "again and again, for good"},
                 {.name = "--metrics-listen",
                  .value = "ADDRESS:PORT",
                  .help = "with --interval: where Prometheus finds what it counts"}},
       .run = RunCanary},
  };
}

}  // namespace turnpike::ctl
