"""The canary of `helm test`: a message through the gateway and back, by ATRN and by ETRN."""

import json
import subprocess
import urllib.request

import pytest

from gateways import PASSWORD, gateway, submit
from peers.process import free_port, wait_for
from peers.turnpike import binary


@pytest.fixture(scope="module")
def etrn_port():
    return free_port()


@pytest.fixture(scope="module")
def turnpike(start, etrn_port):
    return start(
        {
            "gateways": [gateway("canary.test", {"port": etrn_port}),
                         gateway("other.test", {"port": etrn_port}),
                         gateway("elsewhere.test", {"port": free_port()})],
            "delivery": {"allow_loopback_hosts": True, "connect_timeout": "3s"},
            "retry": {"first_interval": "1h", "first_period": "1h"},
            "accounts": [{"address": "ann@sender.test", "password": "{PLAIN}" + PASSWORD}],
        },
        {
            "mx": {"role": "smtp", "allow_cleartext_auth": True},
            "submission": {"role": "submission", "allow_cleartext_auth": True},
            "odmr": {"role": "odmr"},
        })


@pytest.fixture(scope="module")
def password_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("canary") / "password"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture
def words(turnpike, password_file):
    """`words(...)`: the command line of a canary, with more flags."""

    def make(*more, submit_to="mx", domain="canary.test"):
        return ["canary", "--submit", f"127.0.0.1:{turnpike.ports[submit_to]}",
                "--sender", "ann@sender.test", "--domain", domain, "--tls", "off",
                "--host-name", "canary.turnpike.test", "--password-file", str(password_file),
                *map(str, more)]

    return make


def odmr(turnpike):
    return ["--odmr", f"127.0.0.1:{turnpike.ports['odmr']}"]


def etrn(turnpike, port):
    return ["--etrn", f"127.0.0.1:{turnpike.ports['mx']}", "--listen", f"127.0.0.1:{port}"]


def steps(turnpike, command):
    """`[(path, step, result)]` of a run, and its exit code."""
    result = turnpike.ctl(*command, "-o", "jsonl", timeout=90)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    return [(row["path"], row["step"], row["result"]) for row in rows], result


def test_pl_61_canary_by_atrn_and_by_etrn(turnpike, words, etrn_port):
    rows, result = steps(turnpike, words(*odmr(turnpike), *etrn(turnpike, etrn_port),
                                         "--etrn-domain", "other.test"))
    assert result.returncode == 0, result
    assert rows == [("atrn", "submit", "ok"), ("atrn", "collect", "ok"), ("atrn", "compare", "ok"),
                    ("etrn", "listen", "ok"), ("etrn", "submit", "ok"), ("etrn", "request", "ok"),
                    ("etrn", "receive", "ok"), ("etrn", "compare", "ok")]
    table = turnpike.ctl(*words(*odmr(turnpike)))
    assert table.returncode == 0 and "SECONDS" in table.stdout, table


def test_pl_61_canary_submits_with_a_login(turnpike, words, password_file):
    _, result = steps(turnpike, words(*odmr(turnpike), "--submit-login", "ann@sender.test",
                                      "--submit-password-file", password_file,
                                      submit_to="submission"))
    assert result.returncode == 0, result
    _, refused = steps(turnpike, words(*odmr(turnpike), submit_to="submission"))
    assert refused.returncode == 1 and "submit" in refused.stderr, refused


def test_pl_61_canary_takes_other_mail_of_its_domain_along(turnpike, words):
    submit(turnpike.ports["mx"], "canary.test", 5)
    rows, result = steps(turnpike, words(*odmr(turnpike)))
    assert result.returncode == 0, (rows, result)
    assert turnpike.ctl("messages", "--queue", "gateway/canary.test", "-o", "name").stdout == ""


def test_pl_61_canary_names_the_step_that_fails(turnpike, words, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("nothing")
    command = words(*odmr(turnpike))
    command[command.index("--password-file") + 1] = str(wrong)
    rows, result = steps(turnpike, command)
    assert result.returncode == 1, result
    assert rows[-1] == ("atrn", "collect", "failed") and "535" in result.stderr, (rows, result)
    closed = words(*odmr(turnpike))
    closed[closed.index("--submit") + 1] = f"127.0.0.1:{free_port()}"
    rows, result = steps(turnpike, closed)
    assert result.returncode == 1 and rows == [("atrn", "submit", "failed")], (rows, result)


def test_pl_61_canary_ends_in_time(turnpike, words):
    rows, result = steps(turnpike, words(*etrn(turnpike, free_port()), "--timeout", "3s",
                                         domain="elsewhere.test"))
    assert result.returncode == 1, result
    assert rows[-1] == ("etrn", "receive", "failed"), (rows, result)
    assert "within 3s" in result.stderr, result


def test_pl_61_canary_counts_for_prometheus(turnpike, words, tmp_path):
    port = free_port()
    with open(tmp_path / "canary.log", "wb") as log:
        process = subprocess.Popen(
            [binary("turnpikectl"), *words(*odmr(turnpike), "--interval", "200ms",
                                           "--metrics-listen", f"127.0.0.1:{port}")],
            stdout=log, stderr=log)
    try:
        def page():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
                return response.read().decode()

        def value(series):
            for line in page().splitlines():
                if line.startswith(series + " "):
                    return float(line.split()[1])
            return 0.0

        wait_for(lambda: value('turnpike_canary_probes_total{path="atrn",result="ok"}') >= 2,
                 timeout=60, interval=0.2, what="two probes")
        assert value('turnpike_canary_probes_total{path="atrn",result="lost"}') == 0
        assert value('turnpike_canary_duration_seconds_count{path="atrn"}') >= 2
        assert value('turnpike_canary_last_success_timestamp_seconds{path="atrn"}') > 1.6e9
        checked = subprocess.run(["promtool", "check", "metrics"], input=page(), text=True,
                                 capture_output=True, timeout=30)
        assert checked.returncode == 0, checked
    finally:
        process.terminate()
        assert process.wait(10) == 0
