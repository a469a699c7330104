#!/bin/bash
# Runs every fuzzer for SECONDS_EACH seconds (60), from and into a corpus that stays in build/fuzz.
# Exits 1 at the first input that crashes, hangs or leaks; that input lies beside the corpus then,
# and becomes a test of its own name.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${SECONDS_EACH:-60}
read -r -a bazel <<<"${BAZEL:-bazel}"
top=$PWD/build/fuzz
mkdir --parents "$top"

# Another compiler: an output base of its own keeps the results of the ordinary build.
bazel+=(--batch "--output_base=$top/bazel")
mapfile -t fuzzers < <(
  "${bazel[@]}" query --noshow_progress 'kind(cc_binary, //tests/fuzz:all)' 2>/dev/null
)
"${bazel[@]}" build --config=fuzz --symlink_prefix="$top/" --noshow_progress "${fuzzers[@]}"

for fuzzer in "${fuzzers[@]}"; do
  name=${fuzzer##*:}
  mkdir --parents "$top/corpus/$name"
  echo "== $name, $seconds seconds"
  "$top/bin/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -max_len=4096 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$top/$name-" "$top/corpus/$name"
done
