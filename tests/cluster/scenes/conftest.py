"""What the scenes share: an installed release, and the table that closes a run.

They run in the node's network, one after another in the order of their names; tests/cluster/run.sh
starts the node and them.
"""

import pathlib
import shutil
import sys
import time

import pytest

CLUSTER = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CLUSTER), str(CLUSTER.parent)]
from support import cluster, identities, mail  # noqa: E402

COLUMNS = ("seconds", "sent", "acked", "arrived", "lost", "doubled", "refused", "again", "broken")
_rows = []


class Report:
    """The rows of a scene."""

    def __init__(self):
        self.began = time.monotonic()

    def row(self, what, outcome=None, seconds=None, note=""):
        """Adds a row; without `seconds` it took as long as there was no other one."""
        taken = time.monotonic() - self.began if seconds is None else seconds
        self.began = time.monotonic()
        numbers = ["" if outcome is None else str(getattr(outcome, name)) for name in COLUMNS[1:]]
        _rows.append([what, f"{taken:.1f}", *numbers, note])


@pytest.fixture
def report():
    return Report()


@pytest.fixture(scope="session", autouse=True)
def sinks():
    """Other people's servers, until the end of all scenes."""
    shutil.rmtree(mail.FOLDER_OF_LOGS, ignore_errors=True)
    mail.FOLDER_OF_LOGS.mkdir(parents=True)
    child = mail.start("sink.py", "--log", mail.SINKS, f"{mail.FAST}:25", f"{mail.SLOW}:25:1",
                       f"{mail.BRANCH}:2525")
    yield
    child.terminate()
    child.wait(30)


class Installed:
    """The release with values.yaml; scenes leave it as they found it."""

    def __init__(self, folder):
        cluster.create_namespace()
        cluster.secret("gateway-passwords", {"ship": "{PLAIN}tide-table\n",
                                             "branch": "{PLAIN}night-train\n"})
        self.identities = identities.Identities(folder)
        self.identities.issue_for_services()
        self.identities.issue_for_smtp()
        began = time.monotonic()
        cluster.upgrade(cluster.VALUES)
        # How long it took until all was ready.
        self.seconds = time.monotonic() - began
        # A release of an earlier run takes them up while it goes on.
        cluster.wait_until(lambda: all(map(self.identities.is_served_by, cluster.SERVICES)), 180,
                           "every service showing its certificate")


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("identities"))


def pytest_terminal_summary(terminalreporter):
    if not _rows:
        return
    table = [["what was done", *COLUMNS, ""], *_rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    terminalreporter.write_line("")
    for row in table:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1])]
        terminalreporter.write_line("  ".join([*cells, row[-1]]).rstrip())
