"""AU-23: no secret in a log, a metric, a page, the process list or a core dump. Every password that the
services are told or shown is looked for in everything that they let out."""

import base64
import hashlib
import hmac
import os
import pathlib
import resource
import signal
import urllib.request

import pytest

from gateways import call, protos
from peers.process import wait_for
from peers.smtp import Client, Server
from peers.turnpike import SERVICES

# Words that occur nowhere else.
CONFIGURED, FILED, SHARED, TYPED, GATEWAYS = (
    "quokka-marzipan-71", "narwhal-zeppelin-38", "okapi-thimble-64", "wombat-lozenge-25",
    "axolotl-trombone-90")
ANN, BOB = "ann@office.test", "bob@office.test"


def forms(secret):
    """How a secret could show: as it is, and as clients send it."""
    octets = secret.encode()
    found = {octets, base64.b64encode(octets), octets.hex().encode(), octets[::-1]}
    for user in (ANN, BOB, "nobody@office.test", "customer.test"):
        found.add(base64.b64encode(f"\0{user}\0{secret}".encode()))
        found.add(base64.b64encode(f"{user}\0{user}\0{secret}".encode()))
    return found


def verifier():
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", SHARED.encode(), salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    encode = lambda octets: base64.b64encode(octets).decode()
    return (f"SCRAM-SHA-256$4096:{encode(salt)}${encode(stored)}:"
            f"{encode(hmac.digest(salted, b'Server Key', 'sha256'))}")


@pytest.fixture(scope="module")
def turnpike(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "bob").write_text("{PLAIN}" + FILED + "\n")
    # Whatever the process that starts them allows.
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    with Server(lmtp=True) as sink:
        yield start(
            {
                "gateways": [{"domain": "customer.test",
                              "atrn": {"enabled": True, "password": "{PLAIN}" + GATEWAYS}}],
                "local_domains": [
                    {"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}"}],
                "accounts": [{"address": ANN, "password": "{PLAIN}" + CONFIGURED},
                             {"address": BOB, "password_file": str(folder / "bob")},
                             {"address": "eve@office.test", "password": verifier()}],
                "auth": {"cram_md5": True},
                "log": {"level": "debug"},
                "services": {"reflection": True},
                "dynamic_screening": {"allow": ["127.0.0.0/8"]},
            },
            {"clear": {"role": "smtp", "allow_cleartext_auth": True}, "odmr": {"role": "odmr"}})


SECRETS = (CONFIGURED, FILED, SHARED, TYPED, GATEWAYS, verifier().split("$")[2])


def use_all(turnpike):
    """Every mechanism, with right and wrong passwords, cut off, cancelled, misspelt."""
    for user, password, code in ((ANN, CONFIGURED, "235"), (BOB, FILED, "235"),
                                 ("eve@office.test", SHARED, "235"), (ANN, TYPED, "535"),
                                 ("nobody@office.test", TYPED, "535")):
        with Client(turnpike.ports["clear"]) as client:
            client.ehlo()
            assert client.auth_plain(user, password).startswith(code), user
        with Client(turnpike.ports["clear"]) as client:
            client.ehlo()
            client.ask("AUTH LOGIN")
            client.ask(base64.b64encode(user.encode()).decode())
            assert client.ask(base64.b64encode(password.encode()).decode()).startswith(code)
        with Client(turnpike.ports["clear"]) as client:
            client.ehlo()
            answer = client.auth_cram_md5(user, password)
            assert answer.startswith("535" if user.startswith("eve") else code)
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        assert client.auth_cram_md5("customer.test", GATEWAYS).startswith("235")
    token = base64.b64encode(f"\0{ANN}\0{TYPED}".encode()).decode()
    for line in (f"AUTH PLAIN {token[:-2]}", f"AUTH PLAIN  {token}", f"AUTH {token}",
                 f"MAIL FROM:<{TYPED}>", f"AUTH NOSUCH {token}", token, f"{TYPED}"):
        with Client(turnpike.ports["clear"]) as client:
            client.ehlo()
            assert TYPED not in client.ask(line)
    with Client(turnpike.ports["clear"]) as client:  # hangs up in the midst
        client.ehlo()
        client.ask("AUTH PLAIN")
        client.send(token.encode())


def search(what, octets):
    for secret in SECRETS:
        for form in forms(secret):
            if form == TYPED[::-1].encode():
                continue
            assert form not in octets, f"{secret} in {what}"


def test_au_23_no_secret_in_logs_metrics_pages_and_process_lists(turnpike):
    use_all(turnpike)
    for path in sorted(turnpike.folder.glob("*.log")):
        # What is no command at all may be logged as such; a login must not.
        search(path.name, path.read_bytes())
    for service in SERVICES:
        for page in ("/metrics", "/livez", "/readyz", "/", "/config"):
            url = f"http://127.0.0.1:{turnpike.ports[service + '/metrics']}{page}"
            try:
                with urllib.request.urlopen(url, timeout=5) as response:
                    search(url, response.read())
            except urllib.error.HTTPError as error:
                search(url, error.read())
    for service in SERVICES:
        process = pathlib.Path(f"/proc/{turnpike.processes[service].child.pid}")
        for name in ("cmdline", "environ", "comm", "status"):
            search(f"{service}'s {name}", (process / name).read_bytes())


def test_au_23_no_secret_in_answers_of_the_services(turnpike):
    import grpc
    protos()
    from protos.turnpike.auth.v1 import admin_pb2
    from protos.turnpike.frontend.v1 import frontend_pb2  # noqa: F401
    reply = call(turnpike, "auth-service", "turnpike.auth.v1.AuthAdminService/ListScreenEntries",
                 admin_pb2.ListScreenEntriesRequest(), admin_pb2.ListScreenEntriesResponse)
    search("the screen", reply.SerializeToString())
    with pytest.raises(grpc.RpcError) as error:
        call(turnpike, "auth-service", "turnpike.auth.v1.AuthAdminService/ExplainVerdict",
             admin_pb2.ExplainVerdictRequest(client_address="x", listener="y", login=TYPED),
             admin_pb2.ExplainVerdictResponse)
    search("an error", str(error.value).encode())


def test_au_23_no_secret_in_the_configurations_errors(turnpike, tmp_path):
    import subprocess
    from peers.turnpike import binary
    for password in (CONFIGURED, "{SHA}" + CONFIGURED, "$argon2id$" + CONFIGURED,
                     "SCRAM-SHA-256$" + CONFIGURED):
        settings = {**turnpike.settings, "accounts": [{"address": ANN, "password": password}]}
        turnpike.write_config(tmp_path / "bad.yaml", settings)
        result = subprocess.run([binary("auth-service"), "--config", tmp_path / "bad.yaml",
                                 "--check_config"], capture_output=True, timeout=30)
        if result.returncode == 0:  # --check_config does not read verifiers: the start does
            result = subprocess.run([binary("auth-service"), "--config", tmp_path / "bad.yaml"],
                                    capture_output=True, timeout=30)
        assert result.returncode != 0
        search("an error", result.stdout + result.stderr)


@pytest.mark.parametrize("service", ["auth-service", "smtp-frontend"])
def test_au_23_no_core_dump(turnpike, service):
    """The process forbids it, whatever limits it was started with."""
    use_all(turnpike)
    process = turnpike.processes[service]
    limits = pathlib.Path(f"/proc/{process.child.pid}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"], line
    folder = pathlib.Path(os.readlink(f"/proc/{process.child.pid}/cwd"))
    before = set(folder.glob("core*"))
    process.child.send_signal(signal.SIGABRT)
    assert process.child.wait(30) == -signal.SIGABRT
    assert set(folder.glob("core*")) == before
    turnpike.restart(service)
    wait_for(lambda: _logs_in(turnpike), 15, what="the services finding each other again")


def _logs_in(turnpike):
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        return client.auth_plain(ANN, CONFIGURED).startswith("235")
