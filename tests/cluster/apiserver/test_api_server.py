"""Every object of every value set, taken by a real API server, of which nothing else runs but etcd.

`make apiserver-test`. The server checks fields, names, limits and the strictest security level of
pods; the types of the Prometheus operator, KEDA and cert-manager are theirs.
"""

import os
import pathlib
import subprocess
import sys

import pytest
import yaml

TOP = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("TURNPIKE_CLUSTER") or TOP / "build/cluster") / "bin"
sys.path.insert(0, str(TOP / "tests"))
from peers.process import Process, free_port, wait_for  # noqa: E402

SETS = sorted(path.name.removesuffix("-values.yaml")
              for path in (TOP / "charts/turnpike/ci").glob("*-values.yaml"))


class ApiServer:
    """etcd and kube-apiserver on loopback."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        subprocess.run(["openssl", "genrsa", "-out", folder / "accounts.key", "2048"], check=True,
                       capture_output=True)
        (folder / "tokens.csv").write_text("secret,admin,1,system:masters\n")
        self.etcd = Process(
            ["etcd", "--name", "one", "--data-dir", folder / "etcd", "--unsafe-no-fsync",
             "--listen-client-urls", client, "--advertise-client-urls", client,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", f"one={peer}", "--log-level", "warn"], folder / "etcd.log")
        self.server = Process(
            [BIN / "kube-apiserver", f"--etcd-servers={client}", "--bind-address=127.0.0.1",
             f"--secure-port={self.port}", "--advertise-address=127.0.0.1",
             f"--cert-dir={folder}/certificates", f"--token-auth-file={folder}/tokens.csv",
             "--authorization-mode=RBAC",
             "--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
             "--service-account-issuer=https://kubernetes.default.svc",
             f"--service-account-key-file={folder}/accounts.key",
             f"--service-account-signing-key-file={folder}/accounts.key"],
            folder / "kube-apiserver.log")

    def kubectl(self, *words, stdin=None):
        """kubectl with these words; the finished process."""
        return subprocess.run(
            [BIN / "kubectl", "--kubeconfig=/dev/null", "--token=secret", "--insecure-skip-tls-verify",
             f"--server=https://127.0.0.1:{self.port}", f"--cache-dir={self.folder}/cache", *words],
            input=stdin, capture_output=True, text=True, timeout=120,
            env={key: value for key, value in os.environ.items() if "proxy" not in key.lower()})

    def wait(self):
        def is_ready():
            assert self.server.running(), self.server.log_text()[-3000:]
            return self.kubectl("get", "--raw", "/readyz").returncode == 0
        wait_for(is_ready, 120, 0.5, "the API server being ready")

    def stop(self):
        for process in (self.server, self.etcd):
            process.kill()


@pytest.fixture(scope="session")
def api_server(tmp_path_factory):
    if not (BIN / "kube-apiserver").exists():
        pytest.fail("tests/cluster/build_tools.sh kube-apiserver kubectl helm crds.yaml builds what "
                    "is missing", pytrace=False)
    server = ApiServer(tmp_path_factory.mktemp("api"))
    try:
        server.wait()
        taken = server.kubectl("apply", "--server-side", "--filename", str(BIN / "crds.yaml"))
        assert taken.returncode == 0, taken.stderr
        names = [one["metadata"]["name"] for one in
                 yaml.safe_load_all((BIN / "crds.yaml").read_text()) if one]
        known = server.kubectl("wait", "--for=condition=Established", "--timeout=60s",
                               *(f"crd/{name}" for name in names))
        assert known.returncode == 0, known.stderr
        yield server
    finally:
        server.stop()


def rendered(name):
    """The objects that a value set makes, hooks and tests too."""
    done = subprocess.run(
        [BIN / "helm", "template", "turnpike", TOP / "charts/turnpike", "--namespace", name,
         "--values", TOP / f"charts/turnpike/ci/{name}-values.yaml"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def namespace(server, name):
    """Makes one in which a pod that wants more than it should is refused, and warned of in others'
    templates."""
    levels = {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("enforce", "warn")}
    made = server.kubectl("apply", "--server-side", "--filename", "-", stdin=yaml.safe_dump(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": levels}}))
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("name", SETS)
def test_pl_61_the_api_server_takes_every_object(name, api_server):
    namespace(api_server, name)
    # A pod's account exists once a controller has made it, which does not run here.
    api_server.kubectl("--namespace", name, "create", "serviceaccount", "default")
    text = rendered(name)
    count = sum(1 for one in yaml.safe_load_all(text) if one)
    for attempt in ("first", "second"):
        taken = api_server.kubectl("--namespace", name, "apply", "--server-side",
                                   "--validate=strict", "--filename", "-", stdin=text)
        # Also what it takes, but warns of: fields that are out of date, pods below the level.
        assert (taken.returncode, taken.stderr) == (0, ""), attempt
        assert len(taken.stdout.splitlines()) == count


def test_pl_61_the_api_server_refuses_what_it_does_not_know(api_server):
    """That the test above means something."""
    namespace(api_server, "wrong")
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
              "metadata": {"name": "wrong"}, "spec": {"podSelector": {}, "policyTipes": ["Egress"]}}
    for wrong in ({**policy}, {**policy, "spec": {"podSelector": {}, "policyTypes": ["Out"]}}):
        refused = api_server.kubectl("--namespace", "wrong", "apply", "--server-side",
                                     "--validate=strict", "--filename", "-",
                                     stdin=yaml.safe_dump(wrong))
        assert refused.returncode != 0
        assert "polic" in refused.stderr
