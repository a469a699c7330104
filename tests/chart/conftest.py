"""What the tests of the chart, the images and the monitoring share. None needs a cluster."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import schemas

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

# Each runs the templates with the values of that name in charts/turnpike/ci.
VALUE_SETS = ("trial", "production", "node-port", "secrets")
# The Kubernetes that the chart is for; schemas.py has both.
OLDEST, NEWEST = schemas.KUBERNETES


# What the chart makes at random where it is rendered without a cluster: in Secrets, and the certificate
# that stands in for one of cert-manager's.
RANDOM = re.compile(r"^( +)(tls\.crt|tls\.key|password|verifier): ([A-Za-z0-9+/=]{40,}|"
                    r"\|\n(?:\1  .*\n)+?\1  -----END [A-Z ]+-----)$", re.MULTILINE)


def without_random(text):
    return RANDOM.sub(r"\1\2: cmFuZG9t", text)


class Chart:
    """charts/turnpike, by helm."""

    folder = TOP / "charts/turnpike"

    def __init__(self, helm):
        self.helm = helm

    def run(self, *words):
        """helm with these words; the finished process, with text of both streams."""
        return subprocess.run([self.helm, *map(str, words)], capture_output=True, text=True)

    def values(self, name):
        return self.folder / "ci" / f"{name}-values.yaml"

    def render(self, *words, version=OLDEST, release="t"):
        return self.run("template", release, self.folder, "--namespace", "mail",
                        "--kube-version", version, *words)


def tool(name):
    """Where helm or kubeconform is; built where it is missing."""
    made = subprocess.run([TOP / "tests/chart/install_tool.sh", name], stdout=subprocess.PIPE,
                          text=True)
    assert made.returncode == 0, f"{name} could not be built; install_tool.sh says why"
    return made.stdout.strip()


@pytest.fixture(scope="session")
def chart():
    return Chart(tool("helm"))


@pytest.fixture(scope="session")
def kubeconform(tmp_path_factory):
    """A function that reads renders, as text or files, as the oldest and the newest Kubernetes would:
    {version: what is wrong}, and nothing for those that find nothing wrong."""
    folder = tmp_path_factory.mktemp("schemas")
    for version in schemas.KUBERNETES:
        (folder / version).mkdir()
        schemas.write(version, folder / version)
    program = tool("kubeconform")

    def check(text, *paths):
        found = {}
        for version in schemas.KUBERNETES:
            read = subprocess.run(
                [program, "-strict", "-summary", "-kubernetes-version", version.removeprefix("v"),
                 "-schema-location", f"{folder}/{version}/{schemas.PLACE}", *(paths or ["-"])],
                input=text, capture_output=True, text=True)
            said = read.stdout + read.stderr
            assert "Skipped: 0" in said, said
            if read.returncode:
                found[version] = said
        return found

    return check


@pytest.fixture
def own_folder(tmp_path):
    """A folder that is gone after the test: trees of programs are large."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)
