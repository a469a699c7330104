"""DL-20 to DL-25: the smart host with everything around it."""

import subprocess
import time

import pytest
import yaml

from delivery_site import (LISTENERS, attempts, dns, hosts, mailboxes, send, settings,  # noqa: F401
                           well_behaved)
from gateways import REMOTE, list_deliveries
from peers.certificates import Authority
from peers.dovecot import Dovecot
from peers.process import wait_for
from peers.smtp import Client, Server, message
from peers.smtp_auth import Logins
from peers.turnpike import binary

LOGIN = {"username": "turnpike", "password": "s3cret-tide"}


class Relay(Server):
    """A smart host that wants a login."""

    def __init__(self, users=None, mechanisms=("PLAIN",), then=None, tls=None):
        self.logins = Logins(users or {LOGIN["username"]: LOGIN["password"]}, mechanisms, then)
        super().__init__(self.logins, capabilities=["PIPELINING", "8BITMIME",
                                                    self.logins.capability], tls=tls)

    def taken(self, recipient):
        return [m for m in self.messages if any(f"<{recipient}>" in rcpt for rcpt in m.rcpts)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def relay_settings(hosts, dns, mailboxes, relay, delivery=None, **smart_host):
    more = {key: smart_host.pop(key) for key in ("accounts", "auth_rules") if key in smart_host}
    if "auth_rules" in more:
        more["auth"] = more.pop("auth_rules")
    return settings(hosts, dns, mailboxes, {
        "mode": "smart_host", **(delivery or {}),
        "smart_host": {"host": "127.0.0.1", "port": relay.port, **smart_host}}, **more)


def check(tmp_path, document):
    path = tmp_path / "turnpike.yaml"
    path.write_text(yaml.dump(document, sort_keys=False))
    result = subprocess.run([binary("outbound-delivery"), "--config", path, "--check"],
                            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
    return result.returncode, result.stdout + result.stderr


# ------------------------------------------------------------------------------------------ DL-20

@pytest.mark.parametrize("host, words", [
    ("gate.turnpike.test", "our own `hostname`"),
    ("office.test", "one of `local_domains`"),
    ("sender.test", "a gateway's domain"),
    ("127.0.0.5", "one of our own listeners"),
    ("[127.0.0.5]", "one of our own listeners"),
])
def test_dl_20_naming_one_of_our_own_is_an_error_at_load(tmp_path, host, words):
    document = {
        "hostname": "gate.turnpike.test",
        "smtp": {"listeners": [{"name": "mx", "role": "smtp", "listen": "127.0.0.5:2525"}]},
        "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:24"}],
        "gateways": [{"domain": "sender.test"}],
        "delivery": {"mode": "smart_host", "smart_host": {"host": host, "port": 2525}},
    }
    code, text = check(tmp_path, document)
    assert code == 2
    assert "delivery.smart_host.host: " in text and words in text, text
    document["delivery"]["smart_host"]["host"] = "relay.elsewhere.test"
    assert check(tmp_path, document)[0] == 0


def test_dl_20_a_name_and_a_port_are_used_as_they_are(start, hosts, dns, mailboxes):
    """The name has an MX record too, which does not count."""
    turnpike = start(settings(hosts, dns, mailboxes, {
        "mode": "smart_host",
        "smart_host": {"host": "one.equal.remote.test", "port": hosts.port}}), LISTENERS)
    send(turnpike, "x@anywhere.test")
    wait_for(lambda: hosts.taken(13, "x@anywhere.test"))


# ------------------------------------------------------------------------------------------ DL-21

@pytest.mark.parametrize("use_mx, number", [(True, 12), (False, 11)])
def test_dl_21_use_mx_in_both_positions(start, hosts, dns, mailboxes, use_mx, number):
    """`other` has an MX of its own, `nomx` an address."""
    name = "other.remote.test" if use_mx else "nomx.remote.test"
    turnpike = start(settings(hosts, dns, mailboxes, {
        "mode": "smart_host",
        "smart_host": {"host": name, "port": hosts.port, "use_mx": use_mx}}), LISTENERS)
    send(turnpike, f"mx-{use_mx}@anywhere.test")
    wait_for(lambda: hosts.taken(number, f"mx-{use_mx}@anywhere.test"))


def test_dl_21_the_next_mx_of_the_smart_host_when_the_first_is_away(start, hosts, dns, mailboxes):
    hosts.behaviour[11] = lambda stage, text, session: "421 away" if stage == "connect" else None
    turnpike = start(settings(hosts, dns, mailboxes, {
        "mode": "smart_host",
        "smart_host": {"host": "fallback.remote.test", "port": hosts.port, "use_mx": True}}),
        LISTENERS)
    send(turnpike, "second@anywhere.test")
    wait_for(lambda: hosts.taken(12, "second@anywhere.test"))


# ------------------------------------------------------------------------------------------ DL-22

@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"])
def test_dl_22_each_mechanism_logs_in(start, hosts, dns, mailboxes, mechanism):
    with Relay(mechanisms=[mechanism, "XUNKNOWN"]) as relay:
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay,
                                        auth={**LOGIN, "allow_cleartext": True}), LISTENERS)
        send(turnpike, "x@anywhere.test")
        wait_for(lambda: relay.taken("x@anywhere.test"))
        assert relay.logins.accepted[0] == ("turnpike", mechanism)


def test_dl_22_the_strongest_common_mechanism_of_a_real_mta(start, start_postfix, tmp_path, hosts,
                                                            dns, mailboxes):
    """Postfix with Dovecot's logins; it relays for nobody without one."""
    with Dovecot(tmp_path / "dovecot", {LOGIN["username"]: LOGIN["password"]},
                 mechanisms="plain login cram-md5 scram-sha-256") as dovecot:
        mta = start_postfix(["anywhere.test"], extra=(
            "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n"
            f"smtpd_sasl_path = {dovecot.auth_socket}\n"
            "smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n"
            "smtpd_relay_restrictions = permit_sasl_authenticated, reject\n"))
        turnpike = start(settings(hosts, dns, mailboxes, {
            "mode": "smart_host",
            "smart_host": {"host": "127.0.0.1", "port": mta.port, "auth": LOGIN}}), LISTENERS)
        send(turnpike, "bob@anywhere.test")
        mta.wait_messages(1)
        log = (mta.folder / "log" / "mail.log").read_text()
        assert "sasl_method=SCRAM-SHA-256, sasl_username=turnpike" in log


def test_dl_22_no_password_in_clear_without_tls_unless_allowed(start, hosts, dns, mailboxes):
    with Relay(mechanisms=["PLAIN", "LOGIN"]) as relay:
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay, auth=LOGIN), LISTENERS)
        send(turnpike, "x@careful.test")
        delivery = attempts(turnpike, "careful.test")
        assert b"no login that we may use" in delivery.last_outcomes[0].reply.text
        assert not any("AUTH" in line for lines in relay.transcripts for line in lines)
        assert turnpike.metric("outbound-delivery", "turnpike_delivery_logins_failed_total") >= 1
        assert turnpike.metric("outbound-delivery", "turnpike_delivery_failures_total",
                               reason="login") >= 1


def test_dl_22_a_password_in_clear_goes_under_tls(start, hosts, dns, mailboxes, authority):
    certificate = authority.issue("localhost", "relay.test")
    with Relay(mechanisms=["PLAIN"], tls=certificate.server_context()) as relay:
        turnpike = start(settings(hosts, dns, mailboxes, {
            "mode": "smart_host", "authorities_file": str(authority.file),
            "smart_host": {"host": "127.0.0.1", "port": relay.port, "auth": LOGIN}}), LISTENERS)
        send(turnpike, "x@anywhere.test")
        [taken] = wait_for(lambda: relay.taken("x@anywhere.test"))
        assert taken.tls
        lines = relay.transcripts[-1]
        assert lines.index("STARTTLS") < next(i for i, line in enumerate(lines) if "AUTH" in line)


@pytest.mark.parametrize("name, is_taken", [("relay.remote.test", True), ("other.test", False)])
def test_dl_22_the_smart_hosts_certificate_is_checked_where_that_is_wanted(
        start, hosts, dns, mailboxes, authority, name, is_taken):
    with Relay(mechanisms=["PLAIN"], tls=authority.issue(name).server_context()) as relay:
        turnpike = start(settings(hosts, dns, mailboxes, {
            "mode": "smart_host", "authorities_file": str(authority.file),
            "smart_host": {"host": "relay.remote.test", "port": relay.port, "tls": "starttls",
                           "auth": LOGIN}}), LISTENERS)
        send(turnpike, "x@checked.test")
        if is_taken:
            wait_for(lambda: relay.taken("x@checked.test"))
        else:
            delivery = attempts(turnpike, "checked.test")
            assert delivery.last_outcomes[0].reply.code // 100 == 4
            assert not relay.logins.accepted, "the password is not shown to a stranger"


def test_dl_22_a_refused_login_is_no_verdict_on_the_mail(start, hosts, dns, mailboxes):
    with Relay(users={"turnpike": "another"}, mechanisms=["CRAM-MD5"]) as relay:
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay, auth=LOGIN), LISTENERS)
        send(turnpike, "x@waits.test")
        delivery = attempts(turnpike, "waits.test")
        reply = delivery.last_outcomes[0].reply
        assert reply.code // 100 == 4 and b"535 5.7.8" in reply.text
        assert LOGIN["password"].encode() not in reply.text
        relay.logins.users["turnpike"] = LOGIN["password"]
        wait_for(lambda: relay.taken("x@waits.test"))


def test_dl_22_the_password_may_stand_in_a_file(start, hosts, dns, mailboxes, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(LOGIN["password"] + "\n")
    with Relay(mechanisms=["CRAM-MD5"]) as relay:
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay, auth={
            "username": "turnpike", "password_file": str(secret)}), LISTENERS)
        send(turnpike, "x@anywhere.test")
        wait_for(lambda: relay.taken("x@anywhere.test"))
        for log in turnpike.folder.glob("*.log"):
            assert LOGIN["password"] not in log.read_text(errors="replace")


# ------------------------------------------------------------------------------------------ DL-23

def pop_settings(dovecot, **more):
    return {"host": "127.0.0.1", "port": dovecot.port, "auth": LOGIN, **more}


def test_dl_23_the_pop_login_comes_first_and_once_a_window(start, hosts, dns, mailboxes, tmp_path):
    with Dovecot(tmp_path / "dovecot", {LOGIN["username"]: LOGIN["password"]},
                 mechanisms="plain cram-md5") as dovecot:
        seen = []
        relay = Server(lambda stage, text, session: seen.append(dovecot.logins("turnpike"))
                       if stage == "connect" else None)
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay, {"idle_timeout": "100ms"},
                                        pop_check=pop_settings(dovecot, every="3s")), LISTENERS)
        for number in range(3):
            send(turnpike, f"x{number}@anywhere.test")
            wait_for(lambda: len(relay.messages) == number + 1)
            time.sleep(0.3)
        assert len(seen) == 3 and dovecot.logins("turnpike") == 1, "one login for all three"
        assert "method=CRAM-MD5" in dovecot.log_text(), "not in clear"
        time.sleep(3)
        send(turnpike, "again@anywhere.test")
        wait_for(lambda: len(relay.messages) == 4)
        assert dovecot.logins("turnpike") == 2
        assert turnpike.metric("outbound-delivery", "turnpike_delivery_pop_checks_total",
                               result="ok") == 2
        relay.stop()


def test_dl_23_tls_is_used_where_it_is_offered(start, hosts, dns, mailboxes, tmp_path, authority):
    pair = authority.issue("pop.test")
    with Dovecot(tmp_path / "dovecot", {LOGIN["username"]: LOGIN["password"]},
                 certificate={"certificate_file": pair.certificate_file, "key_file": pair.key_file},
                 disable_plaintext=True) as dovecot, Server() as relay:
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay,
                                        pop_check=pop_settings(dovecot)), LISTENERS)
        send(turnpike, "x@anywhere.test")
        wait_for(lambda: relay.messages)
        line = next(line for line in dovecot.log_text().splitlines() if "Info: Login:" in line)
        assert "TLS" in line, line


@pytest.mark.parametrize("problem", ["wrong_password", "away"])
def test_dl_23_mail_is_retried_when_the_pop_login_fails(start, hosts, dns, mailboxes, tmp_path,
                                                        problem):
    dovecot = Dovecot(tmp_path / "dovecot", {LOGIN["username"]: "another"},
                      mechanisms="plain cram-md5")
    with Server() as relay:
        if problem == "wrong_password":
            dovecot.start()
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay,
                                        pop_check=pop_settings(dovecot, timeout="5s")), LISTENERS)
        send(turnpike, "x@patient.test")
        delivery = attempts(turnpike, "patient.test", timeout=30)
        assert b"POP3 login" in delivery.last_outcomes[0].reply.text
        assert relay.connections == 0
        assert turnpike.metric("outbound-delivery", "turnpike_delivery_pop_checks_total",
                               result="failed") >= 1
        dovecot.set_users({LOGIN["username"]: LOGIN["password"]})
        if problem == "away":
            dovecot.start()
        wait_for(lambda: relay.messages, timeout=40)
        dovecot.stop()


# ---------------------------------------------------------------------------------- DL-24, DL-25

ACCOUNTS = [
    {"address": "ann@office.test", "aliases": ["a.smith@office.test"], "password": "{PLAIN}anns-mail",
     "smart_host": {"username": "ann-at-relay", "password": "anns-relay"}},
    {"address": "bob@office.test", "password": "{PLAIN}bobs-mail"},
    {"address": "eve@office.test", "password": "{PLAIN}eves-mail",
     "smart_host": {"username": "eve-at-relay", "password": "eves-relay"}},
]
RELAY_USERS = {LOGIN["username"]: LOGIN["password"], "ann-at-relay": "anns-relay",
               "eve-at-relay": "eves-relay", "bob@office.test": "bobs-mail"}


class LoginRelay(Relay):
    """Notes with which login each message came."""

    def __init__(self):
        self.by_login = []
        super().__init__(RELAY_USERS, ["CRAM-MD5"], self._note)

    def _note(self, stage, text, session):
        if stage == "rcpt":
            self.by_login.append((session["login"][0], text.split("<")[1].split(">")[0],
                                  session["number"]))
        return time.sleep(0.02) if stage == "end" else None

    def login_of(self, recipient):
        return wait_for(lambda: [who for who, rcpt, _ in self.by_login if rcpt == recipient])[0]


def submit_as(turnpike, account, password, sender, recipient, number=1):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        if account:
            assert client.auth_plain(account, password).startswith("235")
        answer = client.mail(sender, [recipient], message(number).replace(
            b"From: Ann <ann@sender.test>", f"From: <{sender}>".encode()))
        assert answer.startswith("250"), answer


def test_dl_24_each_account_goes_with_its_own_login(start, hosts, dns, mailboxes):
    with LoginRelay() as relay:
        turnpike = start(relay_settings(
            hosts, dns, mailboxes, relay, auth=LOGIN, per_account_auth=True, accounts=ACCOUNTS,
            auth_rules={"require_for_local_senders": False}), LISTENERS)
        submit_as(turnpike, "ann@office.test", "anns-mail", "ann@office.test", "r1@far.test")
        assert relay.login_of("r1@far.test") == "ann-at-relay"
        submit_as(turnpike, "ann@office.test", "anns-mail", "a.smith@office.test", "r2@far.test")
        assert relay.login_of("r2@far.test") == "ann-at-relay"
        submit_as(turnpike, "bob@office.test", "bobs-mail", "bob@office.test", "r3@far.test")
        assert relay.login_of("r3@far.test") == "turnpike", "no login of its own"
        send(turnpike, "r4@far.test")
        assert relay.login_of("r4@far.test") == "turnpike", "a gateway's mail"
        submit_as(turnpike, None, None, "eve@office.test", "r5@far.test")
        assert relay.login_of("r5@far.test") == "eve-at-relay", "by its return path"


def test_dl_24_connections_of_different_logins_are_never_mixed(start, hosts, dns, mailboxes):
    with LoginRelay() as relay:
        turnpike = start(relay_settings(hosts, dns, mailboxes, relay, auth=LOGIN,
                                        per_account_auth=True, accounts=ACCOUNTS), LISTENERS)
        expected = {}
        for number in range(30):
            who, login = [("ann", "ann-at-relay"), ("bob", "turnpike"),
                          ("eve", "eve-at-relay")][number % 3]
            recipient = f"{who}{number}@far.test"
            expected[recipient] = login
            submit_as(turnpike, f"{who}@office.test", f"{who}s-mail", f"{who}@office.test",
                      recipient, number)
        wait_for(lambda: len(relay.messages) == 30)
        assert {rcpt: login for login, rcpt, _ in relay.by_login} == expected
        connections = {}
        for login, _, number in relay.by_login:
            connections.setdefault(number, set()).add(login)
        assert all(len(logins) == 1 for logins in connections.values())
        assert all(sum(line.upper().startswith("AUTH ") for line in lines) <= 1
                   for lines in relay.transcripts)
        assert len(relay.transcripts) < 30, "but messages of one login share them"


def test_dl_25_the_mail_password_serves_where_the_account_has_no_other(start, hosts, dns, mailboxes):
    with LoginRelay() as relay:
        turnpike = start(relay_settings(
            hosts, dns, mailboxes, relay, auth=LOGIN, per_account_auth=True,
            per_account_use_mail_password=True, accounts=ACCOUNTS), LISTENERS)
        submit_as(turnpike, "bob@office.test", "bobs-mail", "bob@office.test", "r1@far.test")
        assert relay.login_of("r1@far.test") == "bob@office.test"
        submit_as(turnpike, "ann@office.test", "anns-mail", "ann@office.test", "r2@far.test")
        assert relay.login_of("r2@far.test") == "ann-at-relay", "its own login comes first"


def test_dl_25_the_mail_password_may_stand_in_a_file(start, hosts, dns, mailboxes, tmp_path):
    secret = tmp_path / "bob"
    secret.write_text("{PLAIN}bobs-mail\n")
    accounts = [{"address": "bob@office.test", "password_file": str(secret)}]
    with LoginRelay() as relay:
        turnpike = start(relay_settings(
            hosts, dns, mailboxes, relay, per_account_auth=True, auth=LOGIN,
            per_account_use_mail_password=True, accounts=accounts), LISTENERS)
        submit_as(turnpike, "bob@office.test", "bobs-mail", "bob@office.test", "r1@far.test")
        assert relay.login_of("r1@far.test") == "bob@office.test"


def test_dl_25_a_password_that_is_not_there_in_clear_is_a_configuration_error(tmp_path):
    document = {
        "hostname": "gate.turnpike.test",
        "smtp": {"listeners": [{"name": "mx", "role": "smtp", "listen": "127.0.0.5:2525"}]},
        "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:24"}],
        "accounts": [{"address": "bob@office.test", "password": "{CRAM-MD5}" + "00" * 32}],
        "delivery": {"mode": "smart_host", "smart_host": {
            "host": "relay.elsewhere.test", "per_account_auth": True,
            "per_account_use_mail_password": True}},
    }
    code, text = check(tmp_path, document)
    assert code == 2
    assert "delivery.smart_host.per_account_use_mail_password" in text and "bob@office.test" in text
