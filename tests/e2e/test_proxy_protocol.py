"""PL-5: the true client address behind a balancer, by PROXY protocol version 1 and 2."""

import socket
import ssl
import time

import pytest

from gateways import PASSWORD, gateway, queue_counts, submit
from peers import balancer
from peers.process import free_port, wait_for
from peers.smtp import Client, Server

LINE, BLOCK = balancer.line, balancer.block
BEHIND = pytest.mark.parametrize("header", [LINE, BLOCK], ids=["v1", "v2"])
BALANCER = "127.0.0.7"


class Behind(Client):
    """A client whose connection begins with a balancer's header. `source` is the balancer."""

    def __init__(self, port, header, source=BALANCER, tls=False, greet=True):
        self.socket = balancer.connect(port, header, source)
        if tls:
            self._wrap()
        self.file = self.socket.makefile("rb")
        self.greeting = self.reply() if greet else None


@pytest.fixture(scope="module")
def site():
    """The customer's server, at the address that it asks from."""
    with Server(address="127.0.0.2", port=free_port("127.0.0.2")) as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(start, certificate, site):
    believed = {"proxy_protocol_from": [BALANCER, "127.0.1.0/24"]}
    return start(
        {
            "gateways": [
                gateway("open.test", {"port": site.port, "require_auth": False}),
                gateway("narrow.test", {"require_auth": False},
                        access={"honor_from": ["192.0.2.0/24", "2001:db8::/32"],
                                "ignore_from": ["192.0.2.66"]}),
            ],
            "smtp": {"proxy_header_timeout": "1s", "connections_per_address_max": 3},
            "delivery": {"allow_loopback_hosts": True},
            "retry": {"first_interval": "1h", "first_period": "1h"},
        },
        {"mx": {"role": "smtp", "tls": certificate, "allow_cleartext_auth": True, **believed},
         "odmr": {"role": "odmr", "allow_cleartext_auth": True, **believed},
         "tls": {"role": "smtp", "tls": certificate, "implicit_tls": True, **believed},
         "direct": {"role": "smtp"}})


def refused_headers(turnpike, listener="mx"):
    return turnpike.metric("smtp-frontend", "turnpike_smtp_connections_refused_total",
                           listener=listener, reason="proxy_header")


def etrn(turnpike, domain, header):
    with Behind(turnpike.ports["mx"], header) as client:
        client.ehlo()
        return client.ask(f"ETRN {domain}")


def session_line(turnpike, client_address):
    return [line for line in turnpike.log_lines("smtp-frontend")
            if line.get("text") == "session ended" and line.get("client") == client_address]


@BEHIND
@pytest.mark.parametrize("client", ["192.0.2.77", "2001:db8::77"], ids=["ipv4", "ipv6"])
def test_pl_05_received_and_log_show_the_true_address(turnpike, header, client):
    before = len(session_line(turnpike, client))
    with Behind(turnpike.ports["mx"], header(client)) as smtp:
        smtp.ehlo("true.test")
        assert smtp.mail("ann@sender.test", ["x@open.test"], b"Subject: a\r\n\r\nb\r\n") \
            .startswith("250")
        smtp.ask("QUIT")
    wait_for(lambda: len(session_line(turnpike, client)) == before + 1, what="the session's line")
    taken = Server(address="127.0.0.2")
    with Client(turnpike.ports["odmr"]) as asker:
        asker.ehlo()
        assert asker.auth_cram_md5("open.test", PASSWORD).startswith("235")
        assert asker.ask("ATRN").startswith("250")
        taken.serve(asker.socket)
    taken.stop()
    literal = client if ":" not in client else f"IPv6:{client}"
    assert f"from true.test ([{literal}])".encode() in taken.messages[-1].content


@BEHIND
def test_pl_05_works_before_implicit_tls_and_starttls(turnpike, header):
    with Behind(turnpike.ports["tls"], header("192.0.2.78"), tls=True) as client:
        client.ehlo()
        assert client.ask("QUIT").startswith("221")
    with Behind(turnpike.ports["mx"], header("192.0.2.79")) as client:
        client.ehlo()
        client.starttls()
        client.ehlo()
        assert client.ask("QUIT").startswith("221")
    for address in ("192.0.2.78", "192.0.2.79"):
        line = wait_for(lambda: session_line(turnpike, address), what=f"the line of {address}")[-1]
        assert line["tls"] is True


@pytest.mark.parametrize("header", [
    b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n", BLOCK(),
    BLOCK(records=b"\x04\x00\x01x"), BLOCK("192.0.2.1", command=0x20),
], ids=["unknown", "unknown-with-addresses", "local", "local-with-records", "local-with-addresses"])
def test_pl_05_a_balancer_that_names_nobody_is_the_client_itself(turnpike, header):
    before = len(session_line(turnpike, BALANCER))
    with Behind(turnpike.ports["mx"], header) as client:
        assert client.ask("QUIT").startswith("221")
    wait_for(lambda: len(session_line(turnpike, BALANCER)) == before + 1)


def test_pl_05_records_of_version_2_are_skipped(turnpike):
    records = b"\x02\x00\x09mail.test" + b"\x04\x02\x00" + b"\0" * 512 + b"\x20\x00\x00"
    with Behind(turnpike.ports["mx"], BLOCK("192.0.2.80", records=records)) as client:
        assert client.ask("QUIT").startswith("221")
    wait_for(lambda: session_line(turnpike, "192.0.2.80"))


def test_pl_05_a_header_in_pieces_and_commands_behind_it(turnpike):
    for header in (LINE("192.0.2.81"), BLOCK("192.0.2.81")):
        with balancer.connect(turnpike.ports["mx"], b"", BALANCER) as plain:
            for i in range(len(header)):
                plain.sendall(header[i:i + 1])
                if i % 9 == 0:
                    time.sleep(0.01)
            assert plain.makefile("rb").readline().startswith(b"220 ")


@pytest.mark.parametrize("header", [
    b"EHLO client.test\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", b"PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n",
    b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
    b"PROXY UNKNOWN " + b"x" * 200, balancer.SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 200,
    balancer.SIGNATURE + b"\x11\x11\x00\x0c" + b"\0" * 12,
    balancer.SIGNATURE + b"\x21\x12\x00\x0c" + b"\0" * 12,
    balancer.SIGNATURE + b"\x21\x11\x00\x04" + b"\0" * 4, b"\x16\x03\x01\x02\x00",
], ids=lambda header: "")
def test_pl_05_a_bad_header_closes_and_is_counted(turnpike, header):
    before = refused_headers(turnpike)
    with balancer.connect(turnpike.ports["mx"], header, BALANCER) as plain:
        try:
            assert plain.recv(100) == b"", "not a word to whoever that is"
        except ConnectionResetError:
            pass
    wait_for(lambda: refused_headers(turnpike) == before + 1)


@pytest.mark.parametrize("header", [b"", LINE("192.0.2.1")[:-1], BLOCK("192.0.2.1")[:-1]],
                         ids=["none", "v1", "v2"])
def test_pl_05_a_slow_header_closes_after_its_time(turnpike, header):
    before = refused_headers(turnpike)
    begin = time.monotonic()
    with balancer.connect(turnpike.ports["mx"], header, BALANCER) as plain:
        try:
            assert plain.recv(100) == b""
        except ConnectionResetError:
            pass
    assert 0.9 < time.monotonic() - begin < 5
    wait_for(lambda: refused_headers(turnpike) == before + 1)


def test_pl_05_others_are_served_as_they_are_and_not_believed(turnpike):
    """A header from elsewhere is a command that does not exist."""
    with Client(turnpike.ports["mx"], source="127.0.0.8") as client:
        assert client.greeting.startswith("220")
        assert client.ask(LINE("192.0.2.82").decode().rstrip()).startswith("500")
        client.ask("QUIT")
    wait_for(lambda: session_line(turnpike, "127.0.0.8"))
    assert not session_line(turnpike, "192.0.2.82")
    with Client(turnpike.ports["direct"], source=BALANCER) as client:
        assert client.greeting.startswith("220"), "a listener that believes nobody"


def test_pl_05_limits_count_the_true_addresses(turnpike):
    clients = [Behind(turnpike.ports["mx"], LINE(f"192.0.2.{n}")) for n in range(100, 106)]
    same = [Behind(turnpike.ports["mx"], BLOCK("192.0.2.110")) for _ in range(3)]
    fourth = Behind(turnpike.ports["mx"], BLOCK("192.0.2.110"))
    assert all(client.greeting.startswith("220") for client in clients + same)
    assert fourth.greeting.startswith("421 4.7.0"), fourth.greeting
    for client in clients + same + [fourth]:
        client.close()

    def has_room():
        with Behind(turnpike.ports["mx"], BLOCK("192.0.2.110")) as again:
            return again.greeting.startswith("220")

    wait_for(has_room, what="room for the client whose connections have ended")


def test_pl_05_connections_that_wait_for_a_header_end_with_the_process(start):
    turnpike = start({"gateways": [gateway("open.test")], "smtp": {"proxy_header_timeout": "1m"}},
                     {"mx": {"role": "smtp", "proxy_protocol_from": [BALANCER]}})
    with balancer.connect(turnpike.ports["mx"], b"PROXY ", BALANCER):
        time.sleep(0.3)
        begin = time.monotonic()
        assert turnpike.processes["smtp-frontend"].terminate(20) == 0
        assert time.monotonic() - begin < 10


@BEHIND
def test_dq_14_etrn_behind_a_balancer_delivers_to_who_asked(turnpike, site, header):
    before = len(site.messages)
    submit(turnpike.ports["direct"], "open.test", 1)
    assert etrn(turnpike, "open.test", header("127.0.0.2")).startswith("253 ")
    wait_for(lambda: len(site.messages) == before + 1, what="mail at the address that asked")


@BEHIND
def test_dq_40_access_lists_see_the_true_address(turnpike, header):
    submit(turnpike.ports["direct"], "narrow.test", 1)
    for refused in ("198.51.100.1", "192.0.2.66", "2001:db9::1"):
        assert etrn(turnpike, "narrow.test", header(refused)).startswith("459 "), refused
    assert etrn(turnpike, "narrow.test", BLOCK()).startswith("459 "), "the balancer itself"
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.ask("ETRN narrow.test").startswith("459 ")
    assert queue_counts(turnpike, "narrow.test")[0] >= 1
    for honored in ("192.0.2.65", "2001:db8::99"):
        assert etrn(turnpike, "narrow.test", header(honored))[:3] in ("250", "251", "252", "253")


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
def test_pl_05_behind_haproxy(start, certificate, tmp_path, send):
    """The real balancer: it tells where its client came from, and its own checks do no harm."""
    turnpike = start(
        {"gateways": [gateway("branch.test", access={"honor_from": ["127.0.0.31"]})]},
        {"odmr": {"role": "odmr", "allow_cleartext_auth": True, "tls": certificate,
                  "proxy_protocol_from": ["127.0.0.1"]},
         "direct": {"role": "smtp"}})
    submit(turnpike.ports["direct"], "branch.test", 1)
    with balancer.Haproxy(tmp_path / "haproxy", turnpike.ports["odmr"], f"{send} check") as haproxy:
        replies = {}
        for source in ("127.0.0.30", "127.0.0.31"):
            client = Client(haproxy.port, source=source)
            client.ehlo()
            client.starttls()
            client.ehlo()
            assert client.auth_cram_md5("branch.test", PASSWORD).startswith("235")
            replies[source] = client.ask("ATRN branch.test")
            if replies[source].startswith("250"):
                taker = Server()
                taker.serve(client.socket)
                taker.stop()
                assert len(taker.messages) == 1
            client.close()
    assert replies["127.0.0.30"].startswith("450 "), replies
    assert replies["127.0.0.31"].startswith("250 "), replies
    wait_for(lambda: session_line(turnpike, "127.0.0.31"))
