"""PL-30, PL-32: one strict YAML document."""

import subprocess

import pytest

from gateways import gateway
from peers.process import wait_for
from peers.smtp import Client, message
from peers.turnpike import SERVICES, binary

MINIMAL = """\
hostname: gate.turnpike.test
smtp:
  listeners:
    - {name: mx, role: smtp, listen: "127.0.0.1:0"}
gateways:
  - domain: customer.test
    etrn: {enabled: true}
    atrn: {password: "{PLAIN}x"}
"""


def check(tmp_path, text, service="smtp-frontend"):
    path = tmp_path / "turnpike.yaml"
    path.write_text(text)
    result = subprocess.run([binary(service), "--config", path, "--check"], capture_output=True,
                            text=True, stdin=subprocess.DEVNULL, timeout=20)
    return result, str(path)


@pytest.mark.parametrize("service", SERVICES)
def test_pl_30_every_binary_checks_the_same_document(tmp_path, service):
    result, _ = check(tmp_path, MINIMAL, service)
    assert result.returncode == 0, result.stderr
    result, path = check(tmp_path, MINIMAL.replace("role: smtp", "role: smpt"), service)
    assert result.returncode == 2
    assert f"{path}:4:" in result.stdout + result.stderr


@pytest.mark.parametrize("old, new, place, words", [
    ("enabled: true", "enabeld: true", ":7:12: gateways[0].etrn.enabeld:", "enabled"),
    ("enabled: true", "enabled: maybe", ":7:21: gateways[0].etrn.enabled:", "maybe"),
    ("role: smtp", "role: smpt", ":4:24: smtp.listeners[0].role:", "smtp"),
    ("hostname: gate.turnpike.test", "hostname: -bad-", ":1:11: hostname:", "-bad-"),
    ("    atrn: {", "    access: {honor_from: [300.1.1.1]}\n    atrn: {",
     "gateways[0].access.honor_from[0]", "300.1.1.1"),
    ('"127.0.0.1:0"', "nonsense", "smtp.listeners[0].listen", "nonsense"),
    ("  - domain: customer.test", "  - domain: customer.test\n  - domain: customer.test",
     "gateways[1].domain", "customer.test"),
    ("smtp:\n", "smtp:\n  idle_timeout: 99\n", "smtp.idle_timeout", "99"),
    ("smtp:\n", "smtp:\n  message_bytes_max: 1KiB\n", "smtp.message_bytes_max", "64KiB"),
    ("gateways:", "gateways: [", ":", "turnpike.yaml"),
], ids=lambda value: None)
def test_pl_30_errors_name_file_line_and_key_path(tmp_path, old, new, place, words):
    assert old in MINIMAL
    result, path = check(tmp_path, MINIMAL.replace(old, new, 1))
    assert result.returncode == 2
    output = result.stdout + result.stderr
    assert path in output and place in output and words in output, output


def test_pl_30_a_missing_secret_file_is_named(tmp_path):
    result, _ = check(tmp_path, MINIMAL.replace('password: "{PLAIN}x"', "password_file: no/such"))
    assert result.returncode == 2
    assert "gateways[0].atrn.password_file" in result.stdout + result.stderr
    assert "no/such" in result.stdout + result.stderr


def test_pl_30_a_typo_keeps_the_service_from_starting(tmp_path):
    path = tmp_path / "turnpike.yaml"
    path.write_text(MINIMAL.replace("gateways:", "gatways:"))
    result = subprocess.run([binary("auth-service"), "--config", path], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=20)
    assert result.returncode != 0
    assert "gatways" in result.stdout + result.stderr and "gateways" in result.stdout + result.stderr


def test_pl_32_a_working_configuration_is_under_ten_lines(tmp_path):
    assert len(MINIMAL.splitlines()) < 10
    assert check(tmp_path, MINIMAL)[0].returncode == 0
