"""Alerts and dashboards against what the services really export."""

import contextlib
import json
import re
import subprocess
import time
import urllib.parse
import urllib.request

import grpc
import pytest
import yaml
from conftest import TOP
from peers.process import Process, free_port, wait_for
from peers.smtp import Client
from peers.turnpike import SERVICES, Turnpike, binary
from trial import make_certificates

MONITORING = TOP / "deploy/monitoring"
RULES = MONITORING / "rules.yaml"
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(?:turnpike|process)_[a-z0-9_]+")


def alerts():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries(path):
    """(panel, expression) of a dashboard."""
    return [(panel["title"], target["expr"]) for panel in json.loads(path.read_text())["panels"]
            for target in panel["targets"]]


def promtool(*words):
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def turnpike(tmp_path_factory, certificate):
    """The five services with everything that has metrics of its own configured, after a little mail:
    some series come with the first event."""
    folder = tmp_path_factory.mktemp("monitoring")
    make_certificates(folder)
    etrn_port, scaler_port = free_port(), free_port()
    settings = {
        "services": {"tls": {"directory": str(folder / "services")}},
        "spool": {"scaler_listen": f"127.0.0.1:{scaler_port}"},
        "gateways": [{"domain": "customer.example",
                      "atrn": {"enabled": True, "password": "{PLAIN}tide"}},
                     {"domain": "canary.example",
                      "atrn": {"enabled": True, "password": "{PLAIN}chirp"},
                      "etrn": {"enabled": True, "port": etrn_port}}],
        "collections": [{"name": "provider", "host": "127.0.0.1", "port": 1, "tls": "none",
                         "auth": {"username": "us", "password": "ours"},
                         "schedule": {"every": "1s"}}],
        "accounts": [{"address": "ann@office.example", "password": "{PLAIN}ink"}],
        "local_domains": [{"domain": "office.example", "mailbox_server": "127.0.0.1:1"}],
        "directory": {"ldap": {"url": "ldap://127.0.0.1:1", "base_dn": "dc=example"}},
    }
    services = Turnpike(folder, settings, {
        "mx": {"role": "smtp", "tls": certificate, "allow_cleartext_auth": True},
        "odmr": {"role": "odmr"}})
    for service in SERVICES:
        # The name in the certificates.
        endpoint = services.settings["services"][service.replace("-", "_")]
        endpoint["target"] = f"dns:///localhost:{services.ports[service]}"
    services.write_config()
    with services:
        with Client(services.ports["mx"]) as client:
            client.ehlo()
            client.starttls()
            client.ehlo()
            client.auth_plain("ann@office.example", "wrong")
            client.mail("a@elsewhere.example", ["b@customer.example"], b"Subject: x\r\n\r\nx\r\n")
            client.mail("a@elsewhere.example", ["b@stranger.example"], b"Subject: x\r\n\r\nx\r\n")
        wait_for(lambda: services.metric("gateway-dequeue",
                                         "turnpike_dequeue_gateway_held_messages"), 60,
                 what="the held message in gateway-dequeue's figures")
        wait_for(lambda: services.metric("gateway-dequeue", "turnpike_dequeue_run_failures"), 60,
                 what="a collection that fails")
        ask_as_keda(folder / "services/keda", scaler_port)
        with canary(folder, services, etrn_port):
            yield services


def ask_as_keda(folder, port):
    """Whether there is work, with the metadata that the chart gives a trigger."""
    def field(number, value):
        return bytes([number << 3 | 2, len(value)]) + value

    metadata = {"metric": "due_deliveries", "target": "500"}
    scaled_object = field(1, b"turnpike-outbound-delivery") + field(2, b"mail") + b"".join(
        field(3, field(1, key.encode()) + field(2, value.encode())) for key, value in metadata.items())
    credentials = grpc.ssl_channel_credentials(
        *((folder / name).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt")))
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        channel.unary_unary("/externalscaler.ExternalScaler/IsActive")(scaled_object, timeout=30)


@contextlib.contextmanager
def canary(folder, services, etrn_port):
    """As the chart's Deployment runs it, but more often."""
    (folder / "chirp").write_text("chirp")
    services.ports["canary/metrics"] = free_port()
    process = Process([
        binary("turnpikectl"), "canary", "--submit", f"127.0.0.1:{services.ports['mx']}",
        "--sender", "canary@elsewhere.example", "--domain", "canary.example",
        "--odmr", f"127.0.0.1:{services.ports['odmr']}",
        "--etrn", f"127.0.0.1:{services.ports['mx']}", "--listen", f"127.0.0.1:{etrn_port}",
        "--password-file", folder / "chirp", "--interval", "1s",
        "--metrics-listen", f"127.0.0.1:{services.ports['canary/metrics']}"],
        folder / "canary.log")
    try:
        for path in ("atrn", "etrn"):
            wait_for(lambda path=path: process.running() and services.metric(
                "canary", "turnpike_canary_probes_total", path=path, result="ok"), 60, interval=0.5,
                what=f"a message of the canary's by {path}")
        yield
    finally:
        process.terminate()


# What Prometheus asks.
SCRAPED = (*SERVICES, "canary")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=gate.test",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    return {"certificate_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}


@pytest.fixture(scope="module")
def exported(turnpike):
    """The names of all series, as Prometheus stores them."""
    names = set()
    for service in SCRAPED:
        for line in turnpike.metrics_text(service).splitlines():
            if line and not line.startswith("#"):
                names.add(re.match(r"[a-zA-Z0-9_:]+", line).group())
    return names


def test_pl_50_alert_rules_are_valid():
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_pl_50_alerts_fire_when_they_should_and_not_else():
    tested = promtool("test", "rules", MONITORING / "rules_test.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_tested_and_says_what_to_do():
    tests = (MONITORING / "rules_test.yaml").read_text()
    guide = (TOP / "docs/kubernetes.md").read_text()
    for alert in alerts():
        assert alert["alert"] in tests
        assert alert["alert"] in guide
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert alert["annotations"].keys() == {"summary", "description"}


def test_pl_50_alerts_ask_for_metrics_that_exist(exported):
    for alert in alerts():
        unknown = set(METRIC.findall(alert["expr"])) - exported
        assert not unknown, alert["alert"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_pl_50_dashboards_ask_for_metrics_that_exist(exported, path):
    for panel, expression in queries(path):
        unknown = set(METRIC.findall(expression)) - exported
        assert not unknown, panel


def test_there_are_three_dashboards_with_names_of_their_own():
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == 3
    for board in boards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        places = [panel["gridPos"] for panel in board["panels"]]
        assert all(place["x"] + place["w"] <= 24 for place in places)


@pytest.fixture(scope="module")
def prometheus(turnpike, tmp_path_factory):
    """A real Prometheus that scrapes the five services and has the alerts; its address."""
    folder = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    (folder / "prometheus.yaml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "turnpike", "static_configs": [
            {"targets": [f"127.0.0.1:{turnpike.ports[service + '/metrics']}"],
             "labels": {"namespace": "mail", "pod": service}} for service in SCRAPED]}],
    }))
    process = Process(["prometheus", f"--config.file={folder / 'prometheus.yaml'}",
                       f"--storage.tsdb.path={folder / 'data'}",
                       f"--web.listen-address=127.0.0.1:{port}"], folder / "prometheus.log")
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: len(ask(address, "up == 1")) == len(SCRAPED), 60, interval=0.5,
                 what="the services and the canary scraped")
        time.sleep(3)  # rates need two samples
        yield address
    finally:
        process.terminate()


def ask(address, expression):
    """The result of an instant query."""
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=10) as page:
        answer = json.load(page)
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


def test_pl_50_a_real_prometheus_takes_every_expression(prometheus):
    """Queries of dashboards as Grafana sends them, and of alerts: no error; and no panel without
    data, but for those of events that did not happen."""
    for alert in alerts():
        ask(prometheus, alert["expr"])
    filled = {}
    for path in DASHBOARDS:
        for panel, expression in queries(path):
            expression = expression.replace("$__rate_interval", "30s").replace("$namespace", ".*")
            answer = ask(prometheus, expression)
            filled[path.stem, panel] = filled.get((path.stem, panel)) or bool(answer)
    empty = {panel for panel, has_data in filled.items() if not has_data}
    assert empty <= {("queues", "Replies of other servers")}


def test_pl_50_well_services_alert_nobody(prometheus):
    """The directory that these services ask is not there, which is one alert that waits."""
    firing = ask(prometheus, 'ALERTS{alertstate="firing"}')
    assert not firing
