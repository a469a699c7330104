"""DQ-34, DQ-37: the peer cuts the connection at every point of the ATRN dialogue. Nothing is lost,
and nothing goes out twice but in the window after the end of the data, which is shown as such."""

import re
import socket

import pytest

from gateways import (GATEWAY, atrn, describe_gateway, gateway, get_delivery, list_deliveries,
                      login, queue_counts, submit, without_received)
from peers.process import wait_for

MESSAGES = 3


@pytest.fixture(scope="module")
def turnpike(start):
    return start({"gateways": [gateway("customer.test")]},
                 {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})


class CuttingPeer:
    """The customer's server after the turn. Cuts at `stage`, in the `number`th message:
    `before` the reply, in its `middle`, or right `after` it."""

    STAGES = {"EHLO": "ehlo", "MAIL": "mail", "RCPT": "rcpt", "DATA": "data", "QUIT": "quit"}
    REPLIES = {"greeting": "220 customer.test ESMTP", "mail": "250 2.1.0 ok", "rcpt": "250 2.1.5 ok",
               "data": "354 go on", "end": "250 2.0.0 taken", "quit": "221 2.0.0 bye"}

    def __init__(self, stage, number, where, pipelining, reset):
        self.cut = (stage, number, where)
        self.reset = reset
        self.pipelining = pipelining
        self.taken = []  # acknowledged, with a whole reply
        self.seen = []   # the end of the data was there
        self.was_cut = False

    def serve(self, client):
        self.client = client
        try:
            self._dialogue(client.file)
        except ConnectionError:
            pass

    def _dialogue(self, file):
        self._reply("greeting")
        while True:
            line = file.readline()
            if not line:
                return
            stage = self.STAGES[line[:4].decode().upper().strip()]
            self._reply(stage)
            if stage == "quit":
                return
            if stage == "data":
                self._content(file)

    def _content(self, file):
        lines = []
        while True:
            line = file.readline()
            if not line:
                raise ConnectionError
            if line == b".\r\n":
                break
            lines.append(line)
            if self.cut == ("content", len(self.seen) + 1, "middle") and len(lines) == 3:
                self._close()
        self.seen.append(b"".join(lines))
        self._reply("end")

    def _reply(self, stage):
        if stage == "ehlo":
            words = ["customer.test", "8BITMIME"] + ["PIPELINING"] * self.pipelining
            text = "".join(f"250{' -'[i < len(words) - 1]}{w}\r\n" for i, w in enumerate(words))
        else:
            text = self.REPLIES[stage] + "\r\n"
        number = len(self.seen) + (stage not in ("end", "quit"))
        is_here = self.cut[0] == stage and (stage in ("greeting", "ehlo", "quit") or
                                            self.cut[1] == number)
        if is_here and self.cut[2] == "before":
            self._close()
        if is_here and self.cut[2] == "middle":
            self.client.socket.sendall(text[:len(text) // 2].encode())
            self._close()
        self.client.socket.sendall(text.encode())
        if stage == "end":
            self.taken.append(self.seen[-1])
        if is_here:
            self._close()

    def _close(self):
        self.was_cut = True
        if self.reset:
            self.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          b"\1\0\0\0\0\0\0\0")
        self.client.close()
        raise ConnectionError


@pytest.fixture(autouse=True)
def empty_queue(turnpike):
    """Every test starts with nothing held."""
    wait_for(lambda: atrn(turnpike.ports["odmr"], "customer.test")[0][:3] in ("250", "453"))
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (0, 0, 0, 0))


def cuts():
    """Every point of the dialogue; resets only where no reply could be lost with them."""
    for pipelining in (False, True):
        yield from (("greeting", 0, where, pipelining, False)
                    for where in ("before", "middle", "after"))
        yield from (("ehlo", 0, where, pipelining, False)
                    for where in ("before", "middle", "after"))
        for number in (1, 2):
            for stage in ("mail", "rcpt", "data", "end"):
                yield from ((stage, number, where, pipelining, False)
                            for where in ("before", "middle", "after"))
            yield ("content", number, "middle", pipelining, False)
            yield ("content", number, "middle", pipelining, True)
            yield ("rcpt", number, "before", pipelining, True)
            yield ("end", number, "before", pipelining, True)
        yield ("end", MESSAGES, "before", pipelining, False)
        yield ("quit", 0, "before", pipelining, False)
        yield ("quit", 0, "middle", pipelining, False)


def name_of(cut):
    stage, number, where, pipelining, reset = cut
    return f"{where}-{stage}{number or ''}{'-pipelining' * pipelining}{'-reset' * reset}"


@pytest.mark.parametrize("cut", cuts(), ids=name_of)
def test_dq_34_and_37_cut_at_every_point(turnpike, cut):
    # More than the sockets between us hold: otherwise the end of the data is under way when the
    # peer closes within the content, and whether it got there cannot be known.
    size = 16_000_000 if cut[0] == "content" or (cut[0], cut[2]) == ("data", "after") else 0
    contents = submit(turnpike.ports["mx"], "customer.test", MESSAGES, size=size)
    peer = CuttingPeer(*cut)
    client = wait_for(lambda: granted(turnpike), what="a session")
    peer.serve(client)
    client.close()
    assert peer.was_cut
    wait_for(lambda: not describe_gateway(turnpike, "customer.test").running_sessions)
    left = MESSAGES - len(peer.taken)
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (left, 0, 0, 0))

    is_unknown = cut[0] == "end" and cut[2] != "after"
    state = describe_gateway(turnpike, "customer.test")
    assert state.outcomes_unknown == is_unknown
    if is_unknown:
        [unknown] = [d for d in list_deliveries(turnpike, GATEWAY, "customer.test")
                     if d.outcome_unknown]
        shown = get_delivery(turnpike, unknown.delivery_id)
        assert shown.last_attempt_time.seconds > 0 and "127.0.0.1" in shown.last_outcomes[0].host
    assert len(peer.seen) - len(peer.taken) == is_unknown

    reply, server = atrn(turnpike.ports["odmr"], "customer.test")
    assert reply.startswith("250" if left else "453")
    second = [without_received(m.content) for m in server.messages]
    assert [without_received(c) for c in peer.taken] + second == contents
    assert queue_counts(turnpike, "customer.test") == (0, 0, 0, 0)


def granted(turnpike):
    client = login(turnpike.ports["odmr"], "customer.test")
    if client.ask("ATRN").startswith("250"):
        return client
    client.close()
    return None


def test_dq_37_the_window_is_one_message_wide(turnpike):
    """With many messages on their way, also pipelined, one alone can be in doubt."""
    contents = submit(turnpike.ports["mx"], "customer.test", 40, size=3000)
    peer = CuttingPeer("end", 20, "before", True, True)
    client = wait_for(lambda: granted(turnpike))
    peer.serve(client)
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (21, 0, 0, 0))
    assert describe_gateway(turnpike, "customer.test").outcomes_unknown == 1
    _, server = wait_for(lambda: (lambda r: r if r[0].startswith("250") else None)(
        atrn(turnpike.ports["odmr"], "customer.test")))
    got = peer.taken + [m.content for m in server.messages]
    assert [without_received(c) for c in got] == contents
    assert len([c for c in got if re.search(rb"Subject: test 20\r", c)]) == 1
