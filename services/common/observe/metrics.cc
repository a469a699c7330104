#include "services/common/observe/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/client_metric.h"
#include "prometheus/gauge.h"
#include "prometheus/metric_type.h"
#include "prometheus/registry.h"
#include "services/common/base/file.h"
#include "services/common/base/version.h"
#include "services/common/observe/log.h"

namespace turnpike::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr char kOtherLabel[] = "_other";
constexpr size_t kProcFileBytesMax = 1 << 20;

MetricFamily Family(const char* name, const char* help, MetricType type) {
  MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  return family;
}

void AddValue(MetricFamily& family, double value, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(std::move(metric));
}

MetricFamily SingleValue(const char* name, const char* help, MetricType type, double value) {
  MetricFamily family = Family(name, help, type);
  AddValue(family, value);
  return family;
}

// Seconds since 1970 when the machine started.
std::optional<double> BootTime() {
  const absl::StatusOr<std::string> stat = base::ReadFile("/proc/stat", kProcFileBytesMax);
  if (!stat.ok()) return std::nullopt;
  for (absl::string_view line : absl::StrSplit(*stat, '\n')) {
    double value;
    if (absl::ConsumePrefix(&line, "btime ") && absl::SimpleAtod(line, &value)) return value;
  }
  return std::nullopt;
}

// The numbers of /proc/self/stat from its third field on; the second may hold anything.
std::vector<std::string> StatFields() {
  const absl::StatusOr<std::string> stat = base::ReadFile("/proc/self/stat", kProcFileBytesMax);
  if (!stat.ok()) return {};
  const size_t name_end = stat->rfind(") ");
  if (name_end == std::string::npos) return {};
  return absl::StrSplit(absl::string_view(*stat).substr(name_end + 2), ' ');
}

void CollectStat(std::vector<MetricFamily>& families) {
  const std::vector<std::string> fields = StatFields();
  const auto field = [&fields](size_t number) {  // as numbered in proc(5)
    double value = 0;
    if (number - 3 >= fields.size() || !absl::SimpleAtod(fields[number - 3], &value)) value = 0;
    return value;
  };
  if (fields.size() < 22) return;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  families.push_back(SingleValue("process_cpu_seconds_total",
                                 "CPU time of the process, user and system.", MetricType::Counter,
                                 (field(14) + field(15)) / ticks));
  families.push_back(SingleValue("process_virtual_memory_bytes", "Size of the address space.",
                                 MetricType::Gauge, field(23)));
  families.push_back(SingleValue("process_resident_memory_bytes", "Memory in use.",
                                 MetricType::Gauge,
                                 field(24) * static_cast<double>(sysconf(_SC_PAGESIZE))));
  if (const std::optional<double> boot = BootTime()) {
    families.push_back(SingleValue("process_start_time_seconds",
                                   "When the process started, as seconds since 1970.",
                                   MetricType::Gauge, *boot + field(22) / ticks));
  }
}

void CollectDescriptors(std::vector<MetricFamily>& families) {
  std::error_code error;
  std::filesystem::directory_iterator it("/proc/self/fd", error);
  if (!error) {
    double count = -1;  // the directory itself
    for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) ++count;
    families.push_back(
        SingleValue("process_open_fds", "Open file descriptors.", MetricType::Gauge, count));
  }
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(SingleValue("process_max_fds", "File descriptors that may be open.",
                                   MetricType::Gauge, static_cast<double>(limit.rlim_cur)));
  }
}

void CollectLogCounts(std::vector<MetricFamily>& families) {
  MetricFamily family =
      Family("turnpike_log_messages_total", "Log lines written. Errors need somebody to act.",
             MetricType::Counter);
  constexpr std::pair<const char*, LogLevel> kLevels[] = {
      {"error", LogLevel::kError}, {"warning", LogLevel::kWarning}, {"info", LogLevel::kInfo}};
  for (const auto& [name, level] : kLevels) {
    AddValue(family, static_cast<double>(LoggedCount(level)), {{"level", name}});
  }
  families.push_back(std::move(family));
}

}  // namespace

const std::vector<double>& LatencyBuckets() {
  static const auto* const buckets =
      new std::vector<double>{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300};
  return *buckets;
}

const std::vector<double>& SizeBuckets() {
  static const auto* const buckets = new std::vector<double>{
      1e3, 3.162e3, 1e4, 3.162e4, 1e5, 3.162e5, 1e6, 3.162e6, 1e7, 3.162e7, 1e8};
  return *buckets;
}

const std::vector<double>& CountBuckets() {
  static const auto* const buckets =
      new std::vector<double>{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000};
  return *buckets;
}

std::shared_ptr<prometheus::Registry> CreateRegistry() {
  auto registry = std::make_shared<prometheus::Registry>();
  prometheus::BuildGauge()
      .Name("turnpike_build_info")
      .Help("Always 1; the label tells which version runs.")
      .Register(*registry)
      .Add({{"version", base::kVersion}})
      .Set(1);
  return registry;
}

struct LabelCap::State {
  explicit State(size_t values_max) : values_max(values_max) {}

  const size_t values_max;
  absl::Mutex mu;
  absl::flat_hash_map<std::string, size_t> holders ABSL_GUARDED_BY(mu);  // by name
};

LabelCap::LabelCap(size_t values_max) : state_(std::make_shared<State>(values_max)) {}

std::string LabelCap::Admit(absl::string_view value) {
  absl::MutexLock lock(&state_->mu);
  const auto known = state_->holders.find(value);
  if (known == state_->holders.end() && state_->holders.size() >= state_->values_max) {
    return kOtherLabel;
  }
  ++state_->holders[value];
  return std::string(value);
}

void LabelCap::Release(const std::string& admitted, const std::function<void()>& on_last) {
  absl::MutexLock lock(&state_->mu);
  const auto known = state_->holders.find(admitted);
  if (known == state_->holders.end() || --known->second > 0) return;
  state_->holders.erase(known);
  if (on_last) on_last();
}

std::vector<prometheus::MetricFamily> ProcessCollector::Collect() const {
  std::vector<MetricFamily> families;
  CollectStat(families);
  CollectDescriptors(families);
  CollectLogCounts(families);
  return families;
}

}  // namespace turnpike::observe
