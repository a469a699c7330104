"""What the house-rule tests ask of the repository: its files, and Bazel's dependency graph."""

import os
import pathlib
import shlex
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

SERVICES = (
    "auth-service",
    "gateway-dequeue",
    "outbound-delivery",
    "smtp-frontend",
    "spool-store",
    "turnpikectl",
)

# Files that are not ours to rule on: glue in the shape that Bazel's own tools want.
_FOREIGN = ("bazel/rules_cc/", "bazel/remote_coverage_tools/")


def run(*command):
    """Runs a command at the top of the repository and returns the finished process."""
    return subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def files(*patterns):
    """Returns the paths, from the top, of the files git knows or would add, by git's patterns."""
    listed = run(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns
    )
    assert listed.returncode == 0, listed.stderr
    return sorted(
        path
        for path in set(listed.stdout.split("\0"))
        if path and not path.startswith(_FOREIGN) and (ROOT / path).is_file()
    )


def text(path):
    """Returns the text of a file named from the top."""
    return (ROOT / path).read_text(encoding="utf-8")


def numbered_lines(path):
    """Yields (line number from 1, line without its end)."""
    return enumerate(text(path).splitlines(), start=1)


def query(expression):
    """Returns the labels that a Bazel query selects."""
    bazel = shlex.split(os.environ.get("BAZEL", "bazel"))
    found = run(*bazel, "query", "--noshow_progress", expression)
    assert found.returncode == 0, found.stderr
    return found.stdout.split()
