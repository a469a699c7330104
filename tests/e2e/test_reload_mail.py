"""PL-31: a changed configuration while mail comes in and goes out: listeners, certificates, limits,
routes, logins, name servers. Nothing that has begun is cut off."""

import copy
import os
import pathlib
import shutil
import socket
import ssl
import threading

import pytest

from delivery_site import (LISTENERS, attempts, dns, hosts, mailboxes, send, settings,  # noqa: F401
                           well_behaved)
from gateways import REMOTE, gateway, list_deliveries, queue_counts
from peers import balancer
from peers.certificates import Authority
from peers.process import can_connect, free_port, wait_for
from peers.smtp import Client, Server, message, stuff
from peers.smtp_auth import Logins

RELOADED = "configuration taken up"
REFUSED = "changed configuration is refused; the old one stays"


def told(turnpike, service, text):
    return len([line for line in turnpike.log_lines(service) if line.get("text") == text])


def put(path, content):
    """Another file takes the place of `path`, as editors and certificate tools do it."""
    other = pathlib.Path(f"{path}.new")
    other.write_bytes(content)
    os.replace(other, path)


def change(turnpike, service, edit, text=RELOADED):
    """Has `edit` change the settings, writes them, and waits until the service has said `text`."""
    before = told(turnpike, service, text)
    turnpike.settings = copy.deepcopy(turnpike.settings)
    edit(turnpike.settings)
    other = turnpike.config.with_name("turnpike.new")
    turnpike.write_config(other)
    os.replace(other, turnpike.config)
    wait_for(lambda: told(turnpike, service, text) > before, timeout=15,
             what=f"{service} saying: {text}")


# ----------------------------------------------------------------------------------------- frontend

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def files(tmp_path_factory, authority):
    """The certificate's files as the configuration names them."""
    folder = tmp_path_factory.mktemp("served")
    served = authority.issue("gate.turnpike.test", days=30)
    shutil.copy(served.certificate_file, folder / "tls.crt")
    shutil.copy(served.key_file, folder / "tls.key")
    return {"certificate_file": str(folder / "tls.crt"), "key_file": str(folder / "tls.key")}


@pytest.fixture(scope="module")
def turnpike(start, files):
    return start({"gateways": [gateway("customer.test")]},
                 {"mx": {"role": "smtp", "tls": files},
                  "tls": {"role": "smtp", "tls": files, "implicit_tls": True}})


def served(turnpike, listener):
    """The certificate of a new handshake, in DER."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", turnpike.ports[listener]), timeout=10) as plain:
        if listener == "mx":
            plain.recv(500)
            plain.sendall(b"EHLO c\r\n")
            plain.recv(2000)
            plain.sendall(b"STARTTLS\r\n")
            assert plain.recv(500).startswith(b"220")
        with context.wrap_socket(plain) as tls:
            return tls.getpeercert(binary_form=True)


def der(certificate_file):
    text = pathlib.Path(certificate_file).read_text()
    return ssl.PEM_cert_to_DER_cert(text[:text.index("-----END CERTIFICATE-----")] +
                                    "-----END CERTIFICATE-----\n")


def not_after(turnpike):
    series = 'turnpike_certificate_not_after_timestamp_seconds{name="mx",use="smtp"}'
    [line] = [line for line in turnpike.metrics_text("smtp-frontend").splitlines()
              if line.startswith(series)]
    return float(line.rsplit(" ", 1)[1])


def test_pl_31_a_renewed_certificate_is_taken_for_new_handshakes(turnpike, files, authority):
    before = der(files["certificate_file"])
    assert served(turnpike, "mx") == served(turnpike, "tls") == before
    ends = not_after(turnpike)
    with Client(turnpike.ports["tls"], tls=True) as running:
        running.ehlo()
        count = told(turnpike, "smtp-frontend", RELOADED)
        renewed = authority.issue("gate.turnpike.test", days=90)
        put(files["key_file"], pathlib.Path(renewed.key_file).read_bytes())
        put(files["certificate_file"], pathlib.Path(renewed.certificate_file).read_bytes())
        wait_for(lambda: served(turnpike, "mx") == der(renewed.certificate_file), timeout=15)
        assert served(turnpike, "tls") == der(renewed.certificate_file)
        assert told(turnpike, "smtp-frontend", RELOADED) > count
        assert not_after(turnpike) > ends + 50 * 86400
        # Who came before goes on under the old one.
        assert running.mail("ann@sender.test", ["x@customer.test"], message(1)).startswith("250")


def test_pl_31_a_certificate_without_its_key_is_refused_and_the_old_one_serves(turnpike, files,
                                                                              authority):
    good = pathlib.Path(files["certificate_file"]).read_bytes()
    serving = der(files["certificate_file"])
    other = authority.issue("gate.turnpike.test")
    count = told(turnpike, "smtp-frontend", REFUSED)
    put(files["certificate_file"], pathlib.Path(other.certificate_file).read_bytes())
    wait_for(lambda: told(turnpike, "smtp-frontend", REFUSED) > count, timeout=15)
    line = [line for line in turnpike.log_lines("smtp-frontend") if line.get("text") == REFUSED][-1]
    assert files["key_file"] in line["error"], line
    assert turnpike.metric("smtp-frontend", "turnpike_config_last_reload_successful") == 0
    assert served(turnpike, "mx") == served(turnpike, "tls") == serving
    put(files["certificate_file"], good)
    wait_for(lambda: turnpike.metric(
        "smtp-frontend", "turnpike_config_last_reload_successful") == 1, timeout=15)


def test_pl_31_new_sessions_go_by_new_values_and_running_ones_by_theirs(turnpike):
    with Client(turnpike.ports["mx"]) as running:
        assert "gate.turnpike.test" in running.greeting
        running.ehlo()
        running.ask("MAIL FROM:<ann@sender.test>")
        running.ask("RCPT TO:<x@customer.test>")
        running.ask("DATA")

        def edit(document):
            document["hostname"] = "other.turnpike.test"
            document["smtp"].update(message_bytes_max="100KiB", recipients_max=100,
                                    idle_timeout="2s", errors_max=2)

        change(turnpike, "smtp-frontend", edit)
        with Client(turnpike.ports["mx"]) as new:
            assert "other.turnpike.test" in new.greeting
            assert new.ehlo()["SIZE"] == str(100 << 10)
            assert new.ask("NONSENSE").startswith("500") and new.ask("NONSENSE")[:3] in ("500", "421")
        with Client(turnpike.ports["mx"]) as new:
            assert new.reply().startswith("421 4.4.2"), "silence is shorter now"
        # This one may be larger and slower.
        running.send(stuff(message(2, size=200_000)) + b".\r\n")
        assert running.reply().startswith("250 2.0.0")

    def back(document):
        document["hostname"] = "gate.turnpike.test"
        for key in ("message_bytes_max", "recipients_max", "idle_timeout", "errors_max"):
            del document["smtp"][key]

    change(turnpike, "smtp-frontend", back)


def test_pl_31_limits_and_balancers_change(turnpike):
    def count_refused(reason):
        return turnpike.metric("smtp-frontend", "turnpike_smtp_connections_refused_total",
                               listener="mx", reason=reason)

    with Client(turnpike.ports["mx"], source="127.0.0.41") as running:
        def limit(document):
            document["smtp"]["connections_per_address_max"] = 1
            document["smtp"]["listeners"][0]["proxy_protocol_from"] = ["127.0.0.42"]

        change(turnpike, "smtp-frontend", limit)
        with Client(turnpike.ports["mx"], source="127.0.0.41") as second:
            assert second.greeting.startswith("421")
        assert count_refused("address_limit") == 1
        running.ehlo()
        with balancer.connect(turnpike.ports["mx"], balancer.line("192.0.2.9"), "127.0.0.42") as raw:
            assert raw.recv(500).startswith(b"220")
    wait_for(lambda: any(line.get("client") == "192.0.2.9"
                         for line in turnpike.log_lines("smtp-frontend")))

    def back(document):
        del document["smtp"]["connections_per_address_max"]
        del document["smtp"]["listeners"][0]["proxy_protocol_from"]

    change(turnpike, "smtp-frontend", back)


def test_pl_31_listeners_come_and_go(turnpike):
    port = free_port()
    turnpike.ports["extra"] = port

    def add(document):
        document["smtp"]["listeners"].append(
            {"name": "extra", "role": "smtp", "listen": f"127.0.0.1:{port}"})

    change(turnpike, "smtp-frontend", add)
    with Client(port) as running:
        running.ehlo()
        change(turnpike, "smtp-frontend", lambda document: document["smtp"]["listeners"].pop())
        with pytest.raises(OSError):
            can_connect("127.0.0.1", port)
        assert running.mail("ann@sender.test", ["x@customer.test"], message(3)).startswith("250")
    with socket.create_server(("127.0.0.1", port)):
        # Somebody else has it now: the change is refused, and nothing else of it is taken.
        def taken(document):
            add(document)
            document["hostname"] = "other.turnpike.test"

        change(turnpike, "smtp-frontend", taken, REFUSED)
        with Client(turnpike.ports["mx"]) as client:
            assert "gate.turnpike.test" in client.greeting

    def back(document):
        document["smtp"]["listeners"].pop()
        document["hostname"] = "gate.turnpike.test"

    turnpike.settings = copy.deepcopy(turnpike.settings)
    back(turnpike.settings)
    turnpike.write_config()
    wait_for(lambda: turnpike.metric(
        "smtp-frontend", "turnpike_config_last_reload_successful") == 1, timeout=15)


def test_pl_31_no_message_is_lost_or_cut_by_change_after_change(turnpike):
    """Under load, with a change of the certificate's files or the document at each turn."""
    held = queue_counts(turnpike, "customer.test")[0]
    stopping = threading.Event()
    problems, sent = [], []

    def write(tls):
        number = 0
        while not stopping.is_set():
            number += 1
            try:
                with Client(turnpike.ports["tls" if tls else "mx"], tls=tls) as client:
                    client.ehlo()
                    for _ in range(5):
                        answer = client.mail("ann@sender.test", ["x@customer.test"], message(number))
                        (sent if answer.startswith("250") else problems).append(answer)
            except OSError as error:
                problems.append(repr(error))

    writers = [threading.Thread(target=write, args=(n % 2 == 0,), daemon=True) for n in range(4)]
    for writer in writers:
        writer.start()
    for turn in range(6):
        change(turnpike, "smtp-frontend", lambda document: document["smtp"].update(
            message_bytes_max=f"{20 + turn}MiB", connections_max=1000 + turn))
    stopping.set()
    for writer in writers:
        writer.join(20)
    assert not problems, problems[:3]
    assert len(sent) > 50
    assert queue_counts(turnpike, "customer.test")[0] == held + len(sent)


# ----------------------------------------------------------------------------------------- delivery

class Relay(Server):
    """A smart host that wants a login, and remembers each that it was shown."""

    def __init__(self, password, **more):
        self.logins = Logins({"us": password}, ("PLAIN",))
        super().__init__(self.logins, capabilities=["PIPELINING", self.logins.capability], **more)

    def taken(self, recipient):
        return [m for m in self.messages if any(f"<{recipient}>" in rcpt for rcpt in m.rcpts)]


@pytest.fixture(scope="module")
def sender(start, hosts, dns, mailboxes):
    return start(settings(hosts, dns, mailboxes, {"idle_timeout": "60s"}), LISTENERS)


@pytest.fixture
def direct(sender):
    """What these tests begin with, and what is put back after each."""
    before = copy.deepcopy(sender.settings)
    yield sender
    change(sender, "outbound-delivery", lambda document: (document.clear(), document.update(before)))


def smart_host(relay, password):
    return {"host": "127.0.0.1", "port": relay.port,
            "auth": {"username": "us", "password": password, "allow_cleartext": True}}


def test_pl_31_connections_of_an_earlier_login_or_host_carry_no_new_mail(direct):
    with Relay("one") as relay, Relay("two") as other:
        change(direct, "outbound-delivery", lambda document: document["delivery"].update(
            mode="smart_host", smart_host=smart_host(relay, "one")))
        for number in range(3):
            send(direct, f"a{number}@anywhere.test")
        wait_for(lambda: len(relay.messages) == 3)
        opened = relay.connections  # they stay open for a minute
        relay.logins.users["us"] = "new"
        change(direct, "outbound-delivery", lambda document: document["delivery"].update(
            smart_host=smart_host(relay, "new")))
        send(direct, "b@anywhere.test")
        wait_for(lambda: relay.taken("b@anywhere.test"))
        assert relay.connections > opened, "over a connection with the new login"
        change(direct, "outbound-delivery", lambda document: document["delivery"].update(
            smart_host=smart_host(other, "two")))
        send(direct, "c@anywhere.test")
        wait_for(lambda: other.taken("c@anywhere.test"))
        assert not relay.taken("c@anywhere.test")


def test_pl_31_a_message_on_its_way_is_finished_and_what_waits_goes_by_the_new_route(direct, hosts):
    on_its_way, may_end = threading.Event(), threading.Event()

    def slow(stage, text, session):
        if stage == "end":
            on_its_way.set()
            may_end.wait(20)

    hosts.behaviour[11] = slow
    change(direct, "outbound-delivery", lambda document: document["delivery"].update(
        connections_per_destination_max=1, data_timeout="30s"))
    send(direct, "first@many.remote.test")
    assert on_its_way.wait(10)
    for number in range(4):
        send(direct, f"later{number}@many.remote.test")
    with Relay("one") as relay:
        change(direct, "outbound-delivery", lambda document: document["delivery"].update(
            routes=[{"domains": ["many.remote.test"], "smart_host": smart_host(relay, "one")}]))
        wait_for(lambda: len(relay.messages) == 4, what="the new route having what waited")
        assert not hosts.taken(11, "first@many.remote.test")
        may_end.set()
        wait_for(lambda: hosts.taken(11, "first@many.remote.test"))
        wait_for(lambda: not list_deliveries(direct, REMOTE, "many.remote.test"))
        assert len(hosts.taken(11, "first@many.remote.test")) == 1 and len(relay.messages) == 4


def test_pl_31_retries_and_tls_go_by_the_new_rules_from_the_next_attempt_on(direct, hosts):
    hosts.behaviour[11] = lambda stage, text, session: \
        "450 4.2.1 not now" if stage == "rcpt" else None
    change(direct, "outbound-delivery", lambda document: document["retry"].update(
        first_interval="2d", first_period="3d", interval="2d"))
    send(direct, "x@busy.remote.test")
    waiting = attempts(direct, "busy.remote.test")
    assert waiting.next_attempt_time.seconds - waiting.received_time.seconds > 86400
    change(direct, "outbound-delivery", lambda document: document["retry"].update(
        first_interval="1s", interval="1s"))
    send(direct, "y@full.remote.test")
    attempts(direct, "full.remote.test", 3)
    hosts.behaviour.clear()
    wait_for(lambda: hosts.taken(11, "y@full.remote.test"))
    change(direct, "outbound-delivery", lambda document: document["delivery"].update(tls="required"))
    send(direct, "z@later.remote.test")
    assert b"TLS" in attempts(direct, "later.remote.test").last_outcomes[0].reply.text
    change(direct, "outbound-delivery",
           lambda document: document["delivery"].update(tls="opportunistic"))
    wait_for(lambda: hosts.taken(11, "z@later.remote.test"))


def test_pl_31_authorities_in_a_changed_file_are_taken_up(direct, tmp_path):
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    authorities = tmp_path / "authorities.pem"
    shutil.copy(first.file, authorities)
    certificate = second.issue("localhost", addresses=("127.0.0.1",))
    with Server(capabilities=["PIPELINING"], tls=certificate.server_context()) as relay:
        change(direct, "outbound-delivery", lambda document: document["delivery"].update(
            mode="smart_host", authorities_file=str(authorities),
            smart_host={"host": "127.0.0.1", "port": relay.port, "tls": "starttls"}))
        send(direct, "x@anywhere.test")
        attempts(direct, "anywhere.test")
        assert not relay.messages
        put(authorities, pathlib.Path(first.file).read_bytes() +
            pathlib.Path(second.file).read_bytes())
        wait_for(lambda: relay.messages, timeout=20)
        # What is no certificate is refused, and those that were there still count.
        put(authorities, b"no certificate\n")
        wait_for(lambda: direct.metric(
            "outbound-delivery", "turnpike_config_last_reload_successful") == 0, timeout=15)
        send(direct, "y@anywhere.test")
        wait_for(lambda: len(relay.messages) == 2)
        put(authorities, pathlib.Path(second.file).read_bytes())
        wait_for(lambda: direct.metric(
            "outbound-delivery", "turnpike_config_last_reload_successful") == 1, timeout=15)


def test_pl_31_other_name_servers_are_asked(direct, dns, hosts):
    change(direct, "outbound-delivery", lambda document: document["dns"].update(
        servers=[f"127.0.0.1:{free_port()}"], timeout="1s"))
    send(direct, "x@gone.remote.test")
    attempts(direct, "gone.remote.test")
    assert not hosts.taken(11, "x@gone.remote.test")
    change(direct, "outbound-delivery", lambda document: document["dns"].update(
        servers=[dns.server]))
    wait_for(lambda: hosts.taken(11, "x@gone.remote.test"))
