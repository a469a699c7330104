"""DQ-62 and the facts from the field: fetchmail as ODMR and as ETRN client, Postfix and Exim as the
servers behind it."""

import time

import pytest

from gateways import PASSWORD, gateway, queue_counts, submit
from peers.exim import Exim
from peers.process import free_port, wait_for
from peers.smtp import Client, message

NO_MAIL_OR_OK, PROTOCOL_ERROR, LOCKED = (0, 1), 4, 8  # exit codes of fetchmail(1)


@pytest.fixture(scope="module")
def exim(tmp_path_factory):
    with Exim(tmp_path_factory.mktemp("exim"), ["branch.test", "alias.test", "quay.test"]) as server:
        yield server


@pytest.fixture(scope="module")
def postfix(start_postfix):
    return start_postfix(["customer.test", "alias.customer.test", "pier.test"])


@pytest.fixture(scope="module")
def turnpike(start, certificate, exim, postfix):
    return start(
        {
            "gateways": [
                gateway("customer.test", {"port": postfix.port},
                        aliases=["alias.customer.test"]),
                gateway("pier.test", {"port": postfix.port, "require_auth": False}),
                gateway("branch.test", {"port": exim.port}, aliases=["alias.test"]),
                gateway("quay.test", {"port": exim.port, "require_auth": False}),
                gateway("empty.test", {"require_auth": False}),
                gateway("slow.test", atrn={"min_interval": "1h"}),
            ],
            "delivery": {"allow_loopback_hosts": True},
        },
        {
            "mx": {"role": "smtp", "allow_cleartext_auth": True},
            "odmr": {"role": "odmr"},
            "odmrs": {"role": "odmr", "tls": certificate, "implicit_tls": True},
            "submission": {"role": "submission", "tls": certificate},
        })


def sent(number):
    return f"Subject: test {number}\n".encode()


# -------------------------------------------------------------------------------- fetchmail, ODMR


def test_dq_62_fetchmail_collects_several_domains_into_postfix(turnpike, postfix, fetchmail):
    submit(turnpike.ports["mx"], "customer.test", 3)
    submit(turnpike.ports["mx"], "alias.customer.test", 2, first=4)
    result = fetchmail.collect(turnpike.ports["odmr"], "customer.test", PASSWORD,
                               ["customer.test", "alias.customer.test"], "127.0.0.1", postfix.port)
    assert result.returncode in NO_MAIL_OR_OK, result.stdout
    arrived = postfix.wait_messages(5)
    assert sorted(m.recipient for m in arrived) == sorted(
        [f"user{n}@customer.test" for n in (1, 2, 3)] +
        [f"user{n}@alias.customer.test" for n in (4, 5)])
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (0, 0, 0, 0))


def test_dq_62_fetchmail_collects_one_of_its_domains(turnpike, exim, fetchmail):
    submit(turnpike.ports["mx"], "branch.test", 1, first=31)
    submit(turnpike.ports["mx"], "alias.test", 1, first=32)
    for domain, number in (("alias.test", 32), ("branch.test", 31)):
        before = len(exim.messages())
        fetchmail.collect(turnpike.ports["odmr"], "branch.test", PASSWORD, [domain], "127.0.0.1",
                          exim.port)
        arrived = exim.wait_messages(before + 1)
        assert [m.recipient for m in arrived[before:]] == [f"user{number}@{domain}"]


def test_dq_62_fetchmail_over_implicit_tls_with_large_messages(turnpike, start_postfix, fetchmail):
    """One line a TLS record: more than one would stall fetchmail until we give up, and the message
    would come again."""
    mta = start_postfix(["customer.test"])
    sizes = [1_300_000, 0, 300_000, 66 * 20_000]
    contents = []
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        for number, size in enumerate(sizes, 50):
            contents.append(message(number, size))
            assert client.mail("ann@sender.test", ["user@customer.test"],
                               contents[-1]).startswith("250")
    begin = time.monotonic()
    result = fetchmail.collect(turnpike.ports["odmrs"], "customer.test", PASSWORD,
                               ["customer.test"], "127.0.0.1", mta.port, timeout=240,
                               options="ssl no sslcertck")
    assert result.returncode in NO_MAIL_OR_OK, result.stdout[-3000:]
    assert time.monotonic() - begin < 120
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (0, 0, 0, 0))
    arrived = mta.wait_messages(len(sizes))
    time.sleep(1)
    assert len(mta.messages()) == len(sizes), "each once"
    assert sorted(m.original() for m in arrived) == sorted(
        c.replace(b"\r\n", b"\n") for c in contents)


def test_dq_62_fetchmails_exit_codes(turnpike, exim, fetchmail):
    def run(login, domains, password=PASSWORD):
        result = fetchmail.collect(turnpike.ports["odmr"], login, password, domains, "127.0.0.1",
                                   exim.port)
        return result.returncode

    assert run("branch.test", ["branch.test"]) in NO_MAIL_OR_OK  # 453
    assert run("branch.test", ["customer.test"]) == PROTOCOL_ERROR  # 450
    assert run("branch.test", ["branch.test"], "wrong") not in NO_MAIL_OR_OK  # 535
    submit(turnpike.ports["mx"], "branch.test", 1)
    turnpike.kill("gateway-dequeue")
    assert run("branch.test", ["branch.test"]) == LOCKED  # 451
    turnpike.restart("gateway-dequeue")
    before = len(exim.messages())
    wait_for(lambda: run("branch.test", ["branch.test"]) in NO_MAIL_OR_OK)
    exim.wait_messages(before + 1)


def test_dq_62_fetchmail_without_its_own_server_loses_nothing(turnpike, fetchmail):
    """It closes after the turn: that costs the mail nothing. (DQ-36)"""
    submit(turnpike.ports["mx"], "slow.test", 1)
    fetchmail.collect(turnpike.ports["odmr"], "slow.test", PASSWORD, ["slow.test"], "127.0.0.1",
                      free_port())
    wait_for(lambda: queue_counts(turnpike, "slow.test") == (1, 0, 0, 0))


# -------------------------------------------------------------------------------- fetchmail, ETRN


def test_dq_62_fetchmail_asks_by_etrn_for_several_domains(turnpike, postfix, exim, fetchmail):
    """Each domain's mail goes to its own server; a domain without mail ends fetchmail's list."""
    at_postfix, at_exim = len(postfix.messages()), len(exim.messages())
    submit(turnpike.ports["mx"], "pier.test", 2, first=61)
    submit(turnpike.ports["mx"], "quay.test", 3, first=63)
    result = fetchmail.etrn(turnpike.ports["mx"], ["pier.test", "quay.test"])
    assert result.returncode in NO_MAIL_OR_OK, result.stdout
    assert result.stdout.count("ETRN< 253") == 2, result.stdout
    assert sent(61) in postfix.wait_messages(at_postfix + 2)[at_postfix].content
    assert len(exim.wait_messages(at_exim + 3)) == at_exim + 3
    submit(turnpike.ports["mx"], "quay.test", 1, first=66)
    result = fetchmail.etrn(turnpike.ports["mx"], ["empty.test", "quay.test"])
    assert "ETRN< 251" in result.stdout and "ETRN quay.test" not in result.stdout
    assert queue_counts(turnpike, "quay.test")[0] == 1
    fetchmail.etrn(turnpike.ports["mx"], ["quay.test"])
    exim.wait_messages(at_exim + 4)


def test_dq_62_fetchmail_logs_in_for_etrn(turnpike, exim, fetchmail):
    before = len(exim.messages())
    submit(turnpike.ports["mx"], "branch.test", 1, first=70)
    assert "ETRN< 530" in fetchmail.etrn(turnpike.ports["mx"], ["branch.test"]).stdout
    result = fetchmail.etrn(turnpike.ports["mx"], ["branch.test"], "branch.test", PASSWORD)
    assert "ETRN< 253" in result.stdout, result.stdout
    assert sent(70) in exim.wait_messages(before + 1)[before].content


# ------------------------------------------------------------------------- Postfix and Exim as peers


@pytest.mark.parametrize("domain, name", [("pier.test", "postfix"), ("quay.test", "exim")])
def test_dq_62_a_server_gets_its_mail_by_etrn_from_its_own_host(turnpike, request, domain, name):
    server = request.getfixturevalue(name)
    before = len(server.messages())
    submit(turnpike.ports["mx"], domain, 20, first=100, size=2000)
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo("mail." + domain)
        assert client.ask(f"ETRN {domain}").startswith("253 ")
    arrived = server.wait_messages(before + 20)[before:]
    assert sorted(m.recipient for m in arrived) == sorted(
        f"user{n}@{domain}" for n in range(100, 120))
    with Client(turnpike.ports["mx"]) as client:  # polls until it is empty
        client.ehlo()
        wait_for(lambda: client.ask(f"ETRN {domain}").startswith("251 "))
