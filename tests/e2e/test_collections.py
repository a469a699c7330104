"""DQ-50 to DQ-52: our own collections by ATRN and requests by ETRN, against another Turnpike, a
provider of another make, Postfix and Exim."""

import pathlib
import re
import subprocess
import threading
import time

import grpc
import pytest

from gateways import PASSWORD, gateway, protos, queue_counts, submit
from peers.exim import Exim
from peers.odmr_provider import Cut, Hang, Provider
from peers.process import can_connect, free_port, wait_for
from peers.smtp import Server, message
from peers.turnpike import binary

SECRET = "tide-table-43"


def collection(name, port, login="customer.test", password=SECRET, **more):
    return {"name": name, "host": "127.0.0.1", "port": port, "tls": "none",
            "auth": {"username": login, "password": password}, **more}


def dequeue_call(turnpike, method, port=None, timeout=30, **fields):
    protos()
    from protos.turnpike.dequeue.v1 import dequeue_pb2
    request = getattr(dequeue_pb2, method + "Request")(**fields)
    response = getattr(dequeue_pb2, method + "Response")
    address = f"127.0.0.1:{port or turnpike.ports['gateway-dequeue']}"
    with grpc.insecure_channel(address) as channel:
        unary = channel.unary_unary(f"/turnpike.dequeue.v1.DequeueService/{method}",
                                    request_serializer=lambda m: m.SerializeToString(),
                                    response_deserializer=response.FromString)
        return unary(request, timeout=timeout)


def ending(run):
    """`completed`, `refused`, …"""
    from protos.turnpike.dequeue.v1 import dequeue_pb2
    return dequeue_pb2.RunEnding.Name(run.ending).replace("RUN_ENDING_", "").lower()


def collect(turnpike, name, **more):
    return dequeue_call(turnpike, "CollectNow", name=name, **more).run


def collections(turnpike, port=None):
    states = dequeue_call(turnpike, "ListCollections", port).collections
    return {state.name: state for state in states}


def run_series(turnpike, what, name):
    """A gauge of one collection."""
    series = f'turnpike_dequeue_run_{what}{{kind="collection",name="{name}"}} '
    lines = turnpike.metrics_text("gateway-dequeue").splitlines()
    return next(float(line[len(series):]) for line in lines if line.startswith(series))


def requests(turnpike):
    return {state.name: state for state in dequeue_call(turnpike, "ListRequests").requests}


def mail(recipients, number=1, sender="ann@sender.test", content=None):
    return (sender, recipients if isinstance(recipients, list) else [recipients],
            content or message(number))


@pytest.fixture(scope="module")
def mailboxes():
    """Where local mail goes, and all that is relayed."""
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def turnpike_with(start, mailboxes):
    """Starts one of ours with these collections and requests."""

    def start_with(collections=(), requests=(), **more):
        mailbox = {"mailbox_server": f"127.0.0.1:{mailboxes.port}", "lmtp": False}
        settings = {
            "local_domains": [{"domain": "local.test", "accept_any_recipient": True, **mailbox},
                              {"domain": "listed.test", "accept_any_recipient": False, **mailbox}],
            "relay_domains": ["relay.test"], "gateways": [gateway("held.test")],
            "collections": list(collections), "requests": list(requests),
            "delivery": {"allow_loopback_hosts": True, "mode": "smart_host",
                         "smart_host": {"host": "127.0.0.1", "port": mailboxes.port}},
            "smtp": {"idle_timeout": "2s", "errors_max": 5}, **more}
        return start(settings, {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})

    return start_with


@pytest.fixture(scope="module")
def shared(turnpike_with):
    """One of ours whose only collection asks at a port that tests put their provider on."""
    port = free_port()
    turnpike = turnpike_with(
        [collection("isp", port, domains=["local.test", "relay.test"]), collection("all", port)])
    turnpike.ports["provider"] = port
    return turnpike


def provide(turnpike, **more):
    more.setdefault("domains", ["customer.test", "local.test", "relay.test"])
    return Provider(password=SECRET, port=turnpike.ports["provider"], **more)


def test_dq_50_the_guides_examples_are_valid(tmp_path):
    """docs/dequeue.md, as it stands, with what it takes for granted."""
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "dequeue.md").read_text()
    ours, balanced = (re.search(rf"## {title}.*?```yaml\n(.*?)```", page, re.S).group(1)
                      for title in ("Our own mail", "Behind a load balancer"))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "isp").write_text("secret\n")
    config = tmp_path / "turnpike.yaml"
    config.write_text(f"hostname: gate.office.example\nrelay_domains: [office.example]\n"
                      f"{balanced}{ours}")
    for service in ("smtp-frontend", "gateway-dequeue"):
        result = subprocess.run([binary(service), "--config", config, "--check"],
                                capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


# -------------------------------------------------------------------------------- ODMR, good runs


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_dq_50_from_another_turnpike(start, turnpike_with, certificate, mailboxes, tls):
    """Both sides ours: the provider holds for a gateway, and we are its customer."""
    implicit = tls == "implicit"
    listener = {"role": "odmr"} if tls == "none" else {
        "role": "odmr", "tls": certificate, "implicit_tls": implicit}
    provider = start({"gateways": [gateway("local.test", aliases=["held.test"],
                                           senders_must_authenticate=False)]},
                     {"mx": {"role": "smtp"}, "odmr": listener})
    settings = collection("isp", provider.ports["odmr"], "local.test", PASSWORD, tls=tls,
                          domains=["local.test", "held.test"])
    if tls != "none":
        settings["authorities_file"] = certificate["certificate_file"]
    ours = turnpike_with([settings])
    before = len(mailboxes.messages)
    submit(provider.ports["mx"], "local.test", 3)
    submit(provider.ports["mx"], "held.test", 2, first=4, sender="x@local.test")
    run = collect(ours, "isp")
    assert ending(run) == "completed" and (run.messages, run.refused) == (5, 0), run
    assert run.reply.code == 250
    assert queue_counts(provider, "local.test") == (0, 0, 0, 0)
    assert queue_counts(ours, "held.test")[0] == 2, "held for our own gateway"
    wait_for(lambda: len(mailboxes.messages) == before + 3, what="local mail")
    with_tls = b"with ESMTPS" in mailboxes.messages[-1].content
    assert with_tls == (tls != "none")
    assert ending(collect(ours, "isp")) == "no_mail"
    state = collections(ours)["isp"]
    assert ending(state.last_run) == "no_mail" and state.last_run.reply.code == 453
    assert not state.running and state.failures == 0 and not state.HasField("next_run_time")


def test_dq_50_collected_mail_goes_by_the_ordinary_rules(shared, mailboxes):
    """Delivered, held, relayed; refused for elsewhere and for unknown recipients; no matter who has
    sent it."""
    before, held = len(mailboxes.messages), queue_counts(shared, "held.test")[0]
    with provide(shared, mail=[
            mail("bob@local.test", 1, "boss@local.test"), mail("eve@held.test", 2, "x@held.test"),
            mail("joe@relay.test", 3), mail("kim@elsewhere.test", 4),
            mail("nobody@listed.test", 5), mail("null@local.test", 6, ""),
            mail(["a@local.test", "b@elsewhere.test"], 7)]) as provider:
        run = collect(shared, "isp")
        assert ending(run) == "completed" and run.messages == 5, run
        assert run.refused == 3
        assert provider.asked == ["local.test,relay.test"]
        refusals = [reply for reply in provider.replies if reply.startswith("5")]
    assert [refusal[:9] for refusal in refusals] == ["550 5.7.1", "550 5.1.1", "550 5.7.1"]
    assert queue_counts(shared, "held.test")[0] == held + 1
    wait_for(lambda: len(mailboxes.messages) == before + 4, what="what was delivered and relayed")


def test_dq_50_without_domains_all_of_the_login(shared):
    with provide(shared, mail=[mail("bob@local.test")]) as provider:
        assert ending(collect(shared, "all")) == "completed"
        assert provider.asked == [""]


@pytest.mark.parametrize("offered, used", [
    (["CRAM-MD5"], "CRAM-MD5"), (["PLAIN", "CRAM-MD5", "LOGIN"], "CRAM-MD5"),
    (["LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "PLAIN"], "SCRAM-SHA-256")])
def test_dq_50_best_mechanism_that_is_offered(shared, offered, used):
    with provide(shared, mail=[mail("bob@local.test")], mechanisms=offered) as provider:
        assert ending(collect(shared, "isp")) == "completed"
        assert provider.used_mechanisms == [used]


def test_dq_50_large_message_and_many(shared, mailboxes):
    before = len(mailboxes.messages)
    contents = [message(n, size) for n, size in enumerate([3_000_000] + [2000] * 150)]
    with provide(shared, mail=[mail("bob@local.test", content=c) for c in contents]):
        run = collect(shared, "isp", timeout=60)
    assert ending(run) == "completed" and run.messages == 151
    wait_for(lambda: len(mailboxes.messages) == before + 151, 60)
    assert max(len(m.content) for m in mailboxes.messages[before:]) > 2_900_000


# ------------------------------------------------------------------------- refusals, told apart


@pytest.mark.parametrize("reply, expected", [
    ("450 4.7.1 no", "refused"), ("451 4.3.0 later", "not_now"), ("453 none", "no_mail"),
    ("530 5.7.0 who", "auth_failed"), ("502 5.5.1 what", "refused"), ("421 bye", "not_now"),
    ("354 go", "lost"), (b"\xff\xfe garbage\r\n", "lost"), (b"250-" + b"x" * 100000 + b"\r\n", "lost")],
    ids=lambda value: value if isinstance(value, str) else "garbage")
def test_dq_50_answers_to_atrn_are_told_apart(shared, reply, expected):
    held = [mail("bob@local.test")]
    with provide(shared, mail=held,
                 script=lambda stage, _: reply if stage == "atrn" else None) as provider:
        run = collect(shared, "isp")
        assert len(provider.mail) == 1
    assert ending(run) == expected, run
    if isinstance(reply, str) and expected != "lost":
        assert run.reply.code == int(reply[:3])
    failures = collections(shared)["isp"].failures
    assert (failures == 0) == (expected == "no_mail")


@pytest.mark.parametrize("settings, expected", [
    ({"login": "other.test"}, "auth_failed"),
    ({"mechanisms": ["PLAIN", "LOGIN"]}, "auth_failed"),
    ({"mechanisms": []}, "auth_failed"),
    ({"script": lambda stage, _: "535 5.7.8 no" if stage == "auth-end" else None}, "auth_failed"),
    ({"script": lambda stage, _: "454 4.7.0 later" if stage == "auth-end" else None}, "not_now"),
    ({"script": lambda stage, _: b"334 !!!\r\n" if stage == "auth" else None}, "auth_failed"),
    ({"script": lambda stage, _: "554 go away" if stage == "connect" else None}, "refused"),
    ({"script": lambda stage, _: "421 busy" if stage == "connect" else None}, "not_now"),
], ids=["login", "clear-text-only", "none", "535", "454", "bad-base64", "554", "421"])
def test_dq_50_failures_before_atrn_are_told_apart(shared, settings, expected):
    with provide(shared, mail=[mail("bob@local.test")], **settings) as provider:
        run = collect(shared, "isp")
        assert ending(run) == expected, run
        assert provider.asked == []
        assert "PLAIN" not in provider.used_mechanisms, "the password never goes in clear"


def test_dq_50_nobody_there_is_unreachable(shared):
    run = collect(shared, "isp")
    assert ending(run) == "unreachable" and run.detail
    with pytest.raises(grpc.RpcError) as error:
        collect(shared, "nobody")
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_dq_50_tls_failures_never_fall_back(turnpike_with, certificate, tmp_path_factory):
    """STARTTLS not offered, refused, with a certificate that nobody knows, or that is for another
    name: nothing is said after it, the password least of all."""
    ports = {name: free_port() for name in ("absent", "refused", "unknown", "broken", "plain")}
    known = {"tls": "starttls", "authorities_file": certificate["certificate_file"]}
    turnpike = turnpike_with([
        collection("absent", ports["absent"], **known),
        collection("refused", ports["refused"], **known),
        collection("unknown", ports["unknown"], tls="starttls"),
        collection("broken", ports["broken"], **known),
        {**collection("plain", ports["plain"], **known), "tls": "implicit"},
        {**collection("name", ports["unknown"], **known), "host": "localhost"},
    ])
    script = {"refused": {"starttls": "454 4.7.0 no"}, "broken": {"starttls": b"220 go\r\nBYE BYE\r\n"}}
    providers = {
        name: Provider(password=SECRET, port=port, certificate=None if name == "absent" else certificate,
                       mail=[mail("bob@local.test")],
                       script=lambda stage, _, name=name: script.get(name, {}).get(stage))
        for name, port in ports.items()}
    for name in (*ports, "name"):
        run = collect(turnpike, name)
        assert ending(run) == ("lost" if name == "broken" else "tls_failed"), (name, run)
    for name, provider in providers.items():
        assert provider.used_mechanisms == [] and provider.asked == [], name
        provider.stop()


# ---------------------------------------------------------------------- cut and hang at every point

STAGES = ["connect", "ehlo", "auth", "auth-end", "atrn", "turned", "helo", "mail", "rcpt", "data",
          "content", "end", "quit"]


@pytest.mark.parametrize("stage", STAGES)
def test_dq_50_connection_cut_at_each_point(shared, mailboxes, stage):
    """Nothing that was not acknowledged counts; what was is delivered once; the next run goes on."""
    before = len(mailboxes.messages)

    def script(now, provider):
        if now == stage:
            raise Cut

    held = [mail("bob@local.test", 1), mail("bob@local.test", 2)]
    with provide(shared, mail=held, script=script) as provider:
        run = collect(shared, "isp")
        assert ending(run) == ("unreachable" if stage == "connect" else "lost"), run
        taken = sum(reply.startswith("250") and "stored" in reply for reply in provider.replies)
        assert run.messages == taken
        left = provider.mail
    with provide(shared, mail=left):
        assert ending(collect(shared, "isp")) in ("completed", "no_mail")
    wait_for(lambda: len(mailboxes.messages) == before + 2, what="both, once")
    time.sleep(0.1)
    assert len(mailboxes.messages) == before + 2


@pytest.mark.parametrize("stage", ["turned", "mail", "data", "content"])
def test_dq_50_provider_that_hangs_after_the_turn_ends_by_the_idle_time(shared, stage):
    def script(now, provider):
        if now == stage:
            raise Hang

    begin = time.monotonic()
    with provide(shared, mail=[mail("bob@local.test")], script=script):
        run = collect(shared, "isp")
    assert ending(run) == "lost" and run.messages == 0
    assert 1.5 < time.monotonic() - begin < 15


@pytest.mark.parametrize("said", [
    b"\x00\xff\xfe\x01" * 200 + b"\r\n", b"A" * 200000 + b"\r\n", b"HELP ME\r\n" * 50,
    b"MAIL FROM:<a@b.test>\nRCPT TO:<b@local.test>\n", b"AUTH PLAIN AGEAYg==\r\n" * 20,
    b"ATRN local.test\r\nETRN held.test\r\nSTARTTLS\r\n" * 10],
    ids=["octets", "endless-line", "words", "bare-lf", "auth", "rights"])
def test_dq_50_provider_that_talks_nonsense_after_the_turn(shared, said):
    """Each ends in time, with no rights gained; the frontend goes on."""
    def script(stage, provider):
        return said if stage == "turned" else None

    with provide(shared, mail=[mail("bob@local.test")], script=script) as provider:
        run = collect(shared, "isp")
        assert not any(reply.startswith(("235", "334")) for reply in provider.replies)
    assert ending(run) in ("lost", "completed"), run
    with provide(shared, mail=[mail("bob@local.test")]):
        assert collect(shared, "isp").messages == 1


# --------------------------------------------------------------------------- DQ-52, schedules


def test_dq_50_at_an_interval_and_by_cron(turnpike_with):
    ports = [free_port(), free_port()]
    turnpike = turnpike_with([
        collection("often", ports[0], schedule={"every": "1s"}),
        collection("nightly", ports[1], schedule={"cron": "30 3 * * mon-fri"})])
    with Provider(password=SECRET, port=ports[0]) as provider:
        wait_for(lambda: provider.connections >= 3, what="three runs by the interval")
    nightly = collections(turnpike)["nightly"]
    at = time.gmtime(nightly.next_run_time.seconds)
    assert (at.tm_hour, at.tm_min, at.tm_sec) == (3, 30, 0) and at.tm_wday < 5
    assert not nightly.HasField("last_run")


def test_dq_52_failing_ones_back_off_and_recover(turnpike_with):
    port = free_port()
    turnpike = turnpike_with([collection("isp", port, schedule={
        "every": "1s", "retry_after": "1s", "retry_after_max": "4s"})])
    answers = ["450 no"]
    with Provider(password=SECRET, port=port, mail=[mail("bob@local.test")],
                  script=lambda stage, _: answers[0] if stage == "atrn" else None) as provider:
        begin = time.monotonic()
        wait_for(lambda: len(provider.asked) >= 4, 30)
        assert time.monotonic() - begin > 6.5, "1 s, 2 s, 4 s"
        state = collections(turnpike)["isp"]
        assert state.failures >= 3 and ending(state.last_run) == "refused"
        assert state.next_run_time.seconds > state.last_run.end_time.seconds
        assert run_series(turnpike, "failures", "isp") >= 3
        answers[0] = None
        wait_for(lambda: collections(turnpike)["isp"].failures == 0, 15, what="a good run")
    assert turnpike.metric("gateway-dequeue", "turnpike_dequeue_runs_total", kind="collection",
                           result="refused") >= 4
    assert turnpike.metric("gateway-dequeue", "turnpike_dequeue_collected_messages_total",
                           collection="isp", result="taken") == 1
    assert abs(run_series(turnpike, "last_success_timestamp_seconds", "isp") - time.time()) < 60


def test_dq_52_last_run_and_failures_survive_a_restart(turnpike_with):
    port = free_port()
    turnpike = turnpike_with([collection("isp", port, schedule={
        "every": "1h", "retry_after": "1h"})])
    wait_for(lambda: collections(turnpike)["isp"].failures == 1, 75, what="the first run's end")
    before = collections(turnpike)["isp"]
    turnpike.kill("gateway-dequeue")
    turnpike.restart("gateway-dequeue")
    after = collections(turnpike)["isp"]
    assert after.last_run == before.last_run and after.failures == 1
    assert after.next_run_time == before.next_run_time
    time.sleep(1)
    assert collections(turnpike)["isp"].failures == 1, "not before its time"


def test_dq_52_one_at_a_time_over_two_gateway_dequeues(shared):
    """Two instances, and a provider that takes its time: whoever comes second is refused at once,
    and sees who is first."""
    config = shared.folder / "second.yaml"
    settings = {**shared.settings, "services": {**shared.settings["services"]}}
    port = free_port()
    settings["services"]["gateway_dequeue"] = {
        "listen": f"127.0.0.1:{port}", "metrics_listen": f"127.0.0.1:{free_port()}"}
    shared.write_config(config, settings)
    second = shared.spawn("gateway-dequeue", name="gateway-dequeue-2", config=config)
    wait_for(lambda: can_connect("127.0.0.1", port), what="the second instance", timeout=30)
    go_on = threading.Event()

    def script(stage, provider):
        if stage == "mail":
            go_on.wait(20)

    shared_run = {}
    with provide(shared, mail=[mail("bob@local.test")], script=script) as provider:
        thread = threading.Thread(
            target=lambda: shared_run.update(run=collect(shared, "isp", port=port)))
        thread.start()
        wait_for(lambda: collections(shared)["isp"].running, what="the run, seen by the other")
        for name, where in (("isp", None), ("isp", port), ("all", None)):
            with pytest.raises(grpc.RpcError) as error:
                collect(shared, name, port=where)
            assert error.value.code() == grpc.StatusCode.ABORTED
        assert not collections(shared)["all"].running
        go_on.set()
        thread.join(30)
        assert provider.running_max == 1
    assert ending(shared_run["run"]) == "completed"
    assert ending(collections(shared)["isp"].last_run) == "completed"
    assert second.terminate(20) == 0


def test_dq_52_drain_ends_a_collection_after_the_message_in_progress(turnpike_with, mailboxes):
    port = free_port()
    turnpike = turnpike_with([collection("isp", port)])
    before = len(mailboxes.messages)
    in_progress = threading.Event()

    def script(stage, provider):
        if stage == "content":
            in_progress.set()
            time.sleep(1)

    held = [mail("bob@local.test", n) for n in range(5)]
    with Provider(password=SECRET, port=port, mail=held, script=script) as provider:
        thread = threading.Thread(target=lambda: pytest.raises(
            grpc.RpcError, collect, turnpike, "isp"))
        thread.start()
        in_progress.wait(10)
        assert turnpike.processes["gateway-dequeue"].terminate(20) == 0
        thread.join(20)
        wait_for(lambda: provider.running == 0, what="the end of the session")
        assert len(provider.mail) == 4 or provider.replies[-1].startswith("421"), provider.replies
        assert sum("stored" in reply for reply in provider.replies) == 1
    wait_for(lambda: len(mailboxes.messages) == before + 1)


def test_dq_50_store_away_is_told_and_nothing_lost(turnpike_with, mailboxes):
    port = free_port()
    turnpike = turnpike_with([collection("isp", port)],
                             smtp={"store_timeout": "1s", "policy_timeout": "1s"})
    turnpike.kill("auth-service")
    with Provider(password=SECRET, port=port, mail=[mail("bob@local.test")]) as provider:
        run = collect(turnpike, "isp")
        assert ending(run) == "store_away" and run.messages == 0, run
        assert len(provider.mail) == 1
        turnpike.restart("auth-service")
        assert collect(turnpike, "isp").messages == 1


def test_dq_50_a_frontend_that_dies_within_a_run_or_is_away(turnpike_with, mailboxes):
    port = free_port()
    turnpike = turnpike_with([collection("isp", port)])
    before = len(mailboxes.messages)
    in_progress = threading.Event()

    def script(stage, provider):
        if stage == "content" and not in_progress.is_set():
            in_progress.set()
            time.sleep(1)

    runs = []
    held = [mail("bob@local.test", n) for n in range(3)]
    with Provider(password=SECRET, port=port, mail=held, script=script) as provider:
        thread = threading.Thread(target=lambda: runs.append(collect(turnpike, "isp")))
        thread.start()
        in_progress.wait(10)
        turnpike.kill("smtp-frontend")
        thread.join(30)
        runs.append(collect(turnpike, "isp"))
        assert [ending(run) for run in runs] == ["store_away"] * 2
        assert "no smtp-frontend" in runs[1].detail and collections(turnpike)["isp"].failures == 2
        turnpike.restart("smtp-frontend")
        run = wait_for(lambda: (run := collect(turnpike, "isp")).messages and run, what="a good run")
        assert ending(run) == "completed" and provider.mail == []
    wait_for(lambda: len(mailboxes.messages) == before + 3, what="each once")


# ------------------------------------------------------------------------------- DQ-51, ETRN client


def request(name, port, domains, **more):
    return {"name": name, "host": "127.0.0.1", "port": port, "tls": "none", "domains": domains, **more}


def test_dq_51_replies_are_kept_and_shown(turnpike_with):
    replies = {"a.test": "250 OK", "b.test": "251 none", "@c.test": "253 OK, 3 messages",
               "#queue": "459 no", "d.test": "458 later"}

    def respond(stage, text, session):
        return replies[text.split(" ")[1]] if text.startswith("ETRN ") else None

    with Server(respond, capabilities=["ETRN"]) as upstream:
        turnpike = turnpike_with(requests=[
            request("good", upstream.port, ["a.test", "b.test", "@c.test"]),
            request("none", upstream.port, ["b.test"]),
            request("bad", upstream.port, ["a.test", "#queue", "d.test"])])
        answer = dequeue_call(turnpike, "RequestNow", name="good")
        assert ending(answer.run) == "completed"
        assert [(r.domain, r.reply.code) for r in answer.replies] == [
            ("a.test", 250), ("b.test", 251), ("@c.test", 253)]
        assert ending(dequeue_call(turnpike, "RequestNow", name="none").run) == "no_mail"
        bad = dequeue_call(turnpike, "RequestNow", name="bad")
        assert ending(bad.run) == "refused" and bad.run.reply.code == 459
        states = requests(turnpike)
    assert [r.reply.code for r in states["bad"].last_replies] == [250, 459, 458]
    assert states["bad"].failures == 1 and states["good"].failures == 0
    assert "3 messages" in states["good"].last_replies[2].reply.text.decode()
    assert turnpike.metric("gateway-dequeue", "turnpike_dequeue_runs_total", kind="request",
                           result="refused") == 1


def test_dq_51_to_another_turnpike_with_login_and_tls(start, turnpike_with, certificate):
    """The server holds for our domain and sends it to us when we ask."""
    ours_port = free_port("127.0.0.1")
    server = start({"gateways": [gateway("local.test", {"deliver_to": "127.0.0.1",
                                                        "port": ours_port})],
                    "delivery": {"allow_loopback_hosts": True}},
                   {"mx": {"role": "smtp", "tls": certificate}})
    with Server(port=ours_port) as receiver:
        submit(server.ports["mx"], "local.test", 2)
        ours = turnpike_with(requests=[request(
            "upstream", server.ports["mx"], ["local.test"], tls="starttls",
            authorities_file=certificate["certificate_file"],
            auth={"username": "local.test", "password": PASSWORD}, schedule={"every": "1h"})])
        wait_for(lambda: len(receiver.messages) == 2, 75, what="the mail that we asked for")
        state = wait_for(lambda: (s := requests(ours)["upstream"]).HasField("last_run") and s)
        assert ending(state.last_run) == "completed"
        assert state.last_replies[0].reply.code in (252, 253)
        assert ending(dequeue_call(ours, "RequestNow", name="upstream").run) in (
            "no_mail", "completed")
    wrong = turnpike_with(requests=[request(
        "upstream", server.ports["mx"], ["local.test"], tls="starttls",
        authorities_file=certificate["certificate_file"],
        auth={"username": "local.test", "password": "wrong"})])
    assert ending(dequeue_call(wrong, "RequestNow", name="upstream").run) == "auth_failed"


def test_dq_51_dq_62_postfix_as_etrn_server(turnpike_with, start_postfix):
    postfix = start_postfix(["customer.test"], extra="fast_flush_domains = customer.test\n")
    turnpike = turnpike_with(requests=[request("postfix", postfix.port, ["customer.test"]),
                                       request("unknown", postfix.port, ["elsewhere.test"])])
    good = dequeue_call(turnpike, "RequestNow", name="postfix")
    assert ending(good.run) == "completed" and good.replies[0].reply.code == 250, good
    bad = dequeue_call(turnpike, "RequestNow", name="unknown")
    assert ending(bad.run) == "refused" and bad.replies[0].reply.code == 459, bad


def test_dq_51_dq_62_exim_as_etrn_server(turnpike_with, tmp_path):
    with Exim(tmp_path / "exim", ["customer.test"], main="acl_smtp_etrn = acl_etrn\n",
              acl="acl_etrn:\n  accept\n") as exim:
        turnpike = turnpike_with(requests=[request("exim", exim.port, ["#customer.test"])])
        answer = dequeue_call(turnpike, "RequestNow", name="exim")
        assert ending(answer.run) == "completed" and answer.replies[0].reply.code == 250, answer


@pytest.mark.parametrize("stage, reply, expected", [
    ("connect", Server.CLOSE, "unreachable"), ("helo", Server.CLOSE, "lost"),
    ("other", Server.CLOSE, "lost"), ("other", "530 5.7.0 who", "auth_failed"),
    ("other", "502 5.5.1 what", "refused"), ("other", b"250-" + b"x" * 100000 + b"\r\n", "lost"),
    ("connect", "421 4.3.2 busy", "not_now")])
def test_dq_51_server_that_misbehaves(turnpike_with, stage, reply, expected):
    def respond(now, text, session):
        return reply if now == stage else None

    with Server(respond) as upstream:
        turnpike = turnpike_with(requests=[request("up", upstream.port, ["a.test"])])
        run = dequeue_call(turnpike, "RequestNow", name="up").run
    assert ending(run) == expected, run
