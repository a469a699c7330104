"""C++ and protos are as clang-format writes them; `make format` makes them so."""

import pytest
from repository import files, run


def test_sources_are_formatted():
    sources = files("*.h", "*.cc", "*.proto")
    checked = run("clang-format-14", "--dry-run", "--Werror", "--ferror-limit=1", *sources)
    marks = [line for line in checked.stderr.splitlines() if "clang-format-violations" in line]
    if marks:
        pytest.fail("\n".join(sorted({mark.split(":")[0] for mark in marks})), pytrace=False)
    assert checked.returncode == 0, checked.stderr
