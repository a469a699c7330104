"""DL-41: TLS on the way out. Zones signed by Knot and validated by Unbound, certificates of all
kinds, MTA-STS policies by HTTPS, REQUIRETLS."""

import json
import socket
import ssl

import pytest

from gateways import REMOTE, get_delivery, list_deliveries
from peers.certificates import Authority
from peers.dns import Dns, Unbound
from peers.process import free_port, wait_for
from peers.smtp import Client, Server, message
from peers.sts import PolicyServer, policy

HOST_NAMES = ["good", "selfsigned", "othername", "expired", "stranger", "plain", "breaking",
              "safe", "daneonly", "danewrong", "danestripped", "daneauthority", "resuming"]
ADDRESSES = {name: f"127.0.0.{30 + i}" for i, name in enumerate(HOST_NAMES)}


class Hosts:
    """One scripted host for each kind of certificate, all at one port."""

    def __init__(self, folder):
        self.port = free_port(ADDRESSES["good"])
        self.authority = Authority(folder / "authority")
        stranger = Authority(folder / "stranger", "Somebody Else")
        unknown = stranger.issue("mx.test")
        good = {name: self.authority.issue(f"{name}.hosts.test", f"{name}.signed.test")
                for name in ("good", "safe", "resuming", "daneauthority")}
        self.certificates = {
            **good,
            "selfsigned": stranger.certificate,
            "othername": self.authority.issue("somewhere.test"),
            "expired": self.authority.issue("expired.hosts.test", days=-1),
            "stranger": stranger.issue("stranger.hosts.test"),
            "breaking": None, "daneonly": unknown, "danewrong": unknown, "danestripped": None,
            "plain": None,
        }
        self.servers = {}
        for name, certificate in self.certificates.items():
            capabilities = ["PIPELINING", "8BITMIME", "SIZE"]
            if name in ("safe", "resuming"):
                capabilities.append("REQUIRETLS")
            # One that has no certificate ends every handshake with an alert.
            context = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if name == "breaking"
                       else certificate.server_context() if certificate else None)
            self.servers[name] = Server(address=ADDRESSES[name], port=self.port,
                                        capabilities=capabilities, tls=context)

    def taken(self, name, recipient):
        return [m for m in self.servers[name].messages
                if any(f"<{recipient}>" in rcpt for rcpt in m.rcpts)]

    def stop(self):
        for server in self.servers.values():
            server.stop()


def zones(hosts, sts_address="127.0.0.1"):
    addresses = "".join(f"{name} 60 A {address}\n" for name, address in ADDRESSES.items())
    tlsa = "".join(f"_{hosts.port}._tcp.{name} 60 TLSA {data}\n" for name, data in {
        "daneonly": hosts.certificates["daneonly"].tlsa(3, 1, 1),
        "danewrong": hosts.certificates["good"].tlsa(3, 1, 1),
        "danestripped": hosts.certificates["good"].tlsa(3, 1, 1),
        "daneauthority": hosts.authority.certificate.tlsa(2, 0, 1),
    }.items())
    mx = "".join(f"{name} 60 MX 10 {name}.hosts.test.\n" for name in HOST_NAMES)
    signed_mx = "".join(f"to-{name} 60 MX 10 {name}\n" for name in HOST_NAMES)
    sts = "".join(
        f'_mta-sts.{name} 60 TXT "v=STSv1; id={i};"\nmta-sts.{name} 60 A {sts_address}\n'
        f"{name} 60 MX 10 {host}.hosts.test.\n"
        for i, (name, host) in enumerate(STS.items()))
    return {"hosts.test": addresses, "mail.test": mx, "sts.test": sts,
            "signed.test": addresses + tlsa + signed_mx}


# domain in sts.test -> the host that its MX record names
STS = {"enforced": "good", "wrongcert": "selfsigned", "unlisted": "good", "tested": "selfsigned",
       "html": "selfsigned", "moved": "selfsigned", "away": "selfsigned", "none": "selfsigned"}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    hosts = Hosts(tmp_path_factory.mktemp("hosts"))
    yield hosts
    hosts.stop()


@pytest.fixture(scope="module")
def policies(hosts):
    certificate = hosts.authority.issue(*(f"mta-sts.{name}.sts.test" for name in STS
                                          if name != "away"))
    server = PolicyServer({
        "enforced.sts.test": policy("enforce", "*.hosts.test"),
        "wrongcert.sts.test": policy("enforce", "selfsigned.hosts.test"),
        "unlisted.sts.test": policy("enforce", "other.hosts.test"),
        "tested.sts.test": policy("testing", "other.hosts.test"),
        "none.sts.test": policy("none"),
        "html.sts.test": (200, "text/html", policy("enforce", "other.hosts.test")),
        "moved.sts.test": (301, "text/plain", "https://mta-sts.enforced.sts.test/"),
        "away.sts.test": policy("enforce", "other.hosts.test"),
    }, certificate)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def resolver(tmp_path_factory, hosts, policies):
    folder = tmp_path_factory.mktemp("dns")
    with Dns(folder / "knot", zones(hosts), signed=["signed.test"]) as dns:
        with Unbound(folder / "unbound", dns) as unbound:
            yield unbound


@pytest.fixture(scope="module")
def turnpike(start, hosts, policies, resolver, certificate):
    return start({
        "hostname": "gate.turnpike.test",
        "trusted_networks": ["127.0.0.0/8"],
        "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:1"}],
        "dns": {"servers": [resolver.server], "timeout": "3s", "trust_ad": True},
        "delivery": {"smtp_port": hosts.port, "allow_loopback_hosts": True, "connect_timeout": "3s",
                     "command_timeout": "5s", "data_timeout": "5s", "idle_timeout": "0s",
                     "authorities_file": str(hosts.authority.file), "mta_sts_port": policies.port,
                     "routes": [{"domains": ["must-plain.mail.test", "plain.mail.test"],
                                 "tls": "required"},
                                {"domains": ["good.mail.test", "othername.mail.test",
                                             "expired.mail.test", "stranger.mail.test"],
                                 "tls": "verified"}]},
        "retry": {"first_interval": "1h", "first_period": "2h", "interval": "1h"},
    }, {"mx": {"role": "smtp", "tls": certificate}})


def send(turnpike, recipient, sender="ann@sender.test", mail=""):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        answer = client.mail(sender, [recipient], message(1), mail)
        assert answer.startswith("250 2.0.0"), answer


def send_under_tls(turnpike, recipient, sender, mail):
    """By STARTTLS, where REQUIRETLS is offered."""
    with socket.create_connection(("127.0.0.1", turnpike.ports["mx"]), timeout=20) as plain:
        plain.recv(1000)
        plain.sendall(b"EHLO c.test\r\n")
        assert b"REQUIRETLS" not in plain.recv(4000)
        plain.sendall(b"STARTTLS\r\n")
        assert plain.recv(1000).startswith(b"220")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as tls:
            for line, expected in ((b"EHLO c.test", b"REQUIRETLS"),
                                   (f"MAIL FROM:<{sender}> {mail}".encode(), b"250"),
                                   (f"RCPT TO:<{recipient}>".encode(), b"250"), (b"DATA", b"354"),
                                   (message(1) + b".", b"250"), (b"QUIT", b"221")):
                tls.sendall(line + b"\r\n")
                assert expected in tls.recv(4000), line


def arrives(hosts, host, recipient):
    return wait_for(lambda: hosts.taken(host, recipient), what=f"mail for {recipient} at {host}")[0]


def last_outcome(turnpike, domain):
    deliveries = list_deliveries(turnpike, REMOTE, domain)
    outcomes = (get_delivery(turnpike, deliveries[0].delivery_id).last_outcomes if deliveries
                else [])
    return outcomes[0] if outcomes else None


def assert_deferred(turnpike, domain, words):
    outcome = wait_for(lambda: last_outcome(turnpike, domain), what=f"an attempt at {domain}")
    text = outcome.reply.text.decode()
    assert 400 <= outcome.reply.code < 500 and words in text, outcome


# ------------------------------------------------------------------------ opportunistic, required


@pytest.mark.parametrize("host", ["selfsigned"])
def test_dl_41_opportunistic_tls_takes_any_certificate(turnpike, hosts, host):
    recipient = f"bob@{host}.mail.test"
    send(turnpike, recipient)
    assert arrives(hosts, host, recipient).tls["version"] == "TLSv1.3"


def test_dl_41_opportunistic_tls_that_breaks_is_followed_by_clear_text(turnpike, hosts):
    send(turnpike, "bob@breaking.mail.test")
    assert arrives(hosts, "breaking", "bob@breaking.mail.test").tls is None


def test_dl_41_required_tls_that_is_not_offered_delays_mail(turnpike, hosts):
    send(turnpike, "bob@plain.mail.test")
    assert_deferred(turnpike, "plain.mail.test", "TLS")
    assert not hosts.taken("plain", "bob@plain.mail.test")


def test_dl_41_verified_host_gets_mail(turnpike, hosts):
    send(turnpike, "bob@good.mail.test")
    assert arrives(hosts, "good", "bob@good.mail.test").tls


@pytest.mark.parametrize("host", ["othername", "expired", "stranger"])
def test_dl_41_certificate_of_a_wrong_kind_delays_mail_where_it_is_verified(turnpike, hosts, host):
    send(turnpike, f"bob@{host}.mail.test")
    assert_deferred(turnpike, f"{host}.mail.test", "certificate")
    assert not hosts.taken(host, f"bob@{host}.mail.test")


# --------------------------------------------------------------------------------------- sessions


def test_dl_41_tls_sessions_are_resumed(turnpike, hosts):
    for number in range(2):
        recipient = f"bob{number}@resuming.mail.test"
        send(turnpike, recipient)
        taken = arrives(hosts, "resuming", recipient)
    assert taken.tls["resumed"]


def test_dl_41_log_line_says_what_tls_the_session_had(turnpike, hosts):
    send(turnpike, "facts@selfsigned.mail.test")
    arrives(hosts, "selfsigned", "facts@selfsigned.mail.test")

    def line():
        for text in turnpike.processes["outbound-delivery"].log_text().splitlines():
            if "selfsigned.hosts.test" in text and "TLSv1.3" in text:
                return json.loads(text)
        return None

    assert wait_for(line, what="the log line of the session")


# ------------------------------------------------------------------------------------------- DANE


def test_dl_41_dane_takes_the_certificate_that_the_record_describes(turnpike, hosts):
    send(turnpike, "bob@to-daneonly.signed.test")
    assert arrives(hosts, "daneonly", "bob@to-daneonly.signed.test").tls


def test_dl_41_dane_takes_a_certificate_of_the_authority_in_the_record(turnpike, hosts):
    send(turnpike, "bob@to-daneauthority.signed.test")
    assert arrives(hosts, "daneauthority", "bob@to-daneauthority.signed.test").tls


def test_dl_41_dane_refuses_another_certificate(turnpike, hosts):
    send(turnpike, "bob@to-danewrong.signed.test")
    assert_deferred(turnpike, "to-danewrong.signed.test", "certificate")
    assert not hosts.taken("danewrong", "bob@to-danewrong.signed.test")


def test_dl_41_dane_sends_nothing_in_clear(turnpike, hosts):
    send(turnpike, "bob@to-danestripped.signed.test")
    assert_deferred(turnpike, "to-danestripped.signed.test", "TLS")
    assert not hosts.taken("danestripped", "bob@to-danestripped.signed.test")


def test_dl_41_host_without_records_in_a_signed_zone_is_opportunistic(turnpike, hosts):
    send(turnpike, "bob@to-plain.signed.test")
    assert arrives(hosts, "plain", "bob@to-plain.signed.test").tls is None


# ---------------------------------------------------------------------------------------- MTA-STS


def test_dl_41_mta_sts_enforced_policy_lets_the_verified_host_have_the_mail(
        turnpike, hosts, policies):
    for number in range(2):
        send(turnpike, f"bob{number}@enforced.sts.test")
        assert arrives(hosts, "good", f"bob{number}@enforced.sts.test").tls
    assert policies.asked.count("enforced.sts.test") == 1  # the policy is remembered


def test_dl_41_mta_sts_enforced_policy_refuses_an_unknown_certificate(turnpike, hosts):
    send(turnpike, "bob@wrongcert.sts.test")
    assert_deferred(turnpike, "wrongcert.sts.test", "certificate")
    assert not hosts.taken("selfsigned", "bob@wrongcert.sts.test")


def test_dl_41_mta_sts_enforced_policy_refuses_a_host_that_it_does_not_name(turnpike, hosts):
    send(turnpike, "bob@unlisted.sts.test")
    assert_deferred(turnpike, "unlisted.sts.test", "MTA-STS")
    assert not hosts.taken("good", "bob@unlisted.sts.test")


def test_dl_41_mta_sts_tested_policy_delivers_and_counts(turnpike, hosts):
    def failures():
        return turnpike.metric("outbound-delivery", "turnpike_delivery_sts_test_failures_total")

    before = failures()
    send(turnpike, "bob@tested.sts.test")
    assert arrives(hosts, "selfsigned", "bob@tested.sts.test").tls
    wait_for(lambda: failures() > before, what="the failure being counted")


@pytest.mark.parametrize("name", ["html", "moved", "away", "none"])
def test_dl_41_mta_sts_policy_that_cannot_be_had_is_none(turnpike, hosts, name):
    send(turnpike, f"bob@{name}.sts.test")
    assert arrives(hosts, "selfsigned", f"bob@{name}.sts.test").tls


# --------------------------------------------------------------- sessions that domains may share


@pytest.fixture(scope="module")
def sharing(start, hosts, policies, resolver):
    """Connections stay open for a while, and nothing is demanded but by the domains themselves."""
    return start({
        "hostname": "gate.turnpike.test",
        "trusted_networks": ["127.0.0.0/8"],
        "dns": {"servers": [resolver.server], "timeout": "3s", "trust_ad": True},
        "delivery": {"smtp_port": hosts.port, "allow_loopback_hosts": True, "idle_timeout": "20s",
                     "authorities_file": str(hosts.authority.file), "mta_sts_port": policies.port},
        "retry": {"first_interval": "1h", "first_period": "2h", "interval": "1h"},
    })


def opened(turnpike):
    return turnpike.metric("outbound-delivery", "turnpike_delivery_connections_total",
                           result="opened")


def test_dl_40_a_policy_is_not_met_by_the_open_session_of_another_domain(sharing, hosts):
    """The same host, which has shown no certificate that the second domain's policy asks for."""
    send(sharing, "shared@selfsigned.mail.test")
    arrives(hosts, "selfsigned", "shared@selfsigned.mail.test")
    send(sharing, "shared@wrongcert.sts.test")
    assert_deferred(sharing, "wrongcert.sts.test", "certificate")
    assert not hosts.taken("selfsigned", "shared@wrongcert.sts.test")


def test_dl_40_a_host_that_a_policy_does_not_name_gets_nothing_over_an_open_session(sharing, hosts):
    send(sharing, "shared@good.mail.test")
    arrives(hosts, "good", "shared@good.mail.test")
    send(sharing, "shared@unlisted.sts.test")
    assert_deferred(sharing, "unlisted.sts.test", "MTA-STS")
    assert not hosts.taken("good", "shared@unlisted.sts.test")


def test_dl_40_a_policy_is_met_by_a_session_of_its_own(sharing, hosts):
    send(sharing, "first@good.mail.test")
    arrives(hosts, "good", "first@good.mail.test")
    before = opened(sharing)
    send(sharing, "first@enforced.sts.test")
    arrives(hosts, "good", "first@enforced.sts.test")
    assert opened(sharing) == before + 1
    send(sharing, "second@good.mail.test")
    send(sharing, "second@enforced.sts.test")
    arrives(hosts, "good", "second@good.mail.test")
    arrives(hosts, "good", "second@enforced.sts.test")
    assert opened(sharing) == before + 1, "both sessions are still there"


# ------------------------------------------------------------------------------------- REQUIRETLS


def test_dl_41_requiretls_goes_to_a_verified_host_that_offers_it(turnpike, hosts):
    send_under_tls(turnpike, "bob@to-safe.signed.test", "ann@sender.test", "REQUIRETLS")
    taken = arrives(hosts, "safe", "bob@to-safe.signed.test")
    assert "REQUIRETLS" in taken.mail and taken.tls


@pytest.mark.parametrize("domain,status", [("to-good.signed.test", "5.7.30"),
                                           ("good.mail.test", "5.7.10"),
                                           ("to-plain.signed.test", "5.7.10")])
def test_dl_41_requiretls_that_cannot_be_kept_returns_mail(turnpike, hosts, domain, status):
    send_under_tls(turnpike, f"req@{domain}", "ann@sender.test", "REQUIRETLS")

    def result():
        for line in turnpike.processes["outbound-delivery"].log_text().splitlines():
            if f"req@{domain}" in line:
                return json.loads(line)
        return None

    attempt = wait_for(result, what=f"the attempt at {domain}")
    assert attempt["result"] == "returned" and status in attempt["reply"], attempt
    assert not hosts.taken("good", f"req@{domain}") + hosts.taken("plain", f"req@{domain}")
