"""PL-52: the operator's command line, against the real services. DQ-42, DQ-60, DQ-61, DL-43, AU-22 and
AU-23 as operators use them."""

import json
import os
import pty
import re
import subprocess

import pytest
import yaml

from gateways import PASSWORD, atrn, gateway, submit, without_received
from peers.process import free_port, wait_for
from peers.smtp import Client, Server
from peers.turnpike import binary, ctl

HASHED = ("ann@office.test", "violet-harbour-7")


@pytest.fixture(scope="module")
def site():
    """The customers' server."""
    with Server(address="127.0.0.2") as server:
        yield server


@pytest.fixture(scope="module")
def busy():
    """A host that takes no mail for now."""
    with Server(respond=lambda stage, text, session: "450 4.2.1 Mailbox busy" if stage == "rcpt" else None,
                address="127.0.0.3") as server:
        yield server


@pytest.fixture(scope="module")
def turnpike(start, site, busy, certificate, tmp_path_factory):
    verifiers = tmp_path_factory.mktemp("secrets") / "ann"
    made = ctl("account", "hash", "--argon2id", "--scram-sha-256", "--scram-sha-1", "--cram-md5",
               stdin=HASHED[1] + "\n")
    assert made.returncode == 0, made
    verifiers.write_text(made.stdout)
    to_site = {"deliver_to": "127.0.0.2", "port": site.port}
    return start(
        {
            "gateways": [gateway("customer.test", to_site, aliases=["customer.example"]),
                         gateway("asks.test"),
                         gateway("slow.test", {"deliver_to": "127.0.0.3", "port": busy.port}),
                         gateway("desk.test", to_site)],
            "local_domains": [{"domain": "office.test", "mailbox_server": f"127.0.0.2:{site.port}",
                               "lmtp": False}],
            "accounts": [{"address": HASHED[0], "password_file": str(verifiers)}],
            "auth": {"cram_md5": True},
            "delivery": {"allow_loopback_hosts": True, "connect_timeout": "3s"},
            "retry": {"first_interval": "1h", "first_period": "1h"},
        },
        {"mx": {"role": "smtp", "allow_cleartext_auth": True, "tls": certificate},
         "odmr": {"role": "odmr"}})


def row(turnpike, domain):
    [found] = [entry for entry in turnpike.ctl_json("gateways") if entry["domain"] == domain]
    return found


def deliveries(turnpike, *filters):
    return turnpike.ctl_json("messages", *filters)


# ------------------------------------------------------------------------------------------ gateways


def test_dq_60_what_is_held_and_who_asked_last_is_seen_in_every_form(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 3)
    reply, _ = atrn(turnpike.ports["odmr"], "asks.test")
    assert reply.startswith("453")
    held = row(turnpike, "customer.test")
    assert held["queue"]["held"] == 3 and held["queue"]["bytes"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", held["queue"]["oldest_time"])
    asked = row(turnpike, "asks.test")["last_request"]
    assert (asked["protocol"], asked["client_address"], asked["reply"]["code"]) == ("atrn", "127.0.0.1", 453)
    table = turnpike.ctl("gateways").stdout.splitlines()
    assert table[0].split()[:2] == ["GATEWAY", "HELD"]
    [line] = [line for line in table if line.startswith("customer.test")]
    assert line.split()[1] == "3"
    listed = yaml.safe_load(turnpike.ctl("gateways", "-o", "yaml").stdout)
    assert [entry["queue"]["held"] for entry in listed if entry["domain"] == "customer.test"] == [3]
    names = turnpike.ctl("gateways", "-o", "name").stdout.split()
    assert names == sorted(["asks.test", "customer.test", "desk.test", "slow.test"])
    lines = turnpike.ctl("gateways", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line)["domain"] for line in lines] == names
    sheet = turnpike.ctl("gateway", "describe", "customer.example").stdout
    assert re.search(r"^Gateway: +customer\.test$", sheet, re.MULTILINE)
    assert re.search(r"^Held: +3$", sheet, re.MULTILINE)


def test_dq_61_release_suspend_and_resume(turnpike, site):
    submit(turnpike.ports["mx"], "desk.test", 2)
    suspended = turnpike.ctl("gateway", "suspend", "desk.test", "--reason", "site moves")
    assert suspended.returncode == 0, suspended
    assert row(turnpike, "desk.test")["suspend_reason"] == "site moves"
    reply, _ = atrn(turnpike.ports["odmr"], "desk.test")
    assert reply.startswith("451")
    assert turnpike.ctl("gateway", "resume", "desk.test").returncode == 0
    assert not row(turnpike, "desk.test")["suspended"]
    before = len(site.messages)
    released = turnpike.ctl("gateway", "release", "desk.test")
    assert released.returncode == 0, released
    assert released.stdout.startswith("desk.test: 2 released")
    wait_for(lambda: len(site.messages) == before + 2, what="two messages at the site")


def test_dq_61_release_to_another_host(turnpike, site):
    submit(turnpike.ports["mx"], "asks.test")
    nowhere = turnpike.ctl("gateway", "release", "asks.test")
    assert nowhere.returncode == 1, nowhere
    assert "of asks.test is `requesting_host`: say with --to" in nowhere.stderr
    before = len(site.messages)
    there = turnpike.ctl("gateway", "release", "asks.test", "--to", f"127.0.0.2:{site.port}")
    assert there.returncode == 0, there
    wait_for(lambda: len(site.messages) == before + 1, what="the message at the site")


def test_dq_42_access_entries_are_added_and_removed_while_running(turnpike):
    added = turnpike.ctl("gateway", "access", "add", "desk.test", "ignore", "127.0.0.0/8")
    assert added.returncode == 0, added
    [entry] = turnpike.ctl_json("gateway", "access", "list", "desk.test")
    assert (entry["list"], entry["network"], entry["configured"]) == ("ignore", "127.0.0.0/8", False)
    reply, _ = atrn(turnpike.ports["odmr"], "desk.test")
    assert reply.startswith("450"), reply
    removed = turnpike.ctl("gateway", "access", "remove", "desk.test", "ignore", "127.0.0.0/8")
    assert removed.returncode == 0, removed
    assert turnpike.ctl_json("gateway", "access", "list", "desk.test") == []
    reply, _ = atrn(turnpike.ports["odmr"], "desk.test")
    assert reply.startswith("453"), reply
    again = turnpike.ctl("gateway", "access", "remove", "desk.test", "ignore", "127.0.0.0/8")
    assert again.returncode == 3, again
    wrong = turnpike.ctl("gateway", "access", "add", "desk.test", "honor", "nonsense")
    assert wrong.returncode == 2, wrong


# ------------------------------------------------------------------------------------------ messages


def deferred(turnpike, number):
    """A delivery of slow.test that was tried once; its id."""
    submit(turnpike.ports["mx"], "slow.test", recipients=[f"late{number}@slow.test"])
    assert turnpike.ctl("gateway", "release", "slow.test").returncode == 0
    find = lambda: [entry for entry in deliveries(turnpike, "--recipient", f"late{number}@slow.test")
                    if entry["state"] == "deferred"]
    [delivery] = wait_for(find, what="a deferred delivery")
    assert delivery["attempts"] == 1
    return delivery["delivery_id"]


def test_dl_43_describe_says_why_a_message_waits(turnpike, busy):
    sheet = turnpike.ctl("message", "describe", deferred(turnpike, 1)).stdout
    assert "Waits for its next attempt, in " in sheet
    assert f"[127.0.0.3]:{busy.port} answered `450 4.2.1 Mailbox busy`" in sheet
    answers = sheet[sheet.index("Last answers:"):]
    assert re.search(r"^  <late1@slow\.test> +delayed +", answers, re.MULTILINE), answers


def test_dl_43_describe_says_that_the_gateway_is_suspended(turnpike):
    submit(turnpike.ports["mx"], "desk.test", sender="quiet@far.test")
    [delivery] = deliveries(turnpike, "--sender", "quiet@far.test")
    try:
        assert turnpike.ctl("gateway", "suspend", "desk.test", "--reason", "line is down").returncode == 0
        sheet = turnpike.ctl("message", "describe", delivery["delivery_id"]).stdout
    finally:
        assert turnpike.ctl("gateway", "resume", "desk.test").returncode == 0
    assert "releases it; the gateway is suspended (line is down)." in sheet
    assert turnpike.ctl("message", "delete", delivery["delivery_id"]).returncode == 0


def test_dl_43_messages_are_found_by_queue_sender_recipient_and_state(turnpike):
    submit(turnpike.ports["mx"], "customer.test", sender="zoe@far.test", recipients=["q1@customer.test"])
    submit(turnpike.ports["mx"], "customer.test", sender="", recipients=["q2@customer.example"])
    recipients = lambda *filters: {recipient["address"] for entry in deliveries(turnpike, *filters)
                                   for recipient in entry["recipients"]}
    assert recipients("--sender", "zoe@far.test") == {"q1@customer.test"}
    assert recipients("--sender", "@FAR.test") == {"q1@customer.test"}
    assert recipients("--recipient", "@customer.example") == {"q2@customer.example"}
    assert {"q1@customer.test", "q2@customer.example"} <= recipients(
        "--queue", "gateway/customer.test", "--state", "held")
    assert recipients("--queue", "gateway/customer.test", "--state", "deferred") == set()
    assert len(deliveries(turnpike, "--queue", "gateway/customer.test", "--limit", "1")) == 1


def test_dl_43_hold_retry_reroute(turnpike, site):
    delivery = deferred(turnpike, 2)
    describe = lambda: turnpike.ctl_json("message", "describe", delivery)
    assert turnpike.ctl("message", "hold", delivery).returncode == 0
    assert describe()["state"] == "held"
    assert turnpike.ctl("message", "retry", delivery).returncode == 0
    wait_for(lambda: describe()["attempts"] == 2 and describe()["state"] == "deferred",
             what="another attempt")
    before = len(site.messages)
    rerouted = turnpike.ctl("message", "reroute", delivery, "--to", f"127.0.0.2:{site.port}")
    assert rerouted.returncode == 0, rerouted
    wait_for(lambda: len(site.messages) == before + 1, what="the message at the other host")
    assert "late2@slow.test" in site.messages[-1].rcpts[0]
    gone = turnpike.ctl("message", "describe", delivery)
    assert gone.returncode == 3, gone


def test_dl_43_return_to_the_sender(turnpike, site):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        assert client.auth_plain(*HASHED).startswith("235")
        answer = client.mail(HASHED[0], ["back@customer.test"],
                             b"From: ann@office.test\r\nSubject: back\r\n\r\nx\r\n")
        assert answer.startswith("250"), answer
    before = len(site.messages)
    returned = turnpike.ctl("message", "return", "--recipient", "back@customer.test", "--reason",
                            "The customer has left")
    assert returned.returncode == 0, returned
    wait_for(lambda: len(site.messages) == before + 1, what="the report")
    report = site.messages[-1].content
    assert b"multipart/report" in report and b"The customer has left" in report
    assert deliveries(turnpike, "--recipient", "back@customer.test") == []


def test_dl_43_delete_asks_unless_told_and_takes_ids_from_standard_input(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 3, sender="spam@far.test")
    ids = turnpike.ctl("messages", "--sender", "spam@far.test", "-o", "name").stdout
    assert len(ids.split()) == 3
    refused = turnpike.ctl("message", "delete", "-", stdin=ids)
    assert refused.returncode == 2
    assert refused.stderr.startswith("turnpikectl: 3 deliveries would be deleted. Nothing was done")
    dry = turnpike.ctl("message", "delete", "--sender", "spam@far.test", "--dry-run")
    assert dry.stdout == "3 deliveries would be deleted\n"
    assert len(deliveries(turnpike, "--sender", "spam@far.test")) == 3
    done = turnpike.ctl("message", "delete", "-", "--yes", stdin=ids)
    assert (done.returncode, done.stdout) == (0, "3 deliveries deleted\n")
    assert deliveries(turnpike, "--sender", "spam@far.test") == []
    again = turnpike.ctl("message", "delete", ids.split()[0])
    assert again.returncode == 3, again


def test_dl_43_partly_done_ends_with_4(turnpike):
    submit(turnpike.ports["mx"], "customer.test", sender="part@far.test")
    [delivery] = deliveries(turnpike, "--sender", "part@far.test")
    result = turnpike.ctl("message", "delete", delivery["delivery_id"], "999999999", "--yes")
    assert result.returncode == 4, result
    assert "delivery 999999999: " in result.stderr


def test_dl_43_queues_are_seen_released_and_emptied(turnpike):
    submit(turnpike.ports["mx"], "customer.test", 2)
    [queue] = [entry for entry in turnpike.ctl_json("queues", "--kind", "gateway")
               if entry["queue"] == "gateway/customer.test"]
    assert queue["held"] >= 2
    sheet = turnpike.ctl("queue", "describe", "gateway/customer.test").stdout
    assert re.search(rf"^Held: +{queue['held']}$", sheet, re.MULTILINE)
    emptied = turnpike.ctl("queue", "delete", "gateway/customer.test", "--yes")
    assert emptied.stdout == f"{queue['held']} deliveries deleted\n", emptied
    assert turnpike.ctl_json("queue", "describe", "gateway/customer.test")["held"] == 0
    assert turnpike.ctl("queue", "describe", "customer.test").returncode == 2


def test_pl_52_cat_gives_the_content_octet_for_octet(turnpike):
    [content] = submit(turnpike.ports["mx"], "customer.test", sender="cat@far.test", size=600_000)
    [delivery] = deliveries(turnpike, "--sender", "cat@far.test")
    cat = subprocess.run([binary("turnpikectl"), "--config", turnpike.config, "message", "cat",
                          delivery["delivery_id"]], capture_output=True, check=True)
    assert without_received(cat.stdout) == content
    by_message = subprocess.run([binary("turnpikectl"), "--config", turnpike.config, "message", "cat",
                                 delivery["message_id"], "--headers"], capture_output=True, check=True)
    assert cat.stdout.startswith(by_message.stdout)
    assert by_message.stdout.endswith(b"\r\n\r\n")


# ------------------------------------------------------------------------- routes, sessions, verdicts


def test_pl_52_routes_destinations_and_sessions_are_shown(turnpike, site):
    route = turnpike.ctl_json("route", "explain", "local/office.test")
    assert [(hop["address"], hop["port"]) for hop in route["hops"]] == [("127.0.0.2", site.port)]
    assert turnpike.ctl_json("route", "explain", "office.test") == route
    asks = turnpike.ctl_json("route", "explain", "asks.test")
    assert (asks["queue"], asks["hops"], asks["failure"]) == ("gateway/asks.test", [], None)
    assert asks["held"].endswith("it goes to the host that asks")
    told = turnpike.ctl_json("route", "explain", "customer.example")
    assert told["queue"] == "gateway/customer.test" and "asks for it" in told["held"]
    assert [(hop["address"], hop["port"]) for hop in told["hops"]] == [("127.0.0.2", site.port)]
    failure = turnpike.ctl("route", "explain", "nowhere.invalid")
    assert failure.returncode == 0, failure
    assert turnpike.ctl("destinations").returncode == 0
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        client.ask("MAIL FROM:<a@far.test>")
        [session] = [entry for entry in turnpike.ctl_json("sessions") if entry["stage"] == "mail"]
        assert (session["client_address"], session["listener"]) == ("127.0.0.1", "mx")


def test_au_22_screen_entries_are_added_listed_and_removed(turnpike):
    added = turnpike.ctl("screen", "add", "198.51.100.0/24", "--for", "2h", "--reason", "scans")
    assert added.returncode == 0, added
    [entry] = turnpike.ctl_json("screen", "list")
    assert (entry["network"], entry["reason"]) == ("198.51.100.0/24", "scans")
    assert "(in 2h)" in added.stdout
    within = turnpike.ctl("screen", "remove", "198.51.100.7")
    assert (within.returncode, within.stderr) == (
        3, "turnpikectl: 198.51.100.7/32 is not on the screen, but 198.51.100.0/24 is and covers it\n")
    assert turnpike.ctl("screen", "remove", "198.51.100.0/24").returncode == 0
    assert turnpike.ctl_json("screen", "list") == []
    assert turnpike.ctl("screen", "remove", "198.51.100.0/24").returncode == 3


def test_pl_52_explain_rcpt_names_the_rule(turnpike):
    refused = turnpike.ctl_json("explain", "rcpt", "x@elsewhere.test", "--from", "y@far.test",
                                "--client", "198.51.100.7", "--listener", "mx")
    assert (refused["accepted"], refused["rule"]) == (False, "AU-24")
    taken = turnpike.ctl_json("explain", "rcpt", "x@customer.test", "--from", "y@far.test",
                              "--client", "198.51.100.7", "--listener", "mx")
    assert (taken["accepted"], taken["queue"]) == (True, "gateway/customer.test")


# ------------------------------------------------------------------------------------------ passwords


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_au_23_hashed_passwords_log_in_by_every_mechanism(turnpike, mechanism):
    arguments = ["gsasl", "--smtp", f"--connect=127.0.0.1:{turnpike.ports['mx']}", "--mechanism",
                 mechanism, f"--authentication-id={HASHED[0]}", "--no-starttls", "--no-cb"]
    for password, works in ((HASHED[1], True), ("wrong", False)):
        result = subprocess.run([*arguments, f"--password={password}"], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=60)
        assert (result.returncode == 0) == works, result


def test_au_23_the_password_is_not_shown_while_it_is_typed(tmp_path):
    """On a terminal: asked for twice, without echo."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(binary("turnpikectl"), ["turnpikectl", "account", "hash", "--scram-sha-1"])
    shown = b""
    for prompt in (b"Password: ", b"The same again: "):
        while not shown.endswith(prompt):
            shown += os.read(terminal, 1000)
        os.write(terminal, b"violet-harbour\n")
    while True:
        try:
            piece = os.read(terminal, 1000)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    assert os.waitpid(process, 0)[1] == 0
    assert b"violet" not in shown
    assert b"SCRAM-SHA-1$10000:" in shown


# -------------------------------------------------------------------------------- the program itself


def test_pl_52_config_check_says_what_is_wrong_and_where(turnpike, tmp_path):
    good = ctl("config", "check", turnpike.config)
    assert (good.returncode, good.stdout) == (0, f"{turnpike.config}: configuration is valid\n")
    bad = tmp_path / "bad.yaml"
    bad.write_text("smtp:\n  listners: []\n")
    result = ctl("config", "check", bad)
    assert result.returncode == 1
    assert f"{bad}:2:3: smtp.listners: unknown key; did you mean `listeners`?" in result.stderr


def test_pl_52_exit_codes_tell_what_happened(turnpike):
    assert turnpike.ctl("gateways").returncode == 0
    assert turnpike.ctl("gatways").returncode == 2
    assert turnpike.ctl("gateway", "describe", "unknown.test").returncode == 3
    away = turnpike.ctl("--spool-store", f"127.0.0.1:{free_port()}", "queues")
    assert away.returncode == 5
    assert "cannot reach spool-store at 127.0.0.1:" in away.stderr and len(away.stderr.splitlines()) == 1
    nowhere = ctl("queues", env={"TURNPIKE_CONFIG": "/nonexistent.yaml"})
    assert nowhere.returncode == 2 and "--spool-store HOST:PORT" in nowhere.stderr


def test_pl_52_services_are_found_by_flag_and_by_environment(turnpike):
    target = f"127.0.0.1:{turnpike.ports['spool-store']}"
    nothing = {"TURNPIKE_CONFIG": "/nonexistent.yaml"}
    assert ctl("queues", "--spool-store", target, env=nothing).returncode == 0
    assert ctl("queues", env={**nothing, "TURNPIKE_SPOOL_STORE": target}).returncode == 0
    assert ctl("queues", env={"TURNPIKE_CONFIG": str(turnpike.config)}).returncode == 0


def test_pl_52_text_of_strangers_cannot_steer_the_terminal(turnpike):
    with Client(turnpike.ports["mx"]) as client:
        client.ehlo()
        answer = client.mail("odd@far.test", ['"\x1b]0;x"@customer.test'], b"Subject: x\r\n\r\nx\r\n")
    if answer.startswith("250"):
        table = turnpike.ctl("messages", "--sender", "odd@far.test").stdout
        assert "\x1b" not in table and "\\x1b" in table
    turnpike.ctl("message", "delete", "--sender", "odd@far.test", "--yes")
    submit(turnpike.ports["mx"], "customer.test", sender="odd@far.test")
    for form in ("table", "wide", "json", "jsonl", "yaml"):
        assert "\x1b" not in turnpike.ctl("messages", "-o", form).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_pl_52_shells_take_their_completion_script(shell, tmp_path):
    script = tmp_path / "script"
    script.write_text(ctl("completion", shell).stdout)
    checked = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def complete(turnpike, shell_command):
    path = f"{binary('turnpikectl').parent}:{os.environ['PATH']}"
    result = subprocess.run(shell_command, capture_output=True, text=True, timeout=60,
                            env={**os.environ, "PATH": path, "TURNPIKE_CONFIG": str(turnpike.config)})
    return result.stdout.split()


def test_pl_52_bash_completes_commands_and_names_of_gateways(turnpike):
    def bash(*words):
        line = " ".join(f"'{word}'" for word in words)
        return complete(turnpike, ["bash", "-c",
                                   "source <(turnpikectl completion bash); "
                                   f"COMP_WORDS=(turnpikectl {line}); COMP_CWORD={len(words)}; "
                                   "_turnpikectl; printf '%s\\n' \"${COMPREPLY[@]}\""])

    assert bash("gatew") == ["gateway", "gateways"]
    assert bash("gateway", "release", "cust") == ["customer.test"]
    assert "--reason" in bash("gateway", "suspend", "desk.test", "--")


def test_pl_52_zsh_completes_names_of_gateways(turnpike):
    """With zsh's own functions for it played by the test: they need a terminal."""
    found = complete(turnpike, ["zsh", "-f", "-c",
                                "compdef() {}; _describe() { print -l $candidates }; "
                                "source <(turnpikectl completion zsh); "
                                "words=(turnpikectl gateway release cust); CURRENT=4; _turnpikectl"])
    assert found == ["customer.test:"]


def test_pl_52_fish_completes_names_of_gateways(turnpike):
    found = complete(turnpike, ["fish", "--no-config", "-c",
                                "turnpikectl completion fish | source; "
                                "complete -C 'turnpikectl gateway release cust'"])
    assert found == ["customer.test"]
