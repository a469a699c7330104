"""DQ-30 to DQ-37, DQ-60: the ATRN server."""

import socket
import threading
import time

import pytest

from gateways import (GATEWAY, PASSWORD, atrn, describe_gateway, gateway, get_delivery,
                      list_deliveries, login, queue_counts, submit, without_received)
from peers.process import wait_for
from peers.smtp import Client, Server, message

PASSWORDS = ["customer.test", "second.test", "shared.test", "slow.test"]


@pytest.fixture(scope="module")
def turnpike(start, certificate):
    return start(
        {
            "gateways": [
                gateway("customer.test", aliases=["alias.test"]),
                gateway("second.test"),
                gateway("shared.test", atrn={"single_session": False}),
                gateway("slow.test", atrn={"min_interval": "1h"}),
                gateway("off.test", atrn={"enabled": False}),
                gateway("tls.test"),
            ],
        },
        {
            "mx": {"role": "smtp", "allow_cleartext_auth": True},
            "odmr": {"role": "odmr"},
            "odmrs": {"role": "odmr", "tls": certificate, "implicit_tls": True},
            "both": {"role": "smtp", "odmr": True, "allow_cleartext_auth": True},
        })


@pytest.fixture(autouse=True)
def empty_queue(turnpike):
    """Every test starts with nothing held for the main gateway."""
    if any(queue_counts(turnpike, "customer.test")):
        atrn(turnpike.ports["odmr"], "customer.test")
    assert queue_counts(turnpike, "customer.test") == (0, 0, 0, 0)


def test_dq_30_only_on_odmr_listeners(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        assert "ATRN" not in client.ehlo()
        assert client.ask("ATRN customer.test").startswith("502 5.5.1")
    with Client(turnpike.ports["both"]) as client:
        assert "ATRN" in client.ehlo()


def test_dq_30_a_gateway_without_atrn_is_not_served(turnpike):
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        answer = client.auth_cram_md5("off.test", PASSWORD)
        if answer.startswith("235"):
            answer = client.ask("ATRN off.test")
        assert answer[:3] in ("450", "535"), answer


def test_dq_31_needs_auth(turnpike):
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        assert client.ask("ATRN customer.test").startswith("530 5.7.0")


def test_dq_31_roles_turn_on_the_same_connection(turnpike):
    contents = submit(turnpike.ports["mx"], "customer.test", 3)
    reply, server = atrn(turnpike.ports["odmr"], "customer.test", argument="customer.test")
    assert reply.startswith("250 ") and "\n" not in reply
    assert [without_received(m.content) for m in server.messages] == contents
    assert [m.mail.split()[1] for m in server.messages] == ["FROM:<ann@sender.test>"] * 3
    assert [m.rcpts for m in server.messages][0][0].startswith("RCPT TO:<user1@customer.test>")
    lines = server.transcripts[0]
    assert lines[0].startswith("EHLO gate.turnpike.test") and lines[-1] == "QUIT"
    assert queue_counts(turnpike, "customer.test") == (0, 0, 0, 0)


def test_dq_31_each_message_has_its_own_envelope(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.mail("", ["a@customer.test", "b@customer.test"], message(1))
        client.mail("other@sender.test", ["c@alias.test"], message(2))
    _, server = atrn(turnpike.ports["odmr"], "customer.test")
    assert [m.mail.split()[1] for m in server.messages] == ["FROM:<>", "FROM:<other@sender.test>"]
    assert [[r.split()[1] for r in m.rcpts] for m in server.messages] == [
        ["TO:<a@customer.test>", "TO:<b@customer.test>"], ["TO:<c@alias.test>"]]


def test_dq_31_a_foreign_domain_gives_450_and_nothing_is_sent(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 1)
    reply, server = atrn(turnpike.ports["odmr"], "customer.test",
                         argument="customer.test,second.test")
    assert reply.startswith("450 ") and not server.messages
    assert queue_counts(turnpike, "customer.test")[0] == 1


def test_dq_31_nothing_held_gives_453(turnpike):
    assert atrn(turnpike.ports["odmr"], "customer.test")[0].startswith("453 ")


def test_dq_31_store_away_gives_451(start):
    turnpike = start({"gateways": [gateway("customer.test")], "smtp": {"policy_timeout": "3s"}},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    client = login(turnpike.ports["odmr"], "customer.test")
    turnpike.kill("spool-store")
    assert client.ask("ATRN").startswith("451 ")


def test_dq_32_a_second_session_gets_450_until_the_first_ends(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 2)
    first = login(turnpike.ports["odmr"], "customer.test")
    assert first.ask("ATRN").startswith("250 ")
    second = login(turnpike.ports["odmr"], "customer.test")
    assert second.ask("ATRN").startswith("450 ")
    first.close()
    wait_for(lambda: login(turnpike.ports["odmr"], "customer.test").ask("ATRN").startswith("250 "),
             timeout=10, what="the lock ending with its connection")


def test_dq_32_shared_sessions_never_give_a_message_to_two(turnpike):
    submit(turnpike.ports["mx"], "shared.test", 60)
    servers = [Server(lambda stage, text, session: time.sleep(0.002) if stage == "end" else None)
               for _ in range(3)]
    threads = [threading.Thread(target=atrn, args=(turnpike.ports["odmr"], "shared.test", server))
               for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [m.content for server in servers for m in server.messages]
    assert len(taken) == len(set(taken)) == 60


def test_dq_33_login_is_the_domain_and_cram_md5_is_offered(turnpike):
    with Client(turnpike.ports["odmr"]) as client:
        assert "CRAM-MD5" in client.ehlo()["AUTH"].split()
        assert client.auth_cram_md5("CUSTOMER.test", PASSWORD).startswith("235 2.7.0")
    with Client(turnpike.ports["odmr"]) as client:
        client.ehlo()
        wrong_password = client.auth_cram_md5("customer.test", "wrong")
        unknown_user = client.auth_cram_md5("unknown.test", PASSWORD)
        assert wrong_password == unknown_user and wrong_password.startswith("535 5.7.8")


def answer_at(stage, reply, number=1):
    """Answers the `number`th time of a stage with `reply`."""
    seen = []

    def respond(at, text, session):
        if at == stage:
            seen.append(text)
            if len(seen) == number:
                return reply
        return None

    return respond


@pytest.mark.parametrize("stage, number", [
    ("connect", 1), ("helo", 1), ("mail", 1), ("rcpt", 1), ("data", 1), ("mail", 2), ("rcpt", 2),
    ("data", 2)])
def test_dq_34_cut_before_the_end_of_data_keeps_the_message(turnpike, stage, number):
    contents = submit(turnpike.ports["mx"], "customer.test", 3)
    _, first = atrn(turnpike.ports["odmr"], "customer.test",
                    Server(answer_at(stage, Server.CLOSE, number)))
    wait_for(lambda: queue_counts(turnpike, "customer.test")[3] == 0, what="no lease left")
    assert queue_counts(turnpike, "customer.test")[0] == 3 - len(first.messages)
    _, second = wait_for(lambda: (lambda r: r if r[0].startswith("250") else None)(
        atrn(turnpike.ports["odmr"], "customer.test")), what="the next session")
    got = [without_received(m.content) for m in first.messages + second.messages]
    assert got == contents, "in order, nothing lost, nothing twice"


def test_dq_34_recorded_before_the_next_end_of_data(turnpike):
    """When the peer sees the end of the second message's data, the first is settled already."""
    submit(turnpike.ports["mx"], "customer.test", 3)
    left = []

    def respond(stage, text, session):
        if stage == "end":
            left.append(sum(queue_counts(turnpike, "customer.test")))
        return None

    atrn(turnpike.ports["odmr"], "customer.test", Server(respond))
    assert left == [3, 2, 1]


def test_dq_34_5xx_returns_that_recipient_and_4xx_keeps_it(turnpike):
    submit(turnpike.ports["mx"], "customer.test", sender="boss@second.test", as_gateway="second.test",
           recipients=["good@customer.test", "gone@customer.test", "later@customer.test"])

    def respond(stage, text, session):
        if stage == "rcpt" and "gone@" in text:
            return "550 5.1.1 no such user here"
        if stage == "rcpt" and "later@" in text:
            return "450 4.2.1 mailbox busy"
        return None

    _, server = atrn(turnpike.ports["odmr"], "customer.test", Server(respond))
    assert len(server.messages) == 1
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (1, 0, 0, 0))
    [delivery] = list_deliveries(turnpike, GATEWAY, "customer.test")
    assert [r.address for r in delivery.recipients] == [b"later@customer.test"]
    _, returned = atrn(turnpike.ports["odmr"], "second.test")
    [report] = returned.messages
    assert report.mail.split()[1] == "FROM:<>"
    assert b"Final-Recipient: rfc822;gone@customer.test" in report.content.replace(b"; ", b";")
    assert b"no such user here" in report.content


def test_dq_35_uses_what_the_peer_offers(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 2)
    taker = Server(capabilities=["PIPELINING", "SIZE 100000", "8BITMIME", "DSN", "CHUNKING"])
    _, server = atrn(turnpike.ports["odmr"], "customer.test", taker)
    assert len(server.messages) == 2
    assert all("SIZE=" in m.mail for m in server.messages)
    assert not any(line.startswith("BDAT") for line in server.transcripts[0]), "DATA after the turn"
    assert not any(line.startswith("STARTTLS") for line in server.transcripts[0])


def test_dq_35_8bit_to_a_peer_without_8bitmime_is_returned_not_mangled(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.auth_plain("second.test", PASSWORD)
        answer = client.mail("boss@second.test", ["x@customer.test"],
                             "From: boss@second.test\r\nSubject: x\r\n\r\nhä\r\n".encode(),
                             " BODY=8BITMIME")
        assert answer.startswith("250")
    reply, server = atrn(turnpike.ports["odmr"], "customer.test", Server(capabilities=["SIZE"]))
    assert reply.startswith("250")
    _, returned = atrn(turnpike.ports["odmr"], "second.test")
    if server.messages:  # converted: then it is pure ASCII
        assert max(server.messages[0].content) < 128
    else:
        assert b"5.6." in returned.messages[0].content


def test_dq_35_mail_that_arrives_during_the_session_is_sent_too(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 1)
    added = []

    def respond(stage, text, session):
        if stage == "end" and not added:
            added.extend(submit(turnpike.ports["mx"], "customer.test", 1, first=2))
        return None

    _, server = atrn(turnpike.ports["odmr"], "customer.test", Server(respond))
    assert len(server.messages) == 2


def test_dq_35_tls_stays_in_force_one_line_a_record(turnpike):
    contents = submit(turnpike.ports["mx"], "tls.test", 2, size=5000)
    client = Client(turnpike.ports["odmrs"], tls=True)
    client.ehlo()
    assert client.auth_plain("tls.test", PASSWORD).startswith("235")
    assert client.ask("ATRN tls.test").startswith("250 ")
    server = Server()
    server.serve(client.socket)
    assert [without_received(m.content) for m in server.messages] == contents


def test_dq_36_a_peer_that_refuses_costs_the_mail_nothing(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 1)
    for refusal in ("554 5.3.2 not now", Server.CLOSE, "421 busy"):
        wait_for(lambda: atrn(turnpike.ports["odmr"], "customer.test",
                              Server(answer_at("connect", refusal)))[0].startswith("250"))
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (1, 0, 0, 0))
    [delivery] = list_deliveries(turnpike, GATEWAY, "customer.test")
    assert delivery.attempts == 0


def test_dq_36_asking_too_often_gives_450(turnpike):
    submit(turnpike.ports["mx"], "slow.test", 2)
    assert atrn(turnpike.ports["odmr"], "slow.test")[0].startswith("250 ")
    submit(turnpike.ports["mx"], "slow.test", 1)
    assert atrn(turnpike.ports["odmr"], "slow.test")[0].startswith("450 ")


def test_dq_37_lost_answer_is_shown_as_unknown_and_sent_again(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 1)
    _, first = atrn(turnpike.ports["odmr"], "customer.test", Server(answer_at("end", Server.CLOSE)))
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (1, 0, 0, 0))
    [delivery] = list_deliveries(turnpike, GATEWAY, "customer.test")
    delivery = get_delivery(turnpike, delivery.delivery_id)
    assert delivery.outcome_unknown
    assert delivery.last_attempt_time.seconds > 0
    assert "127.0.0.1" in delivery.last_outcomes[0].host
    _, second = wait_for(lambda: (lambda r: r if r[0].startswith("250") else None)(
        atrn(turnpike.ports["odmr"], "customer.test")))
    assert len(second.messages) == 1


def test_dq_60_state_of_a_gateway(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 2, size=2000)
    state = describe_gateway(turnpike, "customer.test")
    assert state.queue.held == 2 and state.queue.bytes > 4000
    assert abs(state.queue.oldest_time.seconds - time.time()) < 60
    client = login(turnpike.ports["odmr"], "customer.test")
    assert client.ask("ATRN").startswith("250 ")
    state = describe_gateway(turnpike, "customer.test")
    assert [s.client_address for s in state.running_sessions] == ["127.0.0.1"]
    Server().serve(client.socket)
    client.close()
    state = wait_for(lambda: (lambda s: s if s.last_request.ending and not s.running_sessions
                              else None)(describe_gateway(turnpike, "customer.test")))
    assert state.last_request.protocol == "atrn" and state.last_request.client_address == "127.0.0.1"
    assert state.last_request.ending == 1 and state.last_request.totals.delivered == 2


def test_dq_31_fetchmail_collects_into_a_real_mta(turnpike, start_postfix, fetchmail):
    contents = submit(turnpike.ports["mx"], "customer.test", 10, size=3000)
    mta = start_postfix(["customer.test", "alias.test"])
    result = fetchmail.collect(turnpike.ports["odmr"], "customer.test", PASSWORD, ["customer.test"],
                               "127.0.0.1", mta.port)
    arrived = mta.wait_messages(10)
    assert sorted(m.original() for m in arrived) == sorted(c.replace(b"\r\n", b"\n") for c in contents)
    assert {m.return_path for m in arrived} == {"ann@sender.test"}
    assert {m.recipient for m in arrived} == {f"user{n}@customer.test" for n in range(1, 11)}
    wait_for(lambda: queue_counts(turnpike, "customer.test") == (0, 0, 0, 0))
    result = fetchmail.collect(turnpike.ports["odmr"], "customer.test", PASSWORD, ["customer.test"],
                               "127.0.0.1", mta.port)
    assert result.returncode in (0, 1), result.stdout
    assert "453" in result.stdout + result.stderr
