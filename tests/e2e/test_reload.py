"""PL-31: a changed configuration is taken up while running, a bad one refused; what the accounts,
the rules, the gateways and our own requests say. And services.drain_delay (PL-7)."""

import copy
import os
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest

from gateways import PASSWORD, atrn, dequeue, gateway, login, queue_counts, submit
from peers.process import can_connect, free_port, wait_for
from peers.smtp import Client, Server, message
from peers.turnpike import SERVICES, Turnpike

ANN, BOB = "ann@office.test", "bob@office.test"
POLICY_KEY = "Bearer oyster-catcher"
RELOADED = "configuration taken up"
UNCHANGED = "configuration read again; nothing has changed"
REFUSED = "changed configuration is refused; the old one stays"
READERS = ("auth-service", "gateway-dequeue", "smtp-frontend")


@pytest.fixture(scope="module")
def sink():
    with Server(lmtp=True) as server:
        yield server


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def policy_port():
    return free_port()


@pytest.fixture(scope="module")
def turnpike(start, sink, secrets, policy_port):
    (secrets / "bob").write_text("{PLAIN}" + PASSWORD + "\n")
    (secrets / "policy").write_text(POLICY_KEY + "\n")
    return start(
        {
            "gateways": [gateway("customer.test")],
            "local_domains": [{"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}"}],
            "accounts": [{"address": ANN, "password": "{PLAIN}" + PASSWORD},
                         {"address": BOB, "password_file": str(secrets / "bob")}],
            "auth": {"account_failures_max": 1000000,
                     "pop_before_smtp": {"enabled": True,
                                         "policy_listen": f"127.0.0.1:{policy_port}",
                                         "policy_key_file": str(secrets / "policy")}},
            # Failures are what some of these tests are made of.
            "dynamic_screening": {"enabled": False},
        },
        {"mx": {"role": "smtp", "allow_cleartext_auth": True}, "odmr": {"role": "odmr"}})


def lines(turnpike, service, text):
    return [line for line in turnpike.log_lines(service) if line.get("text") == text]


def put(path, text):
    """Another file takes the place of `path`, as editors do it."""
    other = path.with_name(path.name + ".new")
    other.write_text(text)
    os.replace(other, path)


class Change:
    """Writes the document anew and waits until the services have said something of it; puts it back
    at the end of the block."""

    def __init__(self, turnpike, settings, text=RELOADED, services=READERS):
        self.turnpike, self.settings, self.text, self.services = turnpike, settings, text, services

    def __enter__(self):
        self.before = self.turnpike.settings
        self.write(self.settings, self.text)
        return self

    def write(self, settings, text=RELOADED):
        before = {service: len(lines(self.turnpike, service, text)) for service in self.services}
        self.turnpike.settings = settings
        other = self.turnpike.config.with_name("turnpike.new")
        self.turnpike.write_config(other)
        os.replace(other, self.turnpike.config)
        for service, count in before.items():
            wait_for(lambda: len(lines(self.turnpike, service, text)) > count, timeout=10,
                     what=f"{service} saying: {text}")

    def __exit__(self, *exc_info):
        if self.turnpike.settings != self.before:
            self.write(self.before, RELOADED if self.text == RELOADED else UNCHANGED)


def changed(turnpike, **more):
    settings = copy.deepcopy(turnpike.settings)
    settings.update(copy.deepcopy(more))
    return settings


def plain(turnpike, user, password=PASSWORD):
    """The code of the answer to AUTH PLAIN."""
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        return client.auth_plain(user, password)[:3]


def rcpt(turnpike, recipient):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.ask("MAIL FROM:<x@sender.test>")
        return client.ask(f"RCPT TO:<{recipient}>")[:3]


def test_pl_31_accounts_come_go_and_change_their_passwords(turnpike, sink):
    carl = {"address": "carl@office.test", "password": "{PLAIN}" + PASSWORD}
    assert plain(turnpike, ANN) == "235" and plain(turnpike, carl["address"]) == "535"
    others = [{"address": ANN, "password": "{PLAIN}another"}, carl]
    with Client(turnpike.ports["mx"]) as session:
        session.ehlo()
        assert session.auth_plain(ANN, PASSWORD).startswith("235")
        with Change(turnpike, changed(turnpike, accounts=others)):
            assert plain(turnpike, ANN) == "535"
            assert plain(turnpike, ANN, "another") == "235"
            assert plain(turnpike, carl["address"]) == "235"
            assert plain(turnpike, BOB) == "535"
            # A session that is open stays so, and so does who it is.
            content = message(1).replace(b"<ann@sender.test>", f"<{ANN}>".encode())
            assert session.mail(ANN, ["far@customer.test"], content).startswith("250")
            keys = lines(turnpike, "auth-service", RELOADED)[-1]["changed"]
            assert "accounts" in keys and "another" not in keys
    assert plain(turnpike, ANN) == "235" and plain(turnpike, carl["address"]) == "535"


def test_pl_31_an_exchange_in_progress_goes_on(turnpike):
    import base64
    with Client(turnpike.ports["mx"]) as session:
        session.ehlo()
        assert session.ask("AUTH LOGIN").startswith("334")
        assert session.ask(base64.b64encode(ANN.encode()).decode()).startswith("334")
        with Change(turnpike, changed(turnpike, hostname="other.turnpike.test")):
            answer = session.ask(base64.b64encode(PASSWORD.encode()).decode())
            assert answer.startswith("235"), answer


def test_pl_31_a_changed_secret_file_is_taken_up(turnpike, secrets):
    assert plain(turnpike, BOB) == "235"
    put(secrets / "bob", "{PLAIN}another\n")
    wait_for(lambda: plain(turnpike, BOB, "another") == "235", timeout=10)
    assert plain(turnpike, BOB) == "535"
    last = lines(turnpike, "auth-service", RELOADED)[-1]
    assert "accounts[1].password_file" in last["changed"]
    # Nobody else reads it.
    assert not any("password_file" in line["changed"]
                   for line in lines(turnpike, "gateway-dequeue", RELOADED))
    put(secrets / "bob", "{PLAIN}" + PASSWORD + "\n")
    wait_for(lambda: plain(turnpike, BOB) == "235", timeout=10)


def report(policy_port, key):
    request = urllib.request.Request(
        f"http://127.0.0.1:{policy_port}/?command=allow", data=b"{}",
        headers={"Authorization": key, "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def test_pl_31_the_mailbox_servers_key_and_address_change(turnpike, secrets, policy_port):
    assert report(policy_port, POLICY_KEY) == 200
    put(secrets / "policy", "Bearer another\n")
    wait_for(lambda: report(policy_port, "Bearer another") == 200, timeout=10)
    assert report(policy_port, POLICY_KEY) == 401
    put(secrets / "policy", POLICY_KEY + "\n")
    wait_for(lambda: report(policy_port, POLICY_KEY) == 200, timeout=10)
    other = free_port()
    auth = copy.deepcopy(turnpike.settings["auth"])
    auth["pop_before_smtp"]["policy_listen"] = f"127.0.0.1:{other}"
    with Change(turnpike, changed(turnpike, auth=auth)):
        assert report(other, POLICY_KEY) == 200
        with pytest.raises(ConnectionRefusedError):
            can_connect("127.0.0.1", policy_port)
    assert report(policy_port, POLICY_KEY) == 200


def test_pl_31_rules_change_for_the_next_question(turnpike):
    assert rcpt(turnpike, "x@partner.test") == "550"
    with Client(turnpike.ports["mx"]) as session:  # with the answer of before in its memory
        session.ehlo()
        assert session.ask("MAIL FROM:<x@sender.test>").startswith("250")
        assert session.ask("RCPT TO:<x@partner.test>").startswith("550")
        with Change(turnpike, changed(turnpike, relay_domains=["partner.test"])):
            assert session.ask("RCPT TO:<x@partner.test>").startswith("250")
            assert rcpt(turnpike, "x@partner.test") == "250"
        assert session.ask("RCPT TO:<y@partner.test>").startswith("550")
    assert rcpt(turnpike, "x@partner.test") == "550"


def test_pl_31_a_gateway_comes_changes_and_goes_with_mail_held(turnpike):
    mx, odmr = turnpike.ports["mx"], turnpike.ports["odmr"]
    assert rcpt(turnpike, "x@new.test") == "550"
    gateways = turnpike.settings["gateways"] + [gateway("new.test")]
    with Change(turnpike, changed(turnpike, gateways=gateways)) as change:
        contents = submit(mx, "new.test", 3)
        assert queue_counts(turnpike, "new.test")[0] == 3
        # Changed: no ATRN any more, and at most three messages.
        other = copy.deepcopy(turnpike.settings)
        other["gateways"][1]["atrn"]["enabled"] = False
        other["gateways"][1]["hold"] = {"max_messages": 3}
        change.write(other)
        assert rcpt(turnpike, "x@new.test") == "452"
        reply, _ = atrn(odmr, "new.test")
        assert reply.startswith("450"), reply
        # Gone: nobody has its login or its mail.
        change.write(changed(turnpike, gateways=gateways[:1]))
        assert rcpt(turnpike, "x@new.test") == "550"
        with Client(odmr) as client:
            client.ehlo()
            assert client.auth_cram_md5("new.test", PASSWORD).startswith("535")
        # What was held is there when it comes back.
        change.write(changed(turnpike, gateways=gateways))
        reply, server = atrn(odmr, "new.test")
        assert reply.startswith("250"), reply
        assert len(server.messages) == len(contents)
        assert queue_counts(turnpike, "new.test")[0] == 0


def test_pl_31_a_session_of_a_gateway_that_goes_is_finished(turnpike):
    gateways = turnpike.settings["gateways"] + [gateway("leaving.test")]
    begun, go_on = threading.Event(), threading.Event()

    def respond(stage, _text, _session):
        if stage == "mail" and not begun.is_set():
            begun.set()
            go_on.wait(20)
        return None

    with Change(turnpike, changed(turnpike, gateways=gateways)) as change:
        submit(turnpike.ports["mx"], "leaving.test", 2)
        client = login(turnpike.ports["odmr"], "leaving.test")
        server = Server(respond=respond)
        result = {}
        thread = threading.Thread(target=lambda: result.update(
            reply=atrn(turnpike.ports["odmr"], "leaving.test", server, client=client)[0]))
        thread.start()
        assert begun.wait(15)
        change.write(changed(turnpike, gateways=gateways[:1]))
        go_on.set()
        thread.join(30)
        assert result["reply"].startswith("250")
        assert len(server.messages) == 2


def test_pl_31_our_own_requests_come_and_go(turnpike):
    target = {"host": "127.0.0.1", "port": turnpike.ports["mx"], "tls": "none",
              "domains": ["open.test"]}
    gateways = turnpike.settings["gateways"] + [gateway("open.test", etrn={"require_auth": False})]

    def names():
        return [state.name for state in dequeue(turnpike, "ListRequests").requests]

    assert names() == []
    requests = [{"name": "one", **target}, {"name": "two", **target}]
    with Change(turnpike, changed(turnpike, gateways=gateways, requests=requests)) as change:
        assert names() == ["one", "two"]
        replies = dequeue(turnpike, "RequestNow", name="one").replies
        assert [reply.reply.code for reply in replies] == [251]
        change.write(changed(turnpike, requests=[{**requests[0], "domains": ["closed.test"]}]))
        assert names() == ["one"]
        replies = dequeue(turnpike, "RequestNow", name="one").replies
        assert [reply.reply.code for reply in replies] == [459]
        # What is remembered of it is still there.
        assert dequeue(turnpike, "ListRequests").requests[0].last_run.HasField("end_time")
        series = turnpike.metrics_text("gateway-dequeue")
        assert 'name="one"' in series and 'name="two"' not in series


def test_pl_31_a_bad_document_is_refused_and_the_old_one_stays(turnpike):
    bad = changed(turnpike, relay_domains=["partner.test"], acounts=[])
    with Change(turnpike, bad, REFUSED, SERVICES):
        for service in SERVICES:
            assert turnpike.metric(service, "turnpike_config_last_reload_successful") == 0
            told = lines(turnpike, service, REFUSED)[-1]["error"]
            assert str(turnpike.config) + ":" in told and "acounts" in told, told
        assert plain(turnpike, ANN) == "235" and rcpt(turnpike, "x@partner.test") == "550"
        count = len(lines(turnpike, "auth-service", REFUSED))
        time.sleep(2.5)  # it is not tried again before it changes
        assert len(lines(turnpike, "auth-service", REFUSED)) == count
    for service in SERVICES:
        wait_for(lambda: turnpike.metric(
            service, "turnpike_config_last_reload_successful") == 1, timeout=10)


def test_pl_31_a_bad_file_that_it_names_is_refused_too(turnpike, secrets):
    recipients = secrets / "recipients"
    recipients.write_text("ann@listed.test\n")
    gateways = turnpike.settings["gateways"] + [
        gateway("listed.test", recipients_file=str(recipients))]
    with Change(turnpike, changed(turnpike, gateways=gateways)):
        assert rcpt(turnpike, "bob@listed.test") == "550"
        put(recipients, "ann@listed.test\nno address\n")
        wait_for(lambda: turnpike.metric(
            "auth-service", "turnpike_config_last_reload_successful") == 0, timeout=10)
        told = lines(turnpike, "auth-service", REFUSED)[-1]["error"]
        assert "listed.test" in told and "line 2" in told, told
        assert rcpt(turnpike, "ann@listed.test") == "250"
        put(recipients, "bob@listed.test\n")
        wait_for(lambda: rcpt(turnpike, "bob@listed.test") == "250", timeout=10)
        assert turnpike.metric("auth-service", "turnpike_config_last_reload_successful") == 1


def test_pl_31_a_key_that_needs_a_restart_is_told(turnpike):
    told = "changed, but taken only at the next start of the service"
    settings = changed(turnpike)
    settings["spool"]["directory"] = "/nowhere"
    settings["auth"]["password_checks_max"] = 3
    with Change(turnpike, settings, told, SERVICES):
        for service in SERVICES:
            assert lines(turnpike, service, told)[-1]["changed"] == (
                "auth.password_checks_max, spool.directory")
            assert turnpike.metric(service, "turnpike_config_restart_needed") == 1
            assert turnpike.metric(service, "turnpike_config_last_reload_successful") == 1
    for service in SERVICES:
        assert turnpike.metric(service, "turnpike_config_restart_needed") == 0


def test_pl_31_sighup_has_the_files_read_at_once(turnpike):
    for service in SERVICES:
        before = len(lines(turnpike, service, UNCHANGED))
        os.kill(turnpike.processes[service].pid, signal.SIGHUP)
        wait_for(lambda: len(lines(turnpike, service, UNCHANGED)) == before + 1, timeout=5)
        assert turnpike.http(service, "/readyz") == 200


def test_pl_31_log_settings_change(turnpike):
    def hidden():
        plain(turnpike, ANN)
        return "#" in lines(turnpike, "auth-service", "authenticated")[-1]["account"]

    assert not hidden()
    with Change(turnpike, changed(turnpike, log={"redact_addresses": True})):
        wait_for(hidden, timeout=10)
    assert not hidden()


def test_pl_31_a_config_map_and_its_secrets_are_followed(tmp_path, sink):
    """The layout of a mounted ConfigMap: the names stay, and one symlink is swapped."""
    turnpike = Turnpike(tmp_path, {
        "local_domains": [{"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}"}],
        "accounts": [{"address": ANN, "password_file": "ann"}],
        "auth": {"account_failures_max": 1000000},
        "dynamic_screening": {"enabled": False},
    }, {"mx": {"role": "smtp", "allow_cleartext_auth": True}})
    mount = tmp_path / "mounted"
    mount.mkdir()

    def publish(version, password, **more):
        folder = mount / f"..{version}"
        folder.mkdir()
        turnpike.write_config(folder / "turnpike.yaml", {**turnpike.settings, **more})
        (folder / "ann").write_text("{PLAIN}" + password)
        (mount / "..data.new").symlink_to(folder.name)
        os.replace(mount / "..data.new", mount / "..data")

    for name in ("turnpike.yaml", "ann"):
        (mount / name).symlink_to(f"..data/{name}")
    publish("one", PASSWORD)
    turnpike.config = mount / "turnpike.yaml"
    with turnpike:
        assert plain(turnpike, ANN) == "235"
        # Only a secret, then only the document.
        publish("two", "another")
        wait_for(lambda: plain(turnpike, ANN, "another") == "235", timeout=10)
        publish("three", "another", relay_domains=["partner.test"])
        wait_for(lambda: rcpt(turnpike, "x@partner.test") == "250", timeout=10)


def test_pl_07_new_work_is_taken_during_the_drain_delay(start):
    turnpike = start({"gateways": [gateway("customer.test")],
                      "services": {"drain_delay": "3s", "drain_timeout": "5s"}})
    frontend = turnpike.processes["smtp-frontend"]
    begin = time.monotonic()
    frontend.child.send_signal(signal.SIGTERM)
    wait_for(lambda: turnpike.http("smtp-frontend", "/readyz") == 503, timeout=2)
    assert turnpike.http("smtp-frontend", "/livez") == 200
    submit(turnpike.ports["mx"], "customer.test", 1)
    assert time.monotonic() - begin < 3
    assert frontend.child.wait(20) == 0
    assert time.monotonic() - begin >= 3
    # A second signal ends it at once.
    auth = turnpike.processes["auth-service"]
    auth.child.send_signal(signal.SIGTERM)
    wait_for(lambda: turnpike.http("auth-service", "/readyz") == 503, timeout=2)
    auth.child.send_signal(signal.SIGTERM)
    assert auth.child.wait(2) == 1
