"""AU-10, AU-21: sending after a mailbox login, as a stock Dovecot and an API report it."""

import json
import socket
import time
import urllib.error
import urllib.request

import pytest

from gateways import PASSWORD, call, protos
from peers.dovecot import Dovecot
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message

ANN, ALIAS, BOB = "ann@office.test", "anna@office.test", "bob@office.test"
KEY = "Bearer oyster-catcher"
WINDOW = 5


@pytest.fixture(scope="module")
def policy_port():
    return free_port()


@pytest.fixture(scope="module")
def sink():
    with Server(lmtp=True) as server:
        yield server


def settings(sink, policy_port, tmp_path_factory, **pop):
    key_file = tmp_path_factory.mktemp("key") / "key"
    key_file.write_text(KEY + "\n")
    return {
        "local_domains": [{"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}"}],
        "accounts": [{"address": ANN, "aliases": [ALIAS], "password": "{PLAIN}" + PASSWORD},
                     {"address": BOB, "password": "{PLAIN}" + PASSWORD}],
        "auth": {"require_for_local_senders": False,
                 "pop_before_smtp": {"enabled": True, "window": f"{WINDOW}s",
                                     "policy_listen": f"127.0.0.1:{policy_port}",
                                     "policy_key_file": str(key_file), **pop}},
    }


LISTENERS = {"mx": {"role": "smtp", "allow_cleartext_auth": True}}


@pytest.fixture(scope="module")
def turnpike(start, sink, policy_port, tmp_path_factory):
    return start(settings(sink, policy_port, tmp_path_factory), LISTENERS)


@pytest.fixture(scope="module")
def dovecot(tmp_path_factory, policy_port):
    extra = f"""
auth_policy_server_url = http://127.0.0.1:{policy_port}/
auth_policy_server_api_header = Authorization: {KEY}
auth_policy_hash_nonce = some salt
"""
    users = {ANN: PASSWORD, BOB: PASSWORD}
    with Dovecot(tmp_path_factory.mktemp("dovecot"), users, extra=extra) as server:
        yield server


def pop_login(dovecot, source, user, password=PASSWORD):
    """Looks into a mailbox from an address; whether that was allowed."""
    with socket.create_connection(("127.0.0.1", dovecot.port), timeout=20,
                                  source_address=(source, 0)) as connection:
        file = connection.makefile("rwb")

        def ask(line):
            if line:
                file.write(line.encode() + b"\r\n")
                file.flush()
            return file.readline().decode()

        assert ask("").startswith("+OK")
        ask(f"USER {user}")
        answer = ask(f"PASS {password}")
        ask("QUIT")
        return answer.startswith("+OK")


def mail_from(turnpike, source, sender, login=None):
    with Client(turnpike.ports["mx"], source=source) as client:
        client.ehlo()
        if login:
            assert client.auth_plain(login, PASSWORD).startswith("235")
        return client.ask(f"MAIL FROM:<{sender}>")


def report(turnpike, account, client_address):
    protos()
    from protos.turnpike.auth.v1 import admin_pb2
    call(turnpike, "auth-service", "turnpike.auth.v1.AuthAdminService/ReportMailboxLogin",
         admin_pb2.ReportMailboxLoginRequest(account=account, client_address=client_address),
         admin_pb2.ReportMailboxLoginResponse)


def test_au_21_a_pop_login_at_dovecot_opens_the_way_for_a_while(turnpike, dovecot, sink):
    here, elsewhere = "127.0.0.31", "127.0.0.32"
    assert mail_from(turnpike, here, ANN).startswith("530 5.7.0")
    assert pop_login(dovecot, here, ANN)
    wait_for(lambda: mail_from(turnpike, here, ANN).startswith("250"), 5, what="the login counting")
    # By her other name, too; for nobody else, and from nowhere else.
    assert mail_from(turnpike, here, ALIAS).startswith("250")
    assert mail_from(turnpike, here, BOB).startswith("530 5.7.0")
    assert mail_from(turnpike, elsewhere, ANN).startswith("530 5.7.0")
    with Client(turnpike.ports["mx"], source=here) as client:
        client.ehlo()
        assert client.mail(ANN, [BOB], message(21)).startswith("250")
    wait_for(lambda: sink.messages, what="the mail")
    wait_for(lambda: mail_from(turnpike, here, ANN).startswith("530"), WINDOW + 5, interval=0.2,
             what="the end of the window")
    assert turnpike.metric("auth-service", "turnpike_auth_mailbox_logins_total") >= 1


def test_au_21_a_failed_pop_login_opens_nothing(turnpike, dovecot):
    assert not pop_login(dovecot, "127.0.0.33", ANN, "wrong")
    assert mail_from(turnpike, "127.0.0.33", ANN).startswith("530 5.7.0")


def test_au_21_others_need_no_login(turnpike):
    assert mail_from(turnpike, "127.0.0.34", "x@elsewhere.test").startswith("250")
    assert mail_from(turnpike, "127.0.0.34", "").startswith("250")


def test_au_21_the_api_reports_logins_and_all_spellings_are_one(turnpike):
    report(turnpike, "ANN@Office.TEST", "::ffff:127.0.0.35")
    assert mail_from(turnpike, "127.0.0.35", ANN).startswith("250")
    report(turnpike, "bob", "127.0.0.35")  # a mailbox server of one domain
    assert mail_from(turnpike, "127.0.0.35", BOB).startswith("250")


def test_au_21_a_login_survives_restarts(turnpike):
    report(turnpike, ANN, "127.0.0.36")
    turnpike.kill("auth-service")
    turnpike.restart("auth-service")
    report(turnpike, BOB, "127.0.0.36")
    turnpike.kill("spool-store")
    turnpike.restart("spool-store")
    wait_for(lambda: mail_from(turnpike, "127.0.0.36", BOB).startswith("250"), 5,
             what="Bob's login counting")


def test_au_21_while_nobody_knows_mail_is_only_put_off(turnpike):
    turnpike.kill("spool-store")
    try:
        answer = mail_from(turnpike, "127.0.0.37", ANN)
        assert answer.startswith("451"), answer
    finally:
        turnpike.restart("spool-store")
    wait_for(lambda: mail_from(turnpike, "127.0.0.37", ANN).startswith("530"), 10,
             what="a refusal again")


def post(policy_port, body, key=KEY, command="report", method="POST"):
    request = urllib.request.Request(f"http://127.0.0.1:{policy_port}/?command={command}",
                                     data=body, method=method,
                                     headers={"Authorization": key} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def login_report(**changes):
    return json.dumps({"login": ANN, "remote": "127.0.0.38", "protocol": "imap", "success": True,
                       "policy_reject": False, **changes}).encode()


def test_au_21_bad_requests_change_nothing(turnpike, policy_port):
    for body, key, command, method, status in (
            (login_report(), None, "report", "POST", 401),
            (login_report(), "Bearer wrong", "report", "POST", 401),
            (login_report(), KEY, "report", "PUT", 405),
            (login_report(), KEY, "drop", "POST", 400),
            (b"{", KEY, "report", "POST", 400),
            (b"\xff\0", KEY, "report", "POST", 400),
            (b"[" * 10000, KEY, "report", "POST", 400),
            (login_report(remote="nowhere"), KEY, "report", "POST", 400),
            (login_report(login=["x"]), KEY, "report", "POST", 400),
            (b" " * 100_000, KEY, "report", "POST", 413),
            (login_report(success=False), KEY, "report", "POST", 200),
            (login_report(policy_reject=True), KEY, "report", "POST", 200),
            (login_report(protocol="smtp"), KEY, "report", "POST", 200),
            (login_report(), KEY, "allow", "POST", 200)):
        assert post(policy_port, body, key, command, method)[0] == status, (body[:80], key, command)
    assert mail_from(turnpike, "127.0.0.38", ANN).startswith("530")
    assert post(policy_port, login_report())[0] == 200
    assert mail_from(turnpike, "127.0.0.38", ANN).startswith("250")
    assert turnpike.metric("auth-service", "turnpike_auth_policy_requests_total",
                           result="refused") == 2


def test_au_21_a_silent_client_holds_no_thread_for_long(turnpike, policy_port):
    silent = [socket.create_connection(("127.0.0.1", policy_port)) for _ in range(8)]
    try:
        begin = time.monotonic()
        assert post(policy_port, login_report(), command="allow")[0] == 200
        assert time.monotonic() - begin < 15
    finally:
        for connection in silent:
            connection.close()


def test_au_10_who_has_authenticated_needs_no_mailbox_login(turnpike):
    assert mail_from(turnpike, "127.0.0.39", ANN, login=ANN).startswith("250")


def test_au_10_unless_the_switch_is_off(start, sink, tmp_path_factory):
    turnpike = start(settings(sink, free_port(), tmp_path_factory, authenticated_exempt=False),
                     LISTENERS)
    answer = mail_from(turnpike, "127.0.0.40", ANN, login=ANN)
    assert answer[0] == "5", answer
    report(turnpike, ANN, "127.0.0.40")
    assert mail_from(turnpike, "127.0.0.40", ANN, login=ANN).startswith("250")


def test_au_21_no_secret_is_in_a_log(turnpike, dovecot):
    for path in turnpike.folder.glob("*.log"):
        text = path.read_text(errors="replace")
        assert PASSWORD not in text and "oyster" not in text, path
