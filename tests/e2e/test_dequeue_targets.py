"""DQ-15 with a login, DQ-17: fixed targets of ETRN, with Exim as the customer's server."""

import pytest

from gateways import GATEWAY, PASSWORD, gateway, queue_counts, spool_is_empty, submit
from peers.dns import Dns
from peers.exim import Exim
from peers.process import free_port, wait_for
from peers.smtp import Client, Server

LOGIN = {"username": "turnpike", "password": "mooring-7"}
DOMAINS = ["bymx.test", "byhost.test", "byip.test", "wrong.test"]


@pytest.fixture(scope="module")
def exim(tmp_path_factory):
    with Exim(tmp_path_factory.mktemp("exim"), DOMAINS, address="127.0.0.2",
              users={LOGIN["username"]: LOGIN["password"]}) as server:
        yield server


@pytest.fixture(scope="module")
def office():
    """office.test has a mailbox server here, and another server by its MX."""
    with Server(lmtp=True) as mailboxes, \
            Server(address="127.0.0.3", port=free_port("127.0.0.3")) as elsewhere:
        yield mailboxes, elsewhere


@pytest.fixture(scope="module")
def turnpike(start, exim, office, tmp_path_factory):
    mailboxes, elsewhere = office
    with Dns(tmp_path_factory.mktemp("dns"), {
            "site.test": "mx 60 A 127.0.0.2\n@ 60 MX 10 mx\nhost 60 A 127.0.0.2\n",
            "office.test": "mx 60 A 127.0.0.3\n@ 60 MX 10 mx\n"}) as dns:
        def to(target, **more):
            return {"port": exim.port, "deliver_to": target, "auth": LOGIN, **more}

        yield start(
            {
                "gateways": [
                    gateway("bymx.test", to("site.test")),
                    gateway("byhost.test", to("[host.site.test]")),
                    gateway("byip.test", to("127.0.0.2")),
                    gateway("wrong.test", to("127.0.0.2", auth={**LOGIN, "password": "other"})),
                    gateway("near.test", {"deliver_to": "office.test", "port": elsewhere.port}),
                    gateway("far.test", {"deliver_to": "office.test", "port": elsewhere.port,
                                         "treat_target_as_foreign": True}),
                ],
                "local_domains": [{"domain": "office.test",
                                   "mailbox_server": f"127.0.0.1:{mailboxes.port}"}],
                "dns": {"servers": [dns.server]},
                "delivery": {"allow_loopback_hosts": True, "connect_timeout": "3s"},
                "retry": {"first_interval": "1h", "first_period": "1h"},
            },
            {"mx": {"role": "smtp", "allow_cleartext_auth": True}})


def etrn(turnpike, domain):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.auth_plain(domain, PASSWORD).startswith("235")
        return client.ask(f"ETRN {domain}")


@pytest.mark.parametrize("domain", ["bymx.test", "byhost.test", "byip.test"])
def test_dq_15_logs_in_at_the_target_in_each_of_its_forms(turnpike, exim, domain):
    submit(turnpike.ports["mx"], domain, 2)
    assert etrn(turnpike, domain).startswith("253 ")
    wait_for(lambda: len([m for m in exim.messages() if m.recipient.endswith("@" + domain)]) == 2,
             timeout=20, what=f"mail of {domain} at Exim")
    assert b"P=esmtpa" in b"".join(p.read_bytes() for p in (exim.folder / "log").glob("main*"))


def test_dq_15_a_login_that_is_refused_keeps_the_mail(turnpike, exim):
    submit(turnpike.ports["mx"], "wrong.test", 1)
    assert etrn(turnpike, "wrong.test").startswith("253 ")
    wait_for(lambda: queue_counts(turnpike, "wrong.test") == (0, 0, 1, 0), what="the retry")
    assert not [m for m in exim.messages() if m.recipient.endswith("@wrong.test")]


def test_dq_17_a_local_target_is_delivered_locally(turnpike, office):
    mailboxes, elsewhere = office
    submit(turnpike.ports["mx"], "near.test", 1)
    assert etrn(turnpike, "near.test").startswith("253 ")
    wait_for(lambda: len(mailboxes.messages) == 1, what="the mail at the mailbox server")
    assert mailboxes.messages[0].rcpts[0].split()[1] == "TO:<user1@near.test>"
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "near.test"))
    assert not elsewhere.messages


def test_dq_17_treat_target_as_foreign_goes_out_by_smtp(turnpike, office):
    mailboxes, elsewhere = office
    before = len(mailboxes.messages)
    submit(turnpike.ports["mx"], "far.test", 1)
    assert etrn(turnpike, "far.test").startswith("253 ")
    wait_for(lambda: len(elsewhere.messages) == 1, what="the mail at the MX of the domain")
    wait_for(lambda: spool_is_empty(turnpike, GATEWAY, "far.test"))
    assert len(mailboxes.messages) == before
