"""The closing line counts every case once, and a test that died as failed."""

import importlib.util
import json

import pytest
from repository import ROOT

_SPEC = importlib.util.spec_from_file_location("count_results", ROOT / "tests/count_results.py")
count_results = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(count_results)

_MIXED = """<testsuites><testsuite>
  <testcase name="a" status="run"/><testcase name="b"><failure/></testcase>
  <testcase name="c" status="notrun"/><testcase name="d"><skipped/></testcase>
</testsuite></testsuites>"""


def event(label, status, uri):
    return json.dumps(
        {
            "id": {"testResult": {"label": label, "run": 1, "shard": 1}},
            "testResult": {
                "status": status,
                "testActionOutput": [{"name": "test.xml", "uri": uri}],
            },
        }
    )


def test_junit_cases_are_told_apart(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(_MIXED)
    counts = count_results.count_junit(report)
    assert count_results.summary(counts) == "1 passed, 1 failed, 2 skipped"


@pytest.mark.parametrize("report", ["", "<testsuites><testsuite><testcase/></testsuite></testsuites>"])
def test_a_test_that_died_counts_as_failed(tmp_path, report):
    path = tmp_path / "test.xml"
    path.write_text(report)
    events = tmp_path / "unit.json"
    events.write_text(event("//a:b", "FAILED", path.as_uri()))
    assert count_results.count_bazel(events)["failed"] == 1


def test_a_second_attempt_replaces_the_first(tmp_path):
    path = tmp_path / "test.xml"
    path.write_text("<testsuites><testcase/><testcase/></testsuites>")
    events = tmp_path / "unit.json"
    lines = [event("//a:b", "FAILED", "file:///nowhere"), event("//a:b", "PASSED", path.as_uri())]
    events.write_text("\n".join(lines))
    assert count_results.summary(count_results.count_bazel(events)) == "2 passed, 0 failed"
