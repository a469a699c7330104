#!/usr/bin/python3
"""Adds up the test cases of one run: Bazel's event files (*.json) and pytest's JUnit files (*.xml).

Prints a line per file and, last, "N passed, N failed" ("N skipped" follows if there are any).
Exits 1 if a case failed or none ran.
"""

import collections
import json
import pathlib
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def case_outcome(case):
    """Returns the outcome of one <testcase>."""
    if case.find("failure") is not None or case.find("error") is not None:
        return FAILED
    # GoogleTest marks a disabled case by its status, others by an element.
    if case.find("skipped") is not None or case.get("status") == "notrun":
        return SKIPPED
    return PASSED


def count_junit(path):
    """Returns the outcomes of a JUnit file, counted."""
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return collections.Counter(case_outcome(case) for case in cases)


def count_test_result(result):
    """Returns the outcomes of one Bazel test action.

    A test that crashed or ran out of time leaves no report, or one that stops before the case in
    question: its action counts as one failure then.
    """
    counts = collections.Counter()
    for output in result.get("testActionOutput", []):
        path = pathlib.Path(urllib.parse.unquote(urllib.parse.urlparse(output.get("uri", "")).path))
        if output.get("name") == "test.xml" and path.is_file():
            try:
                counts = count_junit(path)
            except ElementTree.ParseError:
                pass
    if result.get("status") not in ("PASSED", "FLAKY"):
        counts[FAILED] = max(counts[FAILED], 1)
    elif not counts:
        counts[PASSED] = 1  # A test of another runner, which reports by its exit code alone.
    return counts


def count_bazel(path):
    """Returns the outcomes in a file of Bazel's --build_event_json_file, counted."""
    by_action = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        identity = event.get("id", {}).get("testResult")
        if identity is None or "testResult" not in event:
            continue
        # A later attempt at the same action replaces the earlier one.
        action = (identity["label"], identity.get("run"), identity.get("shard"))
        by_action[action] = count_test_result(event["testResult"])
    return sum(by_action.values(), collections.Counter())


def summary(counts):
    """Returns the counts as runners print them."""
    text = f"{counts[PASSED]} passed, {counts[FAILED]} failed"
    return text + (f", {counts[SKIPPED]} skipped" if counts[SKIPPED] else "")


def main():
    total = collections.Counter()
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        if path.suffix == ".json":
            counts = count_bazel(path)
        elif path.suffix == ".xml":
            counts = count_junit(path)
        else:
            continue
        print(f"  {path.stem}: {summary(counts)}")
        total += counts
    print(summary(total))
    return 0 if total[PASSED] and not total[FAILED] else 1


if __name__ == "__main__":
    sys.exit(main())
