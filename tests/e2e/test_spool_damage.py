"""PL-25: a disk that is nearly full, and content that is damaged on it."""

import base64
import copy
import os

import pytest

from gateways import atrn, gateway, list_deliveries, queue_counts, submit
from peers.process import wait_for
from peers.smtp import Client, Server, message

PARKED = 5


@pytest.fixture(scope="module")
def mailboxes():
    with Server(lmtp=True) as server:
        yield server


def start_with(start, mailboxes, **more):
    return start({"gateways": [gateway("customer.test")],
                  "local_domains": [{"domain": "office.test",
                                     "mailbox_server": f"127.0.0.1:{mailboxes.port}"}],
                  "trusted_networks": ["127.0.0.0/8"], **more},
                 {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})


def offer(turnpike, recipient, content=None):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        return client.mail("ann@sender.test", [recipient], content or message(1))


def collect(turnpike):
    """Who took the mail by ATRN; nothing while that cannot be had."""
    reply, server = atrn(turnpike.ports["odmr"], "customer.test")
    return server if reply.startswith("250") else None


def restart_store(turnpike):
    assert turnpike.processes["spool-store"].terminate(20) == 0
    turnpike.restart("spool-store")


def test_pl_25_a_disk_nearly_full_refuses_with_452_and_goes_on_delivering(start, mailboxes):
    turnpike = start_with(start, mailboxes)
    contents = submit(turnpike.ports["mx"], "customer.test", 5)
    turnpike.kill("outbound-delivery")
    assert offer(turnpike, "x@office.test").startswith("250")
    # More than is free: the same as little that is free.
    turnpike.settings = copy.deepcopy(turnpike.settings)
    before = turnpike.settings["spool"]["free_bytes_min"]
    turnpike.settings["spool"]["free_bytes_min"] = "1000000GiB"
    turnpike.write_config()
    restart_store(turnpike)
    wait_for(lambda: offer(turnpike, "y@customer.test").startswith("452 4.3.1"))
    assert turnpike.metric("spool-store", "turnpike_spool_accepting") == 0
    assert turnpike.metric("smtp-frontend", "turnpike_smtp_rejections_total",
                           reason="spool_full") >= 1
    # What is there goes out, by both ways, and its end is recorded.
    server = wait_for(lambda: collect(turnpike))
    assert len(server.messages) == len(contents)
    turnpike.restart("outbound-delivery")
    wait_for(lambda: mailboxes.messages, what="the mailbox server having the mail")
    wait_for(lambda: not list_deliveries(turnpike))
    # There is room again.
    turnpike.settings["spool"]["free_bytes_min"] = before
    turnpike.write_config()
    restart_store(turnpike)
    wait_for(lambda: offer(turnpike, "y@customer.test").startswith("250"))
    assert queue_counts(turnpike, "customer.test")[0] == 1


def test_pl_25_damaged_messages_are_set_aside_and_the_rest_goes_on(start, mailboxes):
    turnpike = start_with(start, mailboxes)
    turnpike.kill("outbound-delivery")
    # Noise, so that it stands in the files as it is.
    noise = {number: base64.encodebytes(os.urandom(6000)).replace(b"\n", b"\r\n")
             for number in range(10)}
    for number in noise:
        domain = "customer.test" if number < 5 else "office.test"
        answer = offer(turnpike, f"u{number}@{domain}", message(number) + noise[number])
        assert answer.startswith("250"), answer
    assert turnpike.processes["spool-store"].terminate(20) == 0
    damaged = {2, 7}
    for number in damaged:
        middle = noise[number][4000:4040]
        hits = 0
        for path in (turnpike.folder / "spool").rglob("*"):
            if not path.is_file():
                continue
            data = path.read_bytes()
            if middle not in data:
                continue
            hits += 1
            path.write_bytes(data.replace(middle, b"#" * len(middle)))
        assert hits, "the content stands in a file"
    turnpike.restart("spool-store")
    # The frontend may find the store later than gateway-dequeue does: a session without mail.
    server = wait_for(lambda: (found := collect(turnpike)) and found.messages and found,
                      what="the store being there for the others")
    assert sorted(m.rcpts[0].split("<")[1].split("@")[0] for m in server.messages) == [
        "u0", "u1", "u3", "u4"]
    before = len(mailboxes.messages)
    turnpike.restart("outbound-delivery")
    wait_for(lambda: len(mailboxes.messages) == before + 4, what="the others' mail")
    left = wait_for(lambda: len(list_deliveries(turnpike)) == 2 and list_deliveries(turnpike))
    assert [d.state for d in left] == [PARKED, PARKED]
    assert {d.queue.name for d in left} == {"customer.test", "office.test"}
    assert turnpike.metric("spool-store", "turnpike_spool_integrity_errors_total") >= 2
    # They are shown to an operator, and are in nobody's way.
    assert offer(turnpike, "after@office.test").startswith("250")
    wait_for(lambda: len(mailboxes.messages) == before + 5)
    left = wait_for(lambda: len(list_deliveries(turnpike)) == 2 and list_deliveries(turnpike))
    assert [d.state for d in left] == [PARKED, PARKED]
