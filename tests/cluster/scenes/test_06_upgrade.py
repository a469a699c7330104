"""helm upgrade changes the configuration of pods that go on running."""

import time

import pytest
import yaml
from peers.smtp import Client
from support import cluster, mail


def answer_to(recipient):
    """What a new session is told about this recipient."""
    with Client(25, cluster.service_address()) as client:
        client.ehlo()
        client.ask("MAIL FROM:<someone@sender.example>")
        return client.ask(f"RCPT TO:<{recipient}>")


@pytest.fixture
def values(tmp_path):
    """Writes a value file whose `config` has these keys besides."""
    def write(name, config):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"config": config}))
        return path
    return write


def test_pl_62_a_changed_configuration_is_taken_up_without_a_restart(installed, report, values):
    recipient = "someone@later.example"
    assert answer_to(recipient).startswith("550")
    before = cluster.identities()
    with mail.Load(rate=20) as load:
        cluster.wait_until(lambda: len(load.arrived()) > 20, 60, "mail flowing")
        cluster.upgrade(cluster.VALUES, values("more", {
            "relay_domains": ["fast.example", "slow.example", "later.example"]}))
        report.row("helm upgrade with another relay domain")
        # Each session may meet another frontend.
        cluster.wait_until(lambda: all(answer_to(recipient).startswith("250") for _ in range(10)),
                           120, "both frontends taking mail for the new domain")
        report.row("until every frontend takes mail for it")
        time.sleep(5)
    outcome = load.settle()
    report.row("mail meanwhile", outcome)
    assert cluster.identities() == before
    assert outcome.acked == outcome.sent == outcome.arrived
    assert outcome.doubled == 0


def test_pl_62_a_configuration_with_an_error_changes_nothing(installed, report, values):
    before, document = cluster.identities(), cluster.kubectl(
        "get", "configmap", f"{cluster.RELEASE}-config", "--output", "jsonpath={.data}")
    with mail.Load(rate=20) as load:
        with pytest.raises(cluster.Failed):
            cluster.upgrade(cluster.VALUES, values("wrong", {"retry": {"first_intervall": "5s"}}))
        log = cluster.kubectl("logs", f"job/{cluster.RELEASE}-config-check")
    assert "retry.first_intervall: unknown key" in log, log
    outcome = load.settle()
    report.row("helm upgrade with an error in the configuration is refused", outcome)
    assert outcome.acked == outcome.sent == outcome.arrived
    assert cluster.identities() == before
    assert cluster.kubectl("get", "configmap", f"{cluster.RELEASE}-config",
                           "--output", "jsonpath={.data}") == document
