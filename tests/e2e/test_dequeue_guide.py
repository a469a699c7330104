"""docs/dequeue.md: its examples, taken from the page, run as they stand.

Each runs in a network and a mount namespace of its own, with the addresses and files that the page
names: see guide_scenario.py.
"""

import pathlib
import re
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
GUIDE = TOP / "docs" / "dequeue.md"


def files_of(name):
    """{path: text} of the guide's fenced blocks that belong to the example `name`."""
    blocks = re.findall(rf"^```\w+ {name} (/\S+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    return dict(blocks)


def test_dq_62_every_block_with_a_path_belongs_to_an_example():
    names = re.findall(r"^```\w+ (\w+) /\S+$", GUIDE.read_text(), re.M)
    assert sorted(set(names)) == ["branch", "office", "ship"]


@pytest.mark.parametrize("name", ["office", "ship", "branch"])
def test_dq_62_the_guides_example_works_as_it_stands(name, tmp_path):
    for path, text in files_of(name).items():
        target = tmp_path / "guide" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    result = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", sys.executable,
         str(TOP / "tests" / "e2e" / "guide_scenario.py"), name, str(tmp_path)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
