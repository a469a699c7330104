"""AU-22: the dynamic screen, and the limits on guessing passwords."""

import copy
import ctypes
import threading
import time

import pytest

from gateways import PASSWORD, call, gateway, protos
from peers.process import free_port, wait_for
from peers.smtp import Client, message

ANN, BOB = "ann@office.test", "bob@office.test"
REFUSAL = "554 5.7.1"


def argon2(password, passes=2, kibibytes=19456):
    """A verifier made by libsodium itself."""
    sodium = ctypes.CDLL("libsodium.so.23")
    assert sodium.sodium_init() >= 0
    out = ctypes.create_string_buffer(128)
    octets = password.encode()
    assert sodium.crypto_pwhash_str(out, octets, ctypes.c_ulonglong(len(octets)),
                                    ctypes.c_ulonglong(passes),
                                    ctypes.c_size_t(kibibytes * 1024)) == 0
    return out.value.decode()


def settings(**screening):
    return {
        "gateways": [gateway("customer.test")],
        "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:1"}],
        "accounts": [{"address": ANN, "password": "{PLAIN}" + PASSWORD},
                     {"address": BOB, "password": "{PLAIN}" + PASSWORD}],
        "dynamic_screening": {"max_failures": 3, **screening},
    }


LISTENERS = {"mx": {"role": "smtp", "allow_cleartext_auth": True}}


def second(turnpike, tmp_path):
    """Another auth-service, and another frontend that asks it; the frontend's SMTP port."""
    other = copy.deepcopy(turnpike.settings)
    port, auth_port = free_port(), free_port()
    other["smtp"]["listeners"][0]["listen"] = f"127.0.0.1:{port}"
    for service in ("auth_service", "smtp_frontend"):
        other["services"][service]["listen"] = \
            f"127.0.0.1:{auth_port if service == 'auth_service' else free_port()}"
        name = service.replace("_", "-")
        turnpike.ports[f"{name}-2/metrics"] = free_port()
        other["services"][service]["metrics_listen"] = \
            f"127.0.0.1:{turnpike.ports[name + '-2/metrics']}"
    path = tmp_path / "second.yaml"
    turnpike.write_config(path, other)
    for service in ("auth-service", "smtp-frontend"):
        turnpike.spawn(service, name=service + "-2", config=path)
        turnpike.wait_ready(service + "-2")
    return port


@pytest.fixture(scope="module")
def turnpike(start):
    return start(settings(allow=["127.0.0.1", "127.0.7.0/24"]), LISTENERS)


@pytest.fixture(scope="module")
def other_port(turnpike, tmp_path_factory):
    return second(turnpike, tmp_path_factory.mktemp("second"))


_hosts = iter(range(10, 250))


@pytest.fixture
def source():
    """An address that nobody has used."""
    return f"127.0.9.{next(_hosts)}"


def fail(port, source, password, user=ANN):
    """One failed login; the reply."""
    with Client(port, source=source) as client:
        client.ehlo()
        return client.auth_plain(user, password)


def greeting(port, source):
    with Client(port, source=source) as client:
        return client.greeting


def is_blocked(port, source):
    with Client(port, source=source) as client:
        if not client.greeting.startswith(REFUSAL):
            assert client.greeting.startswith("220"), client.greeting
            return False
        assert client.closed()
        return True


def block(port, source, user=ANN):
    for number in range(3):
        assert fail(port, source, f"wrong {number}", user).startswith("535")
    wait_for(lambda: is_blocked(port, source), what=f"{source} being blocked")


def admin(turnpike, method, request, response):
    protos()
    from protos.turnpike.auth.v1 import admin_pb2
    return call(turnpike, "auth-service", f"turnpike.auth.v1.AuthAdminService/{method}",
                getattr(admin_pb2, method + "Request")(**request),
                getattr(admin_pb2, method + "Response"))


def entries(turnpike):
    found = admin(turnpike, "ListScreenEntries", {}, None).entries
    return {entry.network: entry for entry in found}


def test_au_22_failed_logins_block_the_address_and_nobody_else(turnpike, source):
    port = turnpike.ports["mx"]
    block(port, source)
    assert not is_blocked(port, "127.0.9.2")
    entry = entries(turnpike)[source + "/32"]
    assert entry.reason == "failed logins" and entry.times == 1
    assert 3500 < entry.expire_time.seconds - time.time() <= 3601
    assert turnpike.metric("auth-service", "turnpike_auth_screen_blocks_total",
                           reason="failures") >= 1


def test_au_22_all_frontends_and_auth_services_share_it(turnpike, other_port, source):
    # Failures at either place count together …
    assert fail(turnpike.ports["mx"], source, "a").startswith("535")
    assert fail(other_port, source, "b").startswith("535")
    assert fail(turnpike.ports["mx"], source, "c").startswith("535")
    # … and what one blocks the other does.
    for port in (turnpike.ports["mx"], other_port):
        wait_for(lambda: is_blocked(port, source), 5, what=f"{source} being blocked at {port}")


def test_au_22_the_same_wrong_password_counts_once(turnpike, other_port, source):
    for number in range(12):
        port = (turnpike.ports["mx"], other_port)[number % 2]
        assert fail(port, source, "the old one").startswith("535")
    time.sleep(1.5)
    assert not is_blocked(turnpike.ports["mx"], source)
    # The same word is another try for another account.
    for user in (BOB, "carl@office.test"):
        fail(turnpike.ports["mx"], source, "the old one", user)
    wait_for(lambda: is_blocked(turnpike.ports["mx"], source), what="the block")


def test_au_22_a_forgotten_phone_gets_in_with_the_right_password(turnpike, source):
    for _ in range(8):
        assert fail(turnpike.ports["mx"], source, "the old one").startswith("535")
    assert fail(turnpike.ports["mx"], source, PASSWORD).startswith("235")


def test_au_22_the_allow_list_is_never_blocked(turnpike):
    for number in range(8):
        assert fail(turnpike.ports["mx"], "127.0.7.7", f"wrong {number}",
                    f"user{number}@office.test").startswith("535")
    time.sleep(1.5)
    assert not is_blocked(turnpike.ports["mx"], "127.0.7.7")


def test_au_22_a_block_survives_the_death_of_every_service(start, source):
    turnpike = start(settings(), LISTENERS)
    port = turnpike.ports["mx"]
    block(port, source)
    # A frontend goes on with what it knows …
    turnpike.kill("auth-service")
    assert is_blocked(port, source)
    turnpike.restart("auth-service")
    assert is_blocked(port, source)
    # … and asks for it when it starts.
    for service in ("spool-store", "auth-service", "smtp-frontend"):
        turnpike.kill(service)
    for service in ("spool-store", "auth-service", "smtp-frontend"):
        turnpike.restart(service)
    wait_for(lambda: is_blocked(port, source), 5, what="the block after the restart")
    assert entries(turnpike)[source + "/32"].times == 1


def test_au_22_failures_while_the_store_is_away_are_counted_when_it_is_back(start, source):
    turnpike = start(settings(), LISTENERS)
    turnpike.kill("spool-store")
    for number in range(3):
        assert fail(turnpike.ports["mx"], source, f"wrong {number}").startswith("535")
    assert not is_blocked(turnpike.ports["mx"], source)
    turnpike.restart("spool-store")
    wait_for(lambda: is_blocked(turnpike.ports["mx"], source), what="the block")


def test_au_22_an_ipv6_subnet_is_one_client(start):
    port = free_port("127.0.0.1")
    turnpike = start(settings(), {"mx": {**LISTENERS["mx"]},
                                  "six": {**LISTENERS["mx"], "listen": f"[::1]:{port}"}})
    for number in range(3):
        with Client(port, address="::1") as client:
            client.ehlo()
            assert client.auth_plain(ANN, f"wrong {number}").startswith("535")

    def is_blocked_six():
        with Client(port, address="::1") as client:
            return client.greeting.startswith(REFUSAL)

    wait_for(is_blocked_six, what="::1 being blocked")
    assert list(entries(turnpike)) == ["::/64"]
    # IPv4 clients are others.
    assert not is_blocked(turnpike.ports["mx"], "127.0.9.3")


def test_au_22_penalties_grow_and_end(start, source):
    turnpike = start(settings(block_for="2s", block_for_max="1h"), LISTENERS)
    port = turnpike.ports["mx"]
    for times, seconds in ((1, 2), (2, 4), (3, 8)):
        for number in range(3):
            fail(port, source, f"wrong {times} {number}", f"user{times}@office.test")
        entry = wait_for(lambda: entries(turnpike).get(source + "/32"), what="the entry")
        assert entry.times == times
        length = entry.expire_time.seconds - entry.begin_time.seconds
        assert seconds <= length <= seconds + 1
        assert is_blocked(port, source)
        if times < 3:
            wait_for(lambda: not is_blocked(port, source), seconds + 5, what="the end of the block")


def test_au_22_operators_add_list_and_remove(turnpike, other_port, source):
    import grpc
    port = turnpike.ports["mx"]
    entry = admin(turnpike, "AddScreenEntry", {"network": "127.0.40.0/24", "reason": "a guest"},
                  None).entry
    assert entry.network == "127.0.40.0/24" and not entry.HasField("expire_time")
    for each in (port, other_port):
        wait_for(lambda: is_blocked(each, "127.0.40.77"), 5, what=f"the block at {each}")
    assert entries(turnpike)["127.0.40.0/24"].reason == "a guest"
    admin(turnpike, "RemoveScreenEntry", {"network": "127.0.40.0/24"}, None)
    for each in (port, other_port):
        wait_for(lambda: not is_blocked(each, "127.0.40.77"), 5, what=f"the release at {each}")
    for method, request, code in (
            ("AddScreenEntry", {"network": "nonsense"}, grpc.StatusCode.INVALID_ARGUMENT),
            ("AddScreenEntry", {"network": "127.0.7.1"}, grpc.StatusCode.INVALID_ARGUMENT),
            ("AddScreenEntry", {"network": "127.0.0.0/8"}, grpc.StatusCode.INVALID_ARGUMENT),
            ("RemoveScreenEntry", {"network": source}, grpc.StatusCode.NOT_FOUND)):
        with pytest.raises(grpc.RpcError) as error:
            admin(turnpike, method, request, None)
        assert error.value.code() == code, (method, request)


def test_au_22_turnpikectl_changes_the_screen(turnpike, source):
    block(turnpike.ports["mx"], source)
    listed = turnpike.ctl("screen", "list")
    assert listed.returncode == 0 and source in listed.stdout, listed
    removed = turnpike.ctl("screen", "remove", source)
    assert removed.returncode == 0, removed
    wait_for(lambda: not is_blocked(turnpike.ports["mx"], source), 5, what="the release")
    added = turnpike.ctl("screen", "add", source)
    assert added.returncode == 0, added
    wait_for(lambda: is_blocked(turnpike.ports["mx"], source), 5, what="the block")


def test_au_22_an_open_connection_of_a_blocked_client_tries_in_vain(turnpike, source):
    port = turnpike.ports["mx"]
    with Client(port, source=source) as early:
        early.ehlo()
        block(port, source)
        answer = early.auth_plain(BOB, PASSWORD)
        assert answer.startswith("454 4.7.0"), answer


def test_au_22_what_is_off_blocks_nobody(start, source):
    turnpike = start(settings(enabled=False), LISTENERS)
    for number in range(8):
        assert fail(turnpike.ports["mx"], source, f"wrong {number}").startswith("535")
    time.sleep(1.5)
    assert not is_blocked(turnpike.ports["mx"], source)


@pytest.fixture(scope="module")
def guarded(start, tmp_path_factory):
    limits = {"account_failures_max": 4, "account_failures_window": "6s"}
    turnpike = start({**settings(max_failures=100), "auth": limits}, LISTENERS)
    return turnpike, second(turnpike, tmp_path_factory.mktemp("guarded"))


@pytest.mark.parametrize("user", [BOB, "nobody@office.test"])
def test_au_22_an_account_is_guessed_at_so_often_and_no_more(guarded, user):
    turnpike, other_port = guarded
    ports = (turnpike.ports["mx"], other_port)
    for number in range(4):
        answer = fail(ports[number % 2], f"127.0.20.{number + 1}", f"wrong {number}", user.upper())
        assert answer.startswith("535 5.7.8"), answer
    for port in ports:
        wait_for(lambda: fail(port, "127.0.20.77", PASSWORD, user).startswith("454 4.7.0"), 3,
                 what=f"the limit at {port}")
    # The others log in all the same, and so does this one when the window is over.
    assert fail(ports[0], "127.0.20.77", PASSWORD, ANN).startswith("235")
    wait_for(lambda: not fail(ports[0], "127.0.20.77", PASSWORD, user).startswith("454"), 15,
             interval=0.5, what="the end of the window")
    assert turnpike.metric("auth-service", "turnpike_auth_account_limited_total") >= 1


def test_au_22_password_checks_are_bounded_and_mail_without_login_goes_on(start):
    document = settings(enabled=False)
    # A check takes about a second.
    document["accounts"][0]["password"] = argon2(PASSWORD, passes=12, kibibytes=131072)
    document["auth"] = {"password_checks_max": 1, "password_checks_waiting_max": 2,
                        "account_failures_max": 1000}
    turnpike = start(document, LISTENERS)
    port = turnpike.ports["mx"]
    answers, lock = [], threading.Lock()

    def attack(number):
        answer = fail(port, f"127.0.30.{number + 1}", f"wrong {number}")
        with lock:
            answers.append(answer[:9])

    threads = [threading.Thread(target=attack, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    with Client(port) as client:
        client.ehlo()
        for number in range(20):
            answer = client.mail("x@sender.test", ["y@customer.test"], message(number))
            assert answer.startswith("250"), answer
    took = time.monotonic() - begin
    for thread in threads:
        thread.join()
    assert took < 10, took
    # One is checked and two wait; the rest is told to come again, at once.
    assert set(answers) == {"535 5.7.8", "454 4.7.0"}, answers
    assert answers.count("454 4.7.0") >= 6, answers
    assert fail(port, "127.0.30.99", PASSWORD).startswith("235")
