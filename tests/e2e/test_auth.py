"""AU-13, AU-23, AU-24: mechanisms, accounts, the relay rule."""

import base64
import smtplib
import ssl
import subprocess

import pytest

from gateways import PASSWORD, gateway
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message

ACCOUNT = "ann@office.test"
SCRAM_ACCOUNT = "eve@office.test"
# SCRAM-SHA-256 verifier of "pencil", made below with Python's own PBKDF2.


def scram_verifier(password, salt=b"0123456789abcdef", iterations=4096):
    import hashlib
    import hmac
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client_key).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encode = lambda octets: base64.b64encode(octets).decode()
    return f"SCRAM-SHA-256${iterations}:{encode(salt)}${encode(stored)}:{encode(server)}"


@pytest.fixture(scope="module")
def sink():
    with Server(lmtp=True) as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(start, certificate, sink, tmp_path_factory):
    secret = tmp_path_factory.mktemp("secrets") / "eve"
    secret.write_text(scram_verifier("pencil") + "\n")
    return start(
        {
            "gateways": [gateway("customer.test")],
            "local_domains": [{"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}"}],
            "relay_domains": ["partner.test"],
            "accounts": [
                {"address": ACCOUNT, "aliases": ["anna@office.test"],
                 "password": "{PLAIN}" + PASSWORD},
                {"address": SCRAM_ACCOUNT, "password_file": str(secret)},
            ],
            "auth": {"cram_md5": True},
        },
        {
            "mx": {"role": "smtp", "tls": certificate},
            "submission": {"role": "submission", "tls": certificate},
            "clear": {"role": "smtp", "allow_cleartext_auth": True},
            "odmr": {"role": "odmr"},
        })


def swaks(port, *arguments):
    return subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(port), "--ehlo", "client.test", "--timeout",
         "20", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_au_13_swaks_logs_in_and_sends(turnpike, mechanism):
    result = swaks(turnpike.ports["submission"], "--tls", "--auth", mechanism, "--auth-user", ACCOUNT,
                   "--auth-password", PASSWORD, "--from", ACCOUNT, "--to", "bob@elsewhere.test")
    assert result.returncode == 0, result.stdout + result.stderr


def test_au_13_smtplib_logs_in_and_sends(turnpike):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", turnpike.ports["submission"]) as client:
        client.starttls(context=context)
        client.login(ACCOUNT, PASSWORD)
        client.sendmail(ACCOUNT, ["bob@customer.test"], f"From: {ACCOUNT}\r\nSubject: x\r\n\r\nHello.\r\n".encode())


def test_au_13_gnu_sasl_logs_in_by_scram(turnpike):
    result = subprocess.run(
        ["gsasl", "--client", "--smtp", "--connect", f"127.0.0.1:{turnpike.ports['mx']}",
         "--no-starttls", "--mechanism", "SCRAM-SHA-256", "--no-cb",
         "--authentication-id", SCRAM_ACCOUNT, "--password", "pencil", "--verbose"],
        capture_output=True, text=True, input="QUIT\r\n", timeout=30)
    assert "235" in result.stdout + result.stderr, result.stdout + result.stderr


def test_au_13_clear_text_mechanisms_only_under_tls(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        offered = client.ehlo().get("AUTH", "").split()
        assert "PLAIN" not in offered and "LOGIN" not in offered
        answer = client.auth_plain(ACCOUNT, PASSWORD)
        assert answer.startswith("504 5.5.4"), answer
    with Client(turnpike.ports["clear"]) as client:
        assert "PLAIN" in client.ehlo()["AUTH"].split()


@pytest.fixture
def client(turnpike):
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        yield client


@pytest.mark.parametrize("command, code", [
    ("AUTH", "501"), ("AUTH NOSUCH", "504"), ("AUTH PLAIN ###", "501"), ("AUTH PLAIN Zg=", "501"),
    ("AUTH PLAIN =", "535"), ("AUTH PLAIN " + "A" * 13000, "500")])
def test_au_13_malformed_auth(client, command, code):
    answer = client.ask(command)
    assert answer.startswith(code) or (code == "535" and answer.startswith("501")), answer


def test_au_13_cancel_and_wrong_order(client):
    assert client.ask("AUTH LOGIN").startswith("334 ")
    assert client.ask("*").startswith("501 ")
    client.ask("MAIL FROM:<x@sender.test>")
    assert client.ask("AUTH LOGIN").startswith("503 ")
    client.ask("RSET")
    assert client.auth_plain(ACCOUNT, PASSWORD).startswith("235")
    assert client.ask("AUTH LOGIN").startswith("503 ")


def test_au_13_unknown_user_and_wrong_password_look_the_same(turnpike):
    answers = []
    for user in (ACCOUNT, "nobody@office.test"):
        with Client(turnpike.ports["clear"]) as client:
            client.ehlo()
            answers.append(client.auth_plain(user, "wrong"))
    assert answers[0] == answers[1] and answers[0].startswith("535 5.7.8")


def test_au_23_accounts_and_verifier_files_and_no_secret_in_logs(turnpike):
    for user, password in ((ACCOUNT, PASSWORD), (SCRAM_ACCOUNT, "pencil")):
        with Client(turnpike.ports["clear"]) as client:
            client.ehlo()
            assert client.auth_plain(user, password).startswith("235"), user
    token = base64.b64encode(f"\0{ACCOUNT}\0{PASSWORD}".encode()).decode()
    for path in turnpike.folder.glob("*.log"):
        text = path.read_text(errors="replace")
        assert PASSWORD not in text and token not in text and "pencil" not in text, path
    for service in ("auth-service", "smtp-frontend"):
        assert PASSWORD not in turnpike.metrics_text(service)


def rcpt(port, recipient, sender="x@sender.test", raw=None):
    with Client(port) as client:
        client.ehlo()
        client.ask(f"MAIL FROM:<{sender}>")
        client.send(raw if raw is not None else f"RCPT TO:<{recipient}>")
        return client.reply()


def test_au_24_ours_are_taken_and_others_are_not(turnpike):
    port = turnpike.ports["mx"]
    for recipient in ("a@customer.test", "a@office.test", "a@partner.test", "a@CUSTOMER.TEST"):
        assert rcpt(port, recipient).startswith("250"), recipient
    assert rcpt(port, "a@elsewhere.test").startswith("550 5.7.1")


@pytest.mark.parametrize("recipient", [
    "user%elsewhere.test@office.test", "elsewhere.test!user@office.test",
    "user@elsewhere.test@office.test", '"user@elsewhere.test"@office.test',
    '"user@elsewhere.test"', "user@[127.0.0.1]", "user@[192.0.2.1]", "user%elsewhere.test",
    "user@elsewhere.test.", "user@elsewhere.test,office.test", "user@xcustomer.test",
    "user@customer.test.evil.test", "@office.test:user@elsewhere.test",
    "@elsewhere.test,@office.test:user@elsewhere.test", "user@customer.test%elsewhere.test"])
def test_au_24_relay_tricks(turnpike, recipient):
    answer = rcpt(turnpike.ports["mx"], recipient)
    assert answer[0] == "5", answer


@pytest.mark.parametrize("raw", [
    b"RCPT TO:<user\0@elsewhere.test>\r\n", b"RCPT TO:<user@\xe4lsewhere.test>\r\n",
    b"RCPT TO:<" + b"a" * 400 + b"@office.test>\r\n", b"RCPT TO:user@elsewhere.test\r\n",
    b"RCPT TO:<user@elsewhere.test> ORCPT=rfc822;a@office.test\r\n",
    "RCPT TO:<user＠office.test@elsewhere.test>\r\n".encode()],
    ids=range(6))
def test_au_24_relay_tricks_with_odd_octets(turnpike, raw):
    answer = rcpt(turnpike.ports["mx"], None, raw=raw)
    assert answer[0] == "5", answer


def test_au_24_not_after_failed_auth_nor_after_rset(client):
    assert client.auth_plain(ACCOUNT, "wrong").startswith("535")
    client.ask("MAIL FROM:<x@sender.test>")
    assert client.ask("RCPT TO:<a@elsewhere.test>").startswith("550 5.7.1")
    client.ask("RSET")
    assert client.auth_plain(ACCOUNT, PASSWORD).startswith("235")
    client.ask(f"MAIL FROM:<{ACCOUNT}>")
    assert client.ask("RCPT TO:<a@elsewhere.test>").startswith("250")


def test_au_24_a_gateway_relays_as_itself(turnpike):
    with Client(turnpike.ports["clear"]) as client:
        client.ehlo()
        assert client.auth_plain("customer.test", PASSWORD).startswith("235")
        client.ask("MAIL FROM:<boss@customer.test>")
        assert client.ask("RCPT TO:<a@elsewhere.test>").startswith("250")
