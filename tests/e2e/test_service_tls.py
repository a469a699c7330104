"""PL-40: the services talk to each other by mutual TLS, and each lets in only whom it needs."""

import shutil
import subprocess
import threading
import time

import grpc
import pytest

from gateways import PASSWORD, atrn, gateway, login, protos, submit
from peers.certificates import Authority
from peers.identities import SERVICES, Identities
from peers.process import wait_for
from peers.smtp import Client, Server, message
from peers.turnpike import binary, ctl

protos()

from protos.turnpike.spool.v1 import spool_pb2  # noqa: E402

LIST_QUEUES = "/turnpike.spool.v1.SpoolService/ListQueues"
HEALTH = "/grpc.health.v1.Health/Check"
# Twice the time after which files are looked at (10 s), with a busy machine's.
ROTATION = 60


@pytest.fixture(scope="module")
def identities(tmp_path_factory):
    return Identities(tmp_path_factory.mktemp("identities"))


@pytest.fixture(scope="module")
def mailbox():
    with Server(lmtp=True) as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(start, identities, mailbox):
    return start(
        {"gateways": [gateway("customer.test")],
         "accounts": [{"address": "bob@office.test", "password": "{PLAIN}" + PASSWORD}],
         "local_domains": [
             {"domain": "office.test", "mailbox_server": f"127.0.0.1:{mailbox.port}"}],
         "services": {"tls": identities.settings(), "reflection": True}},
        {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})


def ask(channel, method=LIST_QUEUES, request=b""):
    """How a call ends: the name of its status."""
    with channel:
        try:
            channel.unary_unary(method)(request, timeout=10)
        except grpc.RpcError as error:
            return error.code().name
    return "OK"


def shown_certificate(identities, port):
    """What a server shows in a new handshake, in PEM."""
    folder = identities.directory / "turnpikectl"
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-alpn", "h2",
         "-cert", folder / "tls.crt", "-key", folder / "tls.key"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=20).stdout.decode(errors="replace")
    return shown[shown.index("-----BEGIN"):shown.index("-----END")].strip()


def first_certificate(path):
    text = path.read_text()
    return text[text.index("-----BEGIN"):text.index("-----END")].strip()


def test_pl_40_mail_goes_its_whole_way_between_services_with_certificates(turnpike, mailbox):
    contents = submit(turnpike.ports["mx"], "customer.test", 3)
    reply, taken = atrn(turnpike.ports["odmr"], "customer.test")
    assert reply.startswith("250"), reply
    assert len(taken.messages) == len(contents)
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.mail("ann@sender.test", ["bob@office.test"], message(7)).startswith("250")
    wait_for(lambda: mailbox.messages, 30, what="the mailbox server having it")
    gateways = turnpike.ctl_json("gateways")
    assert [one["domain"] for one in gateways] == ["customer.test"]


def test_pl_40_nobody_without_the_right_certificate_gets_in(turnpike, identities, tmp_path):
    port = turnpike.ports["spool-store"]
    plain = grpc.insecure_channel(f"127.0.0.1:{port}")
    assert ask(plain) == "UNAVAILABLE", "plain text"
    assert ask(identities.channel(port)) == "UNAVAILABLE", "no certificate"
    other = identities.issue("turnpikectl", authority=Authority(tmp_path / "other"),
                             folder=tmp_path / "foreign")
    assert ask(identities.channel(port, other)) == "UNAVAILABLE", "of another authority"
    expired = identities.issue("turnpikectl", days=-1, folder=tmp_path / "expired")
    assert ask(identities.channel(port, expired)) == "UNAVAILABLE", "expired"
    elsewhere = identities.issue("turnpikectl", trust_domain="elsewhere",
                                 folder=tmp_path / "elsewhere")
    assert ask(identities.channel(port, elsewhere)) == "PERMISSION_DENIED", "of another domain"
    stranger = identities.issue("stranger", folder=tmp_path / "stranger")
    assert ask(identities.channel(port, stranger)) == "PERMISSION_DENIED", "of no service"
    assert ask(identities.channel(port, stranger), HEALTH) == "PERMISSION_DENIED"
    assert ask(identities.channel(port, identities.directory / "turnpikectl")) == "OK"


@pytest.mark.parametrize(
    "service, caller, method, verdict",
    [("spool-store", "turnpikectl", LIST_QUEUES, "OK"),
     ("spool-store", "outbound-delivery", LIST_QUEUES, "PERMISSION_DENIED"),
     ("spool-store", "turnpikectl", "/turnpike.spool.v1.SpoolService/Enqueue",
      "PERMISSION_DENIED"),
     ("spool-store", "auth-service", "/turnpike.spool.v1.SpoolService/Lease",
      "PERMISSION_DENIED"),
     ("auth-service", "gateway-dequeue", "/turnpike.auth.v1.SessionService/Ask",
      "PERMISSION_DENIED"),
     ("gateway-dequeue", "outbound-delivery", "/turnpike.dequeue.v1.DequeueService/ListGateways",
      "PERMISSION_DENIED"),
     ("smtp-frontend", "auth-service", "/turnpike.frontend.v1.FrontendService/ListSessions",
      "PERMISSION_DENIED"),
     ("outbound-delivery", "spool-store",
      "/turnpike.delivery.v1.DeliveryService/ListDestinations", "PERMISSION_DENIED"),
     *((service, "smtp-frontend", HEALTH, "OK") for service in SERVICES[:-1])])
def test_pl_40_a_service_may_call_only_what_it_needs(turnpike, identities, service, caller, method,
                                                     verdict):
    before = turnpike.metric(service, "turnpike_grpc_denied_total")
    folder = identities.directory / caller
    assert ask(identities.channel(turnpike.ports[service], folder), method) == verdict
    denied = turnpike.metric(service, "turnpike_grpc_denied_total") - before
    assert denied == (verdict == "PERMISSION_DENIED")


def test_pl_40_denials_are_logged_with_who_and_what(turnpike, identities):
    time.sleep(1.1)  # no more than one line a second
    folder = identities.directory / "auth-service"
    assert ask(identities.channel(turnpike.ports["spool-store"], folder)) == "PERMISSION_DENIED"
    wait_for(lambda: [line for line in turnpike.log_lines("spool-store")
                      if line.get("text") == "call denied" and line["method"] == LIST_QUEUES
                      and line["caller"] == "spiffe://turnpike/auth-service"])


def test_pl_40_reflection_is_for_operators_only(turnpike, identities):
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

    def reflect(caller):
        folder = identities.directory / caller
        with identities.channel(turnpike.ports["spool-store"], folder) as channel:
            try:
                # ListServices.
                return next(channel.stream_stream(path)(iter([b"\x3a\x00"]), timeout=10))
            except grpc.RpcError as error:
                return error.code().name
    assert b"turnpike.spool.v1.SpoolService" in reflect("turnpikectl")
    assert reflect("smtp-frontend") == "PERMISSION_DENIED"


def test_pl_40_a_server_with_another_name_is_not_trusted(turnpike, identities):
    place = f"localhost:{turnpike.ports['spool-store']}"  # the certificate has 127.0.0.1
    result = ctl("--tls-directory", identities.directory, "--spool-store", place, "queues")
    assert result.returncode != 0
    assert f"cannot reach spool-store at {place}" in result.stderr


def test_pl_40_turnpikectl_shows_its_certificate_without_a_configuration(turnpike, identities):
    place = ("--spool-store", f"127.0.0.1:{turnpike.ports['spool-store']}")
    nowhere = {"TURNPIKE_CONFIG": "/nonexistent"}
    assert ctl("--tls-directory", identities.directory, *place, "queues",
               env=nowhere).returncode == 0
    assert ctl(*place, "queues",
               env={**nowhere, "TURNPIKE_TLS_DIRECTORY": str(identities.directory)}).returncode == 0
    plain = ctl(*place, "queues", env=nowhere)
    assert plain.returncode != 0 and "cannot reach spool-store" in plain.stderr
    missing = ctl("--tls-directory", "/nonexistent", *place, "queues", env=nowhere)
    assert missing.returncode != 0 and "/nonexistent/turnpikectl/tls.crt" in missing.stderr


def test_pl_40_certificates_are_replaced_under_load(turnpike, identities):
    refused = []
    sent = [0]
    stop = threading.Event()

    def load():
        while not stop.is_set():
            with Client(turnpike.ports["mx"]) as client:
                client.ehlo()
                for _ in range(20):
                    answer = client.mail("ann@sender.test", ["x@customer.test"], message(1))
                    sent[0] += 1
                    if not answer.startswith("250"):
                        refused.append(answer)
    before = {service: turnpike.metric(service, "turnpike_certificate_not_after_timestamp_seconds",
                                       use="grpc") for service in SERVICES[:-1]}
    sender = threading.Thread(target=load)
    sender.start()
    try:
        for service in SERVICES:
            identities.issue(service, days=60)
        for service in SERVICES[:-1]:
            fresh = first_certificate(identities.directory / service / "tls.crt")
            wait_for(lambda: shown_certificate(identities, turnpike.ports[service]) == fresh,
                     ROTATION, interval=0.5, what=f"{service} showing its new certificate")
            assert turnpike.metric(service, "turnpike_certificate_not_after_timestamp_seconds",
                                   use="grpc") - before[service] > 29 * 24 * 3600
        # Connections that are new since then.
        turnpike.kill("gateway-dequeue")
        turnpike.restart("gateway-dequeue")
        login(turnpike.ports["odmr"], "customer.test").close()
    finally:
        stop.set()
        sender.join()
    assert not refused and sent[0] > 100
    client = login(turnpike.ports["odmr"], "customer.test")
    wait_for(lambda: client.ask("ATRN").startswith("250"), 20, 0.2, "gateway-dequeue found again")
    with Server() as taken:
        taken.serve(client.socket)
        assert len(taken.messages) == sent[0]


def test_pl_40_a_bad_certificate_is_not_taken_up(turnpike, identities):
    service = "auth-service"
    metric = "turnpike_grpc_certificate_last_refresh_successful"
    folder = identities.directory / service
    good = first_certificate(folder / "tls.crt")
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    assert turnpike.metric(service, metric) == 1
    (folder / "tls.crt").write_bytes((identities.directory / "smtp-frontend/tls.crt").read_bytes())
    wait_for(lambda: turnpike.metric(service, metric) == 0, ROTATION, what="the refusal")
    assert [line for line in turnpike.log_lines(service)
            if "not taken up" in line["text"] and str(folder / "tls.key") in line["error"]]
    time.sleep(3)  # gRPC itself would have looked by now
    assert shown_certificate(identities, turnpike.ports[service]) == good
    folder_of_caller = identities.directory / "turnpikectl"
    assert ask(identities.channel(turnpike.ports[service], folder_of_caller), HEALTH) == "OK"
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    wait_for(lambda: turnpike.metric(service, metric) == 1, ROTATION, what="taking it back")


def _missing(identities, folder):
    (folder / "tls.key").unlink()
    return "tls.key"


def _other_key(identities, folder):
    shutil.copy(identities.directory / "smtp-frontend/tls.key", folder / "tls.key")
    return "tls.key: is not the key of the certificate"


def _other_service(identities, folder):
    shutil.copytree(identities.directory / "smtp-frontend", folder, dirs_exist_ok=True)
    return "URI name is spiffe://turnpike/smtp-frontend; it must be spiffe://turnpike/spool-store"


def _expired(identities, folder):
    identities.issue("spool-store", days=-1, folder=folder.parent)
    return "tls.crt: the certificate was good until"


def _no_authority(identities, folder):
    (folder / "ca.crt").write_text("")
    return "ca.crt: holds no certificate"


@pytest.mark.parametrize("spoil", [_missing, _other_key, _other_service, _expired, _no_authority])
def test_pl_40_bad_files_are_an_error_at_start_and_in_check(turnpike, identities, tmp_path, spoil):
    shutil.copytree(identities.directory, tmp_path / "services")
    text = spoil(identities, tmp_path / "services" / "spool-store")
    settings = {**turnpike.settings, "services": {
        **turnpike.settings["services"],
        "tls": {"directory": str(tmp_path / "services")}}}
    config = tmp_path / "turnpike.yaml"
    turnpike.write_config(config, settings)
    for flags in (["--check"], []):
        ended = subprocess.run([binary("spool-store"), "--config", config, *flags],
                               capture_output=True, text=True, timeout=30)
        assert ended.returncode == 2, ended
        assert "services.tls.directory: " in ended.stderr and text in ended.stderr, ended
        assert f"{config}:" in ended.stderr
    # Another's files are none of its business.
    assert subprocess.run([binary("auth-service"), "--config", config, "--check"],
                          capture_output=True, timeout=30).returncode == 0


def test_pl_40_plain_text_across_machines_is_refused_unless_permitted(turnpike, tmp_path):
    def check(services):
        config = tmp_path / "turnpike.yaml"
        turnpike.write_config(config, {**turnpike.settings, "services": services})
        return subprocess.run([binary("spool-store"), "--config", config, "--check"],
                              capture_output=True, text=True, timeout=30)
    everywhere = {"spool_store": {"listen": "0.0.0.0:7101"}}
    refused = check(everywhere)
    assert refused.returncode == 2
    assert "services.spool_store.listen: is not loopback" in refused.stderr
    assert check({**everywhere, "allow_plaintext": True}).returncode == 0
    assert check({**everywhere, "tls": turnpike.settings["services"]["tls"]}).returncode == 0


def test_pl_40_running_out_of_descriptors_is_survived_with_certificates_too(turnpike, identities):
    import socket
    port = turnpike.ports["auth-service"]
    turnpike.kill("auth-service")
    turnpike.spawn("auth-service", prefix=("prlimit", "--nofile=80:80"))
    turnpike.wait_ready("auth-service")
    flood = []
    for _ in range(200):
        try:
            flood.append(socket.create_connection(("127.0.0.1", port), 1))
        except OSError:
            break
    for connection in flood:
        connection.close()
    folder = identities.directory / "smtp-frontend"
    wait_for(lambda: ask(identities.channel(port, folder), HEALTH) == "OK", 30,
             what="the server accepting again")
    turnpike.kill("auth-service")
    turnpike.restart("auth-service")
