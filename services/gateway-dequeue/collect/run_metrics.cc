#include "services/gateway-dequeue/collect/run_metrics.h"

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace turnpike::dequeue {

absl::string_view RunKindName(RunKind kind) {
  return kind == RunKind::kCollection ? "collection" : "request";
}

std::string RunEndingLabel(v1::RunEnding ending) {
  if (!v1::RunEnding_IsValid(ending)) return "other";
  return absl::AsciiStrToLower(absl::StripPrefix(v1::RunEnding_Name(ending), "RUN_ENDING_"));
}

RunMetrics::RunMetrics(prometheus::Registry& registry)
    : runs_(prometheus::BuildCounter()
                .Name("turnpike_dequeue_runs_total")
                .Help("Our collections and requests at other servers, by their end")
                .Register(registry)),
      running_(prometheus::BuildGauge()
                   .Name("turnpike_dequeue_runs")
                   .Help("Collections and requests that this process runs now")
                   .Register(registry)),
      failures_(prometheus::BuildGauge()
                    .Name("turnpike_dequeue_run_failures")
                    .Help("Runs in a row that have failed")
                    .Register(registry)),
      last_success_(prometheus::BuildGauge()
                        .Name("turnpike_dequeue_run_last_success_timestamp_seconds")
                        .Help("When a run ended well last; 0: none known")
                        .Register(registry)),
      messages_(prometheus::BuildCounter()
                    .Name("turnpike_dequeue_collected_messages_total")
                    .Help("Messages that providers handed over, and what we refused of them")
                    .Register(registry)) {
  for (const RunKind kind : {RunKind::kCollection, RunKind::kRequest}) {
    for (int ending = v1::RunEnding_MIN + 1; ending <= v1::RunEnding_MAX; ++ending) {
      runs_.Add({{"kind", std::string(RunKindName(kind))},
                 {"result", RunEndingLabel(static_cast<v1::RunEnding>(ending))}});
    }
  }
}

std::shared_ptr<RunSeries> RunMetrics::ForName(RunKind kind, absl::string_view name) {
  const prometheus::Labels labels{{"kind", std::string(RunKindName(kind))},
                                  {"name", names_.Admit(name)}};
  const bool is_collection = kind == RunKind::kCollection;
  const auto result = [&](const char* value) {
    return prometheus::Labels{{"collection", labels.at("name")}, {"result", value}};
  };
  absl::MutexLock lock(&mu_);
  if (std::shared_ptr<RunSeries> known = series_[labels].lock()) {
    names_.Release(labels.at("name"));  // which holds it already
    return known;
  }
  std::shared_ptr<RunSeries> series(
      new RunSeries{
          .kind = kind,
          .running = running_.Add(labels),
          .failures = failures_.Add(labels),
          .last_success = last_success_.Add(labels),
          .taken = is_collection ? &messages_.Add(result("taken")) : nullptr,
          .refused = is_collection ? &messages_.Add(result("refused")) : nullptr,
      },
      [this, labels](RunSeries* gone) { Forget(labels, gone); });
  series_[labels] = series;
  return series;
}

void RunMetrics::Forget(const prometheus::Labels& labels, RunSeries* series) {
  {
    absl::MutexLock lock(&mu_);
    const auto found = series_.find(labels);
    if (found->second.expired()) {
      series_.erase(found);
      running_.Remove(&series->running);
      failures_.Remove(&series->failures);
      last_success_.Remove(&series->last_success);
      if (series->taken != nullptr) {
        messages_.Remove(series->taken);
        messages_.Remove(series->refused);
      }
    }
    names_.Release(labels.at("name"));
  }
  delete series;
}

void RunMetrics::CountRun(RunSeries& series, const v1::Run& run) {
  runs_
      .Add({{"kind", std::string(RunKindName(series.kind))},
            {"result", RunEndingLabel(run.ending())}})
      .Increment();
  if (series.taken != nullptr) series.taken->Increment(static_cast<double>(run.messages()));
  if (series.refused != nullptr) series.refused->Increment(static_cast<double>(run.refused()));
}

void RunMetrics::Show(const RunHistory& history, RunSeries& series) {
  series.failures.Set(history.failures);
  if (history.failures == 0 && history.last_end.has_value()) {
    series.last_success.Set(absl::ToDoubleSeconds(*history.last_end - absl::UnixEpoch()));
  }
}

}  // namespace turnpike::dequeue
