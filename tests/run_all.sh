#!/bin/bash
# Runs groups of tests and closes with one line, "N passed, N failed", over all of them.
#
#   tests/run_all.sh GROUP...
#     tidy      house rules on the source (tests/tidy)
#     format    C++ and protos as clang-format would write them
#     unit      every Bazel test, in the build that is shipped
#     sanitize  all tests under ASan and UBSan, those tagged "concurrent" under TSan
#     sanitize-short
#               of these, the pure cores' under ASan and UBSan; threads, sockets and the store
#               under TSan
#     e2e       pytest on the built binaries, with real peers (tests/e2e)
#     chart     images, alerts, dashboards, and what the Helm chart renders, with the built binaries
#     helm      the chart's templates, and their renders by kubeconform; builds both from source
#
# A group that fails does not keep the next from running. Exits 0 if everything built, something
# ran, and nothing failed. Results stay in build/test/.
set -euo pipefail
cd "$(dirname "$0")/.."

bazel=${BAZEL:-bazel}
python=/usr/bin/python3
results=build/test
broken=()

# Bazel's test results are read from its event stream, because bazel-testlogs also holds those of
# earlier runs.
bazel_test() {
  local name=$1
  shift
  echo "== $name"
  # Unquoted: BAZEL may carry start-up options.
  # shellcheck disable=SC2086
  $bazel test --build_event_json_file="$results/$name.json" --test_summary=terse --keep_going \
    --noshow_progress "$@" || broken+=("$name")
}

# Prints the test targets below //services that a Bazel query over them selects.
select_tests() {
  # shellcheck disable=SC2086
  $bazel query --noshow_progress "$1" 2>/dev/null
}

pytest() {
  local name=$1
  shift
  echo "== $name"
  "$python" -B -m pytest -p no:cacheprovider --junitxml="$results/$name.xml" "$@" ||
    broken+=("$name")
}

run_tidy() { pytest tidy --quiet tests/tidy --ignore=tests/tidy/test_format.py; }

run_format() { pytest format --quiet tests/tidy/test_format.py; }

run_unit() { bazel_test unit //...; }

# Runs the tests that two queries select, under ASan+UBSan and under TSan. Their builds keep links of
# their own, so that bazel-bin stays the shipped build.
sanitize() {
  local for_asan for_tsan
  for_asan=$(select_tests "$1")
  for_tsan=$(select_tests "$2")
  # Unquoted: lists of labels.
  # shellcheck disable=SC2086
  [[ -z $for_asan ]] || bazel_test asan --config=asan --symlink_prefix=build/asan- $for_asan
  # shellcheck disable=SC2086
  [[ -z $for_tsan ]] || bazel_test tsan --config=tsan --symlink_prefix=build/tsan- $for_tsan
}

# descriptors_test takes all descriptors, one of which UBSan needs for itself.
run_sanitize() {
  sanitize 'tests(//services/...) - filter("descriptors_test", //services/...)' \
    'attr(tags, "\bconcurrent\b", tests(//services/...))'
}

# rules_matrix_test takes minutes there, for nothing that the other tests of the rules do not reach.
run_sanitize-short() {
  sanitize \
    'tests(//services/common/smtp/... + filter("^//services/[a-z-]+/core[:/]", //services/...))
      - filter("rules_matrix_test", //services/...)' \
    'attr(tags, "\bconcurrent\b", tests(
      //services/common/base/... + //services/common/net/... + //services/spool-store/storage/...))'
}

# Builds what the tests of a group start.
build_for() {
  # shellcheck disable=SC2086
  $bazel build --noshow_progress //services/... && return
  broken+=("$1")
  return 1
}

# Mostly waiting for peers, so that two files at a time share the machine well.
run_e2e() { if build_for e2e; then pytest e2e --numprocesses=2 --dist=loadfile tests/e2e; fi; }

run_chart() {
  if build_for chart; then
    pytest chart --quiet tests/chart --ignore-glob='*/test_templates*.py'
  fi
}

run_helm() { pytest helm --quiet tests/chart/test_templates*.py; }

mkdir --parents build
rm --recursive --force "$results"
mkdir "$results"
for group in "$@"; do
  case $group in
    tidy | format | unit | sanitize | sanitize-short | e2e | chart | helm) "run_$group" ;;
    *)
      echo "$0: no group '$group'" >&2
      exit 2
      ;;
  esac
done

if ((${#broken[@]})); then
  echo "Failed: ${broken[*]}"
fi
"$python" -B tests/count_results.py "$results" && ((${#broken[@]} == 0))
