"""AU-23: accounts in LDAP (OpenLDAP) and behind Dovecot's auth process."""

import os
import signal
import subprocess
import threading
import time

import pytest

from gateways import PASSWORD
from peers.dovecot import Dovecot
from peers.openldap import ADMIN, ADMIN_PASSWORD, BASE, OpenLdap
from peers.process import free_port, wait_for
from peers.smtp import Client, Server
from test_auth import scram_verifier

FILE, ANN, EVE, TWIN = ("file@office.test", "ann@office.test", "eve@office.test",
                        "twin@office.test")
ALIAS = "anna@office.test"
WORD = "mussel-bank-9"


@pytest.fixture(scope="module")
def sink():
    with Server(lmtp=True) as server:
        yield server


@pytest.fixture(scope="module")
def ldap(tmp_path_factory, certificate):
    accounts = [
        {"mail": [ANN], "aliases": [ALIAS], "password": WORD},
        {"mail": [EVE], "verifiers": [scram_verifier("pencil")]},
        {"mail": ["one@office.test", TWIN], "password": "one"},
        {"mail": ["two@office.test", TWIN], "password": "two"},
    ]
    with OpenLdap(tmp_path_factory.mktemp("ldap"), accounts, certificate) as server:
        yield server


def site(sink, directory, **more):
    return {
        "local_domains": [{"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}",
                           "accept_any_recipient": False}],
        "accounts": [{"address": FILE, "password": "{PLAIN}" + PASSWORD}],
        # Failures are what these tests are made of.
        "dynamic_screening": {"enabled": False},
        "directory": directory, **more}


LISTENERS = {"mx": {"role": "smtp", "allow_cleartext_auth": True}}


def ldap_settings(url, tmp_path_factory, **more):
    password = tmp_path_factory.mktemp("bind") / "password"
    password.write_text(ADMIN_PASSWORD + "\n")
    return {"ldap": {"url": url, "base_dn": BASE, "bind_dn": ADMIN,
                     "bind_password_file": str(password), "verifier_attribute": "mailVerifier",
                     "cache_time": "1s", **more}}


@pytest.fixture(scope="module")
def turnpike(start, sink, ldap, tmp_path_factory):
    return start(site(sink, ldap_settings(ldap.url, tmp_path_factory)), LISTENERS)


def login(turnpike, user, password):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        return client.auth_plain(user, password)


def rcpt(turnpike, recipient):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.ask("MAIL FROM:<x@sender.test>")
        return client.ask(f"RCPT TO:<{recipient}>")


def mail_as(turnpike, user, password, sender):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.auth_plain(user, password).startswith("235")
        return client.ask(f"MAIL FROM:<{sender}>")


def test_au_23_ldap_accounts_log_in_by_binding(turnpike, ldap):
    binds = ldap.count("BIND dn=\"uid=user0")
    assert login(turnpike, ANN, WORD).startswith("235")
    assert ldap.count("BIND dn=\"uid=user0") > binds
    assert login(turnpike, "ANN@Office.test", WORD).startswith("235")
    assert login(turnpike, ANN, "wrong").startswith("535 5.7.8")
    assert login(turnpike, "nobody@office.test", WORD).startswith("535 5.7.8")


def test_au_23_accounts_of_the_file_come_first_and_go_on(turnpike):
    assert login(turnpike, FILE, PASSWORD).startswith("235")
    assert login(turnpike, FILE, WORD).startswith("535")


def test_au_23_ldap_verifiers_serve_scram(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        assert "SCRAM-SHA-256" in client.ehlo()["AUTH"].split()
    result = subprocess.run(
        ["gsasl", "--client", "--smtp", "--connect", f"127.0.0.1:{turnpike.ports['mx']}",
         "--no-starttls", "--mechanism", "SCRAM-SHA-256", "--no-cb",
         "--authentication-id", EVE, "--password", "pencil", "--verbose"],
        capture_output=True, text=True, input="QUIT\r\n", timeout=30)
    assert "235" in result.stdout + result.stderr, result.stdout + result.stderr
    assert login(turnpike, EVE, "pencil").startswith("235")
    assert login(turnpike, EVE, "pen").startswith("535")


def test_au_23_ldap_accounts_and_aliases_send_as_themselves(turnpike):
    assert mail_as(turnpike, ANN, WORD, ANN).startswith("250")
    assert mail_as(turnpike, ANN, WORD, ALIAS).startswith("250")
    assert mail_as(turnpike, ANN, WORD, EVE).startswith("553 5.7.1")
    assert mail_as(turnpike, ANN, WORD, FILE).startswith("553 5.7.1")


def test_au_23_ldap_knows_the_recipients(turnpike):
    for recipient in (FILE, ANN, ALIAS, EVE, "ANN@office.test"):
        assert rcpt(turnpike, recipient).startswith("250"), recipient
    assert rcpt(turnpike, "nobody@office.test").startswith("550 5.1.1")


@pytest.mark.parametrize("user", [
    "*", "ann*", "*@office.test", "ann@office.test)(uid=*", "ann@office.test)(|(uid=*",
    "\\2a", "uid=user0," + BASE, "", "a" * 300 + "@office.test", "ann@office.test\\00",
    "user0"])
def test_au_23_a_user_name_is_never_part_of_the_filter(turnpike, user):
    for password in (WORD, "*", ""):
        assert login(turnpike, user, password)[0] in "45", (user, password)


def test_au_23_an_empty_password_is_none(turnpike):
    assert login(turnpike, ANN, "")[0] == "5"


def test_au_23_an_address_of_two_entries_is_nobodys(turnpike):
    assert login(turnpike, TWIN, "one").startswith("535")
    assert login(turnpike, "one@office.test", "one").startswith("235")
    assert rcpt(turnpike, TWIN).startswith("550")


def test_au_23_ldap_answers_are_remembered(turnpike, ldap):
    rcpt(turnpike, EVE)
    searches = ldap.count("SRCH base")
    for _ in range(5):
        assert rcpt(turnpike, EVE).startswith("250")
    assert ldap.count("SRCH base") <= searches + 2
    time.sleep(1.2)
    assert login(turnpike, EVE, "pencil").startswith("235")
    wait_for(lambda: ldap.count("SRCH base") > searches, what="a new search")


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_au_23_ldap_over_tls_checks_the_certificate(start, sink, ldap, certificate,
                                                    tmp_path_factory, way):
    tls = {"url": ldap.tls_url} if way == "ldaps" else {"url": ldap.url, "start_tls": True}
    good = start(site(sink, ldap_settings(**tls, tmp_path_factory=tmp_path_factory,
                                          authorities_file=certificate["certificate_file"])),
                 LISTENERS)
    assert login(good, ANN, WORD).startswith("235")
    # Signed by itself, so the system's authorities do not know it.
    bad = start(site(sink, ldap_settings(**tls, tmp_path_factory=tmp_path_factory)), LISTENERS)
    assert login(bad, ANN, WORD).startswith("454 4.7.0")
    assert bad.metric("auth-service", "turnpike_auth_backend_errors_total", backend="ldap") >= 1


def test_au_23_without_its_directory_mail_and_logins_are_put_off(start, sink, certificate,
                                                                 tmp_path_factory):
    accounts = [{"mail": [ANN], "password": WORD}]
    with OpenLdap(tmp_path_factory.mktemp("ldap"), accounts) as ldap:
        turnpike = start(site(sink, ldap_settings(ldap.url, tmp_path_factory, timeout="1s",
                                                  connections_max=2)), LISTENERS)
        assert login(turnpike, ANN, WORD).startswith("235")
        # Away, …
        ldap.stop()
        time.sleep(1.2)
        assert login(turnpike, ANN, WORD).startswith("454 4.7.0")
        assert rcpt(turnpike, ANN).startswith("451")
        # … which is nothing to those whom it does not concern.
        assert login(turnpike, FILE, PASSWORD).startswith("235")
        assert rcpt(turnpike, FILE).startswith("250")
        # Silent: many who ask wait for the timeout, not for each other.
        ldap.start()
        wait_for(lambda: login(turnpike, ANN, WORD).startswith("235"), 10, what="its return")
        os.kill(ldap.process.pid, signal.SIGSTOP)
        try:
            time.sleep(1.2)
            begin = time.monotonic()
            answers = []
            threads = [threading.Thread(
                target=lambda number=number: answers.append(
                    login(turnpike, f"user{number}@office.test", WORD)[:9]))
                for number in range(10)]
            for thread in threads:
                thread.start()
            assert login(turnpike, FILE, PASSWORD).startswith("235")
            assert time.monotonic() - begin < 1
            for thread in threads:
                thread.join()
            assert time.monotonic() - begin < 8
            assert set(answers) == {"454 4.7.0"}, answers
        finally:
            os.kill(ldap.process.pid, signal.SIGCONT)
        wait_for(lambda: login(turnpike, ANN, WORD).startswith("235"), 10, what="its return")


def test_au_23_no_secret_is_in_a_log_or_metric(turnpike):
    for path in turnpike.folder.glob("*.log"):
        text = path.read_text(errors="replace")
        for secret in (WORD, PASSWORD, ADMIN_PASSWORD, "pencil", "StoredKey"):
            assert secret not in text, (path, secret)
    assert WORD not in turnpike.metrics_text("auth-service")


# ------------------------------------------------------------------------------------------ Dovecot


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dovecot")
    extra = f"""
service auth {{
  unix_listener {folder}/userdb {{
    mode = 0666
  }}
}}
auth_username_format = %Lu
auth_failure_delay = 1 secs
"""
    with Dovecot(folder, {ANN: WORD}, extra=extra) as server:
        yield server


def dovecot_settings(server, **more):
    return {"dovecot": {"userdb_socket": str(server.folder / "userdb"),
                        "client_socket": str(server.auth_socket), "cache_time": "1s", **more}}


@pytest.fixture(scope="module")
def with_dovecot(start, sink, dovecot):
    return start(site(sink, dovecot_settings(dovecot)), LISTENERS)


def test_au_23_dovecot_checks_passwords(with_dovecot):
    assert login(with_dovecot, ANN, WORD).startswith("235")
    assert login(with_dovecot, "ANN@office.test", WORD).startswith("235")
    assert login(with_dovecot, ANN, "wrong").startswith("535 5.7.8")
    assert login(with_dovecot, "nobody@office.test", WORD).startswith("535 5.7.8")
    assert login(with_dovecot, FILE, PASSWORD).startswith("235")


def test_au_23_dovecot_knows_the_recipients_and_senders(with_dovecot):
    assert rcpt(with_dovecot, ANN).startswith("250")
    assert rcpt(with_dovecot, "nobody@office.test").startswith("550 5.1.1")
    assert mail_as(with_dovecot, ANN, WORD, ANN).startswith("250")
    assert mail_as(with_dovecot, ANN, WORD, FILE).startswith("553 5.7.1")


@pytest.mark.parametrize("user", ["ann@office.test\tuid=0", "ann@office.test\nUSER\t9\tx",
                                  "\1", "ann@office.test*nobody@office.test"])
def test_au_23_a_user_name_is_never_part_of_dovecots_protocol(with_dovecot, user):
    assert login(with_dovecot, user, WORD)[0] == "5"
    assert login(with_dovecot, ANN, WORD).startswith("235")


def test_au_23_many_ask_dovecot_at_one_time(with_dovecot):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(login(with_dovecot, ANN, WORD)[:3]))
               for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["235"] * 30


def test_au_23_dovecot_away_and_back(start, sink, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dovecot")
    extra = f"service auth {{\n  unix_listener {folder}/userdb {{\n    mode = 0666\n  }}\n}}\n"
    server = Dovecot(folder, {ANN: WORD}, extra=extra).start()
    turnpike = start(site(sink, dovecot_settings(server, timeout="2s")), LISTENERS)
    assert login(turnpike, ANN, WORD).startswith("235")
    server.stop()
    # Its auth process may live a little longer.
    wait_for(lambda: login(turnpike, ANN, WORD).startswith("454 4.7.0"), 30, interval=0.5,
             what="a login put off")
    time.sleep(1.2)
    assert rcpt(turnpike, ANN).startswith("451")
    assert login(turnpike, FILE, PASSWORD).startswith("235")
    server.start()
    wait_for(lambda: login(turnpike, ANN, WORD).startswith("235"), 10, what="its return")
    server.stop()


def test_au_23_dovecot_passwords_are_in_no_log(with_dovecot):
    for path in with_dovecot.folder.glob("*.log"):
        assert WORD not in path.read_text(errors="replace"), path
