"""AU-1 to AU-12: who must log in for what, and as whom he may send, on the real services.

Clients come from different loopback addresses: 127.0.0.2 is a local IP, 127.0.0.4 a trusted one,
127.0.0.6 both, all others are foreign."""

import pytest

from gateways import PASSWORD, call, gateway, protos
from peers.process import wait_for
from peers.smtp import Client, Server

FOREIGN, LOCAL, TRUSTED, BOTH = "127.0.0.1", "127.0.0.2", "127.0.0.4", "127.0.0.6"
ANN, BOB = "ann@office.test", "bob@office.test"
FAR = "eve@elsewhere.test"
NEEDS_AUTH = "530 5.7.0"
NOT_HIS = "553 5.7.1"
NOT_HIS_FROM = "550 5.7.1"


@pytest.fixture(scope="module")
def sink():
    with Server(lmtp=True) as server:
        yield server


@pytest.fixture(scope="module")
def office(start, sink):
    """office(auth, …) starts a Turnpike with these switches."""

    def start_one(auth=None, gateways=None, listeners=None, **settings):
        return start(
            {
                "local_domains": [
                    {"domain": "office.test", "mailbox_server": f"127.0.0.1:{sink.port}"}],
                "relay_domains": ["partner.test"],
                "local_networks": ["127.0.0.2/32", "127.0.0.6/32"],
                "trusted_networks": ["127.0.0.4/30"],
                "accounts": [
                    {"address": ANN, "aliases": ["sales@office.test", "ann@customer.test",
                                                 "abuse@office.test"],
                     "password": "{PLAIN}" + PASSWORD},
                    {"address": BOB, "password": "{PLAIN}" + PASSWORD}],
                "gateways": gateways or [gateway("customer.test")],
                "auth": auth or {},
                "dynamic_screening": {"allow": ["127.0.0.0/8"]},
                **settings,
            },
            listeners or {"mx": {"role": "smtp", "allow_cleartext_auth": True},
                          "submission": {"role": "submission", "allow_cleartext_auth": True}})

    return start_one


@pytest.fixture(scope="module")
def strict(office):
    """With the defaults of all switches."""
    return office()


def letter(sender=ANN, head="", body="Hello.\r\n"):
    return f"From: {sender}\r\n{head}Subject: x\r\n\r\n{body}".encode()


def send(turnpike, sender, recipient, source=FOREIGN, login=None, content=None, listener="mx"):
    """The first refusal, or the answer to the data."""
    with Client(turnpike.ports[listener], source=source) as client:
        client.ehlo()
        if login:
            assert client.auth_plain(login, PASSWORD).startswith("235")
        recipients = recipient if isinstance(recipient, list) else [recipient]
        return client.mail(sender, recipients, content or letter(sender or ANN))


def said(turnpike, sender, source=FOREIGN, login=None):
    """The answer to MAIL."""
    with Client(turnpike.ports["mx"], source=source) as client:
        client.ehlo()
        if login:
            assert client.auth_plain(login, PASSWORD).startswith("235")
        return client.ask(f"MAIL FROM:<{sender}>")


def refusals(turnpike, rule):
    return turnpike.metric("auth-service", "turnpike_auth_refusals_total", rule=rule)


# ---------------------------------------------------------------------------- AU-1, AU-2, AU-3, AU-9

def test_au_1_local_senders_need_auth(strict):
    before = refusals(strict, "AU-1")
    for sender in (BOB, "nobody@office.test", "Bob@OFFICE.test"):
        assert said(strict, sender).startswith(NEEDS_AUTH), sender
    assert said(strict, FAR).startswith("250")
    assert said(strict, "").startswith("250")
    assert send(strict, BOB, FAR, login=BOB).startswith("250")
    assert refusals(strict, "AU-1") > before
    assert any(line.get("rule") == "AU-1" for line in strict.log_lines("auth-service"))


def test_au_1_switched_off(office):
    lax = office({"require_for_local_senders": False, "require_for_role_senders": False})
    assert send(lax, BOB, BOB).startswith("250")
    assert send(lax, "postmaster@office.test", BOB).startswith("250")


def test_au_2_exempts_each_local_recipient_by_itself(office):
    turnpike = office({"local_recipients_exempt": True})
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.ask(f"MAIL FROM:<{BOB}>").startswith("250")
        assert client.ask(f"RCPT TO:<{ANN}>").startswith("250")
        assert client.ask("RCPT TO:<sales@office.test>").startswith("250")
        assert client.ask("RCPT TO:<nobody@office.test>").startswith(NEEDS_AUTH)
        assert client.ask("RCPT TO:<x@customer.test>").startswith(NEEDS_AUTH)
        assert client.ask(f"RCPT TO:<{FAR}>").startswith(NEEDS_AUTH)
    # AU-9 stands, whatever else is exempt.
    assert said(turnpike, "postmaster@office.test").startswith(NEEDS_AUTH)


@pytest.mark.parametrize("exempt", [True, False])
def test_au_3_senders_found_on_another_server(office, exempt):
    def respond(stage, text, session):
        if stage == "rcpt" and "<roamer@" not in text and f"<{BOB}>" not in text:
            return "550 5.1.1 nobody"
        return None

    with Server(respond) as other:
        turnpike = office({"shared_domain_senders_exempt": exempt},
                          domain_sharing={"hosts": [{"server": f"127.0.0.1:{other.port}"}]})
        answer = said(turnpike, "roamer@office.test")
        assert answer.startswith("250" if exempt else NEEDS_AUTH), answer
        assert said(turnpike, "nobody@office.test").startswith(NEEDS_AUTH)
        # Who has an account here logs in here.
        assert said(turnpike, BOB).startswith(NEEDS_AUTH)


def test_au_9_role_senders_always_need_auth(office):
    lax = office({"require_for_local_senders": False, "local_recipients_exempt": True,
                  "match_return_path": False, "match_from_header": False})
    before = refusals(lax, "AU-9")
    # By no account at all, by an alias, by a bare name.
    for sender in ("postmaster@office.test", "PostMaster@office.test", "abuse@office.test",
                   "webmaster@office.test", '"postmaster"@office.test', "postmaster"):
        assert said(lax, sender).startswith(NEEDS_AUTH), sender
        assert said(lax, sender, source=TRUSTED).startswith(NEEDS_AUTH), sender
    assert refusals(lax, "AU-9") > before
    assert said(lax, "postmaster@elsewhere.test").startswith("250")
    assert said(lax, "postmasters@office.test").startswith("250")
    assert send(lax, "postmaster@office.test", FAR, login=ANN).startswith("250")


# ------------------------------------------------------------------------------------------- AU-4

def test_au_4_local_ips_need_auth_and_trusted_ones_do_not(strict):
    assert said(strict, FAR, source=LOCAL).startswith(NEEDS_AUTH)
    assert said(strict, "", source=LOCAL).startswith(NEEDS_AUTH)
    assert said(strict, FAR, source=TRUSTED).startswith("250")
    assert said(strict, FAR, source=BOTH).startswith("250")
    assert said(strict, ANN, source=LOCAL, login=ANN).startswith("250")


def test_au_4_switched_off(office):
    turnpike = office({"require_from_local_ips": False})
    assert said(turnpike, FAR, source=LOCAL).startswith("250")
    assert send(turnpike, FAR, FAR, source=LOCAL).startswith("550 5.7.1")  # AU-24 stands


# ------------------------------------------------------------------------------------------- AU-5

def test_au_5_return_path_must_be_the_accounts(strict):
    for sender in (ANN, "ANN@office.test", "sales@office.test", "ann@customer.test", ""):
        assert said(strict, sender, login=ANN).startswith("250"), sender
    for sender in (BOB, FAR, "postmaster@office.test", "x@customer.test", "ann+x@office.test"):
        assert said(strict, sender, login=ANN).startswith(NOT_HIS), sender
    assert said(strict, "anybody@customer.test", login="customer.test").startswith("250")
    assert said(strict, FAR, login="customer.test").startswith(NOT_HIS)


def test_au_5_switched_off(office):
    turnpike = office({"match_return_path": False, "match_from_header": False})
    assert send(turnpike, FAR, FAR, login=ANN, content=letter(FAR)).startswith("250")


# ------------------------------------------------------------------------------------------- AU-6

GOOD_FROM = [
    f"From: {ANN}\r\n",
    f"From: Ann Other <{ANN}>\r\n",
    f"fRoM : <SALES@office.TEST>\r\n",
    f"From: {ANN},\r\n Sales <sales@office.test>\r\n",
    f"From: Us: {ANN}, sales@office.test;\r\n",
    f"From:\r\n =?utf-8?q?J=C3=B6rg=2C?=\r\n <{ANN}> (comment <eve@elsewhere.test>)\r\n",
    f'From: "eve@elsewhere.test" <{ANN}>\r\n',
    f"From: =?utf-8?b?ZXZlQGVsc2V3aGVyZS50ZXN0?= <{ANN}>\r\n",
    f"X-From: {FAR}\r\nFrom: {ANN}\r\nReply-To: {FAR}\r\nSender: {FAR}\r\n",
]
BAD_FROM = [
    f"From: {FAR}\r\n",
    f"From: {ANN}, {FAR}\r\n",
    f"From: Us: {ANN}, {FAR};\r\n",
    f"From: {ANN} <{FAR}>\r\n",
    f'From: "{ANN}" <{FAR}>\r\n',
    f"From: {FAR} <{ANN}>\r\n",
    f"From: {ANN}\r\nFrom: {ANN}\r\n",
    f"From: {ANN}\r\nSubject: y\r\nFROM: {FAR}\r\n",
    f"From: {ANN}\r\n{'X: y' * 10}\r\nFrom\t: {FAR}\r\n",
    "From:\r\n",
    "From: undisclosed:;\r\n",
    "From: Ann\r\n",
    f"From: <{ANN}\r\n",
    f"From: <{ANN}> <{FAR}>\r\n",
    f"From: <@elsewhere.test:{ANN}>\r\n",
    f"From: ann@office.test.elsewhere.test\r\n",
    "From: =?utf-8?q?ann=40office.test?=\r\n",
    "",
]


def send_header(turnpike, header, recipient=FAR, login=ANN, sender=ANN, body=b"Hello.\r\n"):
    content = header.encode() + b"Subject: x\r\n\r\n" + body
    return send(turnpike, sender, recipient, login=login, content=content)


@pytest.mark.parametrize("header", GOOD_FROM)
def test_au_6_from_header_of_the_account(strict, header):
    assert send_header(strict, header).startswith("250")


@pytest.mark.parametrize("header", BAD_FROM)
def test_au_6_from_header_of_others(strict, header):
    before = refusals(strict, "AU-6")
    assert send_header(strict, header).startswith(NOT_HIS_FROM)
    assert refusals(strict, "AU-6") == before + 1


def test_au_6_utf_8_addresses(office):
    turnpike = office(accounts=[{"address": "ann@bücher.test", "password": "{PLAIN}" + PASSWORD}],
                      local_domains=[{"domain": "bücher.test", "mailbox_server": "127.0.0.1:9"}])
    login = "ann@xn--bcher-kva.test"
    for sender, code in (("ann@bücher.test", "250"), ("änn@bücher.test", NOT_HIS_FROM),
                         ("Jörg <ann@bücher.test>", "250")):
        answer = send_header(turnpike, f"From: {sender}\r\n", login=login, sender=login)
        assert answer.startswith(code), answer


def test_au_6_only_for_who_has_logged_in(strict):
    assert send(strict, FAR, ANN, content=letter(ANN)).startswith("250")
    assert send(strict, FAR, ANN, content=b"Subject: no From\r\n\r\nx\r\n").startswith("250")


def test_au_6_is_known_before_anything_is_stored(strict):
    """A large message is refused at its end too, and in one piece; the session goes on."""
    stored = strict.metric("smtp-frontend", "turnpike_smtp_messages_total")
    body = b"0123456789abcdef" * 4 + b"\r\n"
    with Client(strict.ports["mx"]) as client:
        client.ehlo()
        assert client.auth_plain(ANN, PASSWORD).startswith("235")
        content = letter(FAR, body="") + body * 20_000
        assert client.mail(ANN, [FAR], content).startswith(NOT_HIS_FROM)
        assert client.mail(ANN, [FAR], letter(ANN, body="") + body * 20_000).startswith("250")
    assert strict.metric("smtp-frontend", "turnpike_smtp_messages_total") <= stored + 1


def test_au_6_in_chunks(strict):
    content = letter(FAR)
    with Client(strict.ports["mx"]) as client:
        client.ehlo()
        client.auth_plain(ANN, PASSWORD)
        client.ask(f"MAIL FROM:<{ANN}>")
        client.ask(f"RCPT TO:<{FAR}>")
        client.send(f"BDAT {len(content[:9])}\r\n".encode() + content[:9])
        assert client.reply().startswith("250")
        client.send(f"BDAT {len(content[9:])} LAST\r\n".encode() + content[9:])
        assert client.reply().startswith(NOT_HIS_FROM)
        # A line feed alone ends no header.
        client.ask(f"MAIL FROM:<{ANN}> BODY=BINARYMIME")
        client.ask(f"RCPT TO:<{FAR}>")
        binary = f"From: {ANN}\n\nFrom: {FAR}\r\n\r\nx".encode()
        client.send(f"BDAT {len(binary)} LAST\r\n".encode() + binary)
        assert client.reply().startswith(NOT_HIS_FROM)


def test_au_6_header_section_is_bounded(strict):
    """64 KiB of header are looked at; who sends more is not believed."""
    filler = "".join(f"X-{i}: {'y' * 900}\r\n" for i in range(100))
    assert send_header(strict, f"From: {ANN}\r\n" + filler).startswith("552 5.3.4")
    assert send_header(strict, f"From: {ANN}\r\n" + filler[:60_000].rsplit("\r\n", 1)[0] + "\r\n"
                       ).startswith("250")


def test_au_6_switched_off(office):
    turnpike = office({"match_from_header": False})
    for header in (f"From: {FAR}\r\n", ""):
        assert send_header(turnpike, header).startswith("250")


# ------------------------------------------------------------------------------------- AU-7, AU-8

def test_au_7_exempt_addresses_and_patterns(office):
    turnpike = office({"match_exemptions": ["boss@elsewhere.test", "*@shared.test",
                                            "news-*@office.test"]})
    for sender in ("boss@elsewhere.test", "BOSS@elsewhere.test", "anybody@shared.test",
                   "news-1@office.test"):
        assert send(turnpike, sender, FAR, login=ANN, content=letter(sender)).startswith("250")
    for sender in (FAR, "x@sub.shared.test", "x@notshared.test", "news@office.test"):
        assert said(turnpike, sender, login=ANN).startswith(NOT_HIS), sender
    assert send_header(turnpike, "From: boss@elsewhere.test, x@shared.test\r\n").startswith("250")
    assert send_header(turnpike, f"From: boss@elsewhere.test, {FAR}\r\n").startswith(NOT_HIS_FROM)


def test_au_8_gateways_own_sessions_and_mail_for_it_are_exempt(office):
    turnpike = office(gateways=[gateway("customer.test", exempt_from_auth_matching=True),
                                gateway("plain.test")])
    # The gateway's own session sends as anybody.
    assert send(turnpike, FAR, FAR, login="customer.test", content=letter(FAR)).startswith("250")
    assert said(turnpike, FAR, login="plain.test").startswith("250")  # may be for customer.test
    # Mail for it is exempt whoever sends it; the same mail for others is not.
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.auth_plain(ANN, PASSWORD)
        assert client.ask(f"MAIL FROM:<{FAR}>").startswith("250")
        assert client.ask("RCPT TO:<x@customer.test>").startswith("250")
        assert client.ask("RCPT TO:<x@plain.test>").startswith(NOT_HIS)
        assert client.ask(f"RCPT TO:<{BOB}>").startswith(NOT_HIS)
        assert client.ask("DATA").startswith("354")
        assert client.ask(letter(FAR) + b".\r\n").startswith("250")
    assert send_header(turnpike, f"From: {FAR}\r\n", "x@customer.test").startswith("250")
    assert send_header(turnpike, f"From: {FAR}\r\n", "x@plain.test").startswith(NOT_HIS_FROM)
    mixed = ["x@customer.test", "x@plain.test"]
    assert send(turnpike, ANN, mixed, login=ANN, content=letter(FAR)).startswith(NOT_HIS_FROM)
    assert send(turnpike, ANN, mixed, login=ANN, content=letter(ANN)).startswith("250")


def test_au_8_default_for_all_gateways(office):
    turnpike = office(gateway_defaults={"exempt_from_auth_matching": True},
                      gateways=[gateway("customer.test"),
                                gateway("plain.test", exempt_from_auth_matching=False)])
    assert send(turnpike, FAR, FAR, login="customer.test", content=letter(FAR)).startswith("250")
    assert send(turnpike, FAR, FAR, login="plain.test").startswith(NOT_HIS)


# ------------------------------------------------------------------------------------ AU-10, AU-21

def report_login(turnpike, account, address):
    protos()
    from protos.turnpike.auth.v1 import admin_pb2
    call(turnpike, "auth-service", "turnpike.auth.v1.AuthAdminService/ReportMailboxLogin",
         admin_pb2.ReportMailboxLoginRequest(account=account, client_address=address),
         admin_pb2.ReportMailboxLoginResponse)


@pytest.mark.parametrize("exempt", [True, False])
def test_au_10_authenticated_sessions_need_no_mailbox_login_where_exempt(office, exempt):
    turnpike = office({"pop_before_smtp": {"enabled": True, "authenticated_exempt": exempt},
                       "require_for_local_senders": False})
    answer = said(turnpike, ANN, login=ANN)
    assert answer.startswith("250" if exempt else "550 5.7.1"), answer
    assert said(turnpike, ANN).startswith(NEEDS_AUTH)  # AU-21
    report_login(turnpike, ANN, FOREIGN)
    wait_for(lambda: said(turnpike, ANN).startswith("250"), 10, what="the login being known")
    assert said(turnpike, "sales@office.test").startswith("250")
    assert said(turnpike, ANN, login=ANN).startswith("250")
    assert said(turnpike, ANN, source="127.0.0.9").startswith(NEEDS_AUTH)
    assert said(turnpike, BOB).startswith(NEEDS_AUTH)
    assert said(turnpike, FAR).startswith("250")


# ------------------------------------------------------------------------------------ AU-11, AU-12

def test_au_11_no_auth_on_the_smtp_port(office):
    turnpike = office({"disallow_on_smtp_port": True})
    with Client(turnpike.ports["mx"]) as client:
        assert "AUTH" not in client.ehlo()
        for command in ("AUTH PLAIN", "AUTH LOGIN", "AUTH NOSUCH", "AUTH"):
            assert client.ask(command).startswith("500 5.5.1"), command
        assert client.auth_plain(ANN, PASSWORD).startswith("500 5.5.1")
        # What an unknown command gets, in the same words.
        assert client.ask("AUTH PLAIN") == client.ask("FROB PLAIN")
        assert client.mail(FAR, [ANN], letter(FAR)).startswith("250")
    assert refusals(turnpike, "AU-11") >= 5
    assert send(turnpike, ANN, FAR, login=ANN, listener="submission").startswith("250")


def test_au_12_who_tries_it_all_the_same_is_screened(office):
    turnpike = office({"disallow_on_smtp_port": True, "screen_on_disallowed_auth": True},
                      dynamic_screening={"allow": ["127.0.0.1"]})
    with Client(turnpike.ports["mx"], source="127.0.0.31") as client:
        assert "AUTH" not in client.ehlo()
        assert client.ask("AUTH PLAIN").startswith("421 4.7.0")
        assert client.closed()
    assert refusals(turnpike, "AU-12") == 1

    def greeting(source, listener="mx"):
        with Client(turnpike.ports[listener], source=source) as client:
            return client.greeting

    wait_for(lambda: greeting("127.0.0.31").startswith("554 5.7.1"), 10, what="the screen")
    assert greeting("127.0.0.31", "submission").startswith("554 5.7.1")
    assert greeting("127.0.0.32").startswith("220")
    # Who is on the allow list is told the same and stays welcome.
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.ask("AUTH PLAIN").startswith("421 4.7.0")
    assert greeting(FOREIGN).startswith("220")
    assert send(turnpike, ANN, FAR, login=ANN, listener="submission").startswith("250")


# ------------------------------------------------------------------------------------ explanations

def explain(turnpike, **fields):
    protos()
    from protos.turnpike.auth.v1 import admin_pb2
    fields = {"client_address": "198.51.100.1", "listener": "mx", **fields}
    return call(turnpike, "auth-service", "turnpike.auth.v1.AuthAdminService/ExplainVerdict",
                admin_pb2.ExplainVerdictRequest(**fields), admin_pb2.ExplainVerdictResponse)


def test_verdicts_are_explained_with_their_rule(strict):
    import grpc
    said = explain(strict, return_path=b"eve@elsewhere.test", recipient=b"x@customer.test")
    assert (said.accepted, said.code, said.rule, said.queue) == (
        True, 250, "", "gateway/customer.test")
    said = explain(strict, return_path=ANN.encode(), recipient=b"x@customer.test")
    assert (said.accepted, said.code, said.enhanced_code, said.rule) == (
        False, 530, "5.7.0", "AU-1")
    said = explain(strict, return_path=b"", recipient=FAR.encode())
    assert (said.code, said.rule) == (550, "AU-24")
    said = explain(strict, login=ANN, return_path=BOB.encode(), recipient=FAR.encode())
    assert (said.code, said.rule) == (553, "AU-5")
    said = explain(strict, login="customer.test", return_path=b"x@customer.test",
                   recipient=FAR.encode())
    assert said.accepted and said.queue == "remote/elsewhere.test"
    said = explain(strict, listener="submission", return_path=b"", recipient=ANN.encode())
    assert (said.code, said.rule) == (530, "PL-1")
    said = explain(strict, client_address=LOCAL, return_path=b"", recipient=ANN.encode())
    assert (said.code, said.rule) == (530, "AU-4")
    for wrong in ({"listener": "nosuch"}, {"client_address": "localhost"},
                  {"login": "nobody@office.test"}, {"login": "nosuch.test"}):
        with pytest.raises(grpc.RpcError) as error:
            explain(strict, recipient=b"x@customer.test", **wrong)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT, wrong
