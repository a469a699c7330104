"""The chart through helm: lint, and renders that are kept.

`UPDATE=1` writes the renders that are kept in golden/, for a diff to be looked at."""

import os
import re

import pytest
from conftest import NEWEST, OLDEST, TOP, VALUE_SETS, without_random
from trial import GOLDEN


@pytest.mark.parametrize("name", VALUE_SETS)
def test_lint_finds_nothing(chart, name):
    linted = chart.run("lint", "--strict", chart.folder, "--values", chart.values(name))
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "[WARNING]" not in linted.stdout


@pytest.mark.parametrize("name", VALUE_SETS)
def test_pl_61_renders_are_those_that_were_looked_at(chart, name):
    rendered = chart.render("--values", chart.values(name))
    assert rendered.returncode == 0, rendered.stderr
    if os.environ.get("UPDATE"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / f"{name}.yaml").write_text(without_random(rendered.stdout))
    assert without_random(rendered.stdout) == (GOLDEN / f"{name}.yaml").read_text(), (
        "the templates render something else now; run with UPDATE=1 and look at the difference")


@pytest.mark.parametrize("name", VALUE_SETS)
def test_the_newest_kubernetes_gets_the_same(chart, name):
    rendered = [without_random(chart.render("--values", chart.values(name), version=version).stdout)
                for version in (OLDEST, NEWEST)]
    assert rendered[0] == rendered[1]


def test_a_kubernetes_that_is_too_old_is_named(chart):
    rendered = chart.render(version="v1.29.0")
    assert rendered.returncode != 0
    assert ">=1.30.0-0" in rendered.stderr


def test_what_helm_installs_without_values_is_the_trial(chart):
    assert without_random(chart.render().stdout) == (GOLDEN / "trial.yaml").read_text()


def test_the_values_in_the_guide_are_taken(chart, tmp_path):
    guide = (TOP / "docs/kubernetes.md").read_text()
    blocks = re.findall(r"```yaml(?: run)?\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) > 4
    for block in blocks:
        (tmp_path / "values.yaml").write_text(block)
        rendered = chart.render("--values", tmp_path / "values.yaml")
        assert rendered.returncode == 0, block + rendered.stderr
