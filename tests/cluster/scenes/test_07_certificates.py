"""Certificates are replaced under load, and running pods take them up."""

import time

from support import cluster, identities, mail


def test_pl_62_a_new_certificate_for_smtp(installed, report):
    before = cluster.identities()
    with mail.Load(rate=20, starttls=True) as load:
        cluster.wait_until(lambda: len(load.arrived()) > 20, 60, "mail flowing")
        first = {event["certificate"] for event in load.events()}
        assert first == {identities.fingerprint(installed.identities.issued["smtp"])}
        installed.identities.issue_for_smtp()
        second = identities.fingerprint(installed.identities.issued["smtp"])
        cluster.wait_until(
            lambda: {event["certificate"] for event in load.events()[-40:]} == {second}, 120,
            "both frontends showing the new certificate")
        report.row("new certificate for SMTP, until every frontend shows it")
    outcome = load.settle()
    report.row("mail meanwhile, by STARTTLS", outcome)
    assert outcome.acked == outcome.sent == outcome.arrived
    assert cluster.identities() == before


def test_pl_62_new_certificates_for_the_services(installed, report):
    before = cluster.identities()
    with mail.Load(rate=20) as load:
        cluster.wait_until(lambda: len(load.arrived()) > 20, 60, "mail flowing")
        installed.identities.issue_for_services()
        for service in cluster.SERVICES:
            cluster.wait_until(lambda: installed.identities.is_served_by(service), 180,
                               f"{service} showing its new certificate")
        report.row("new certificates of all services, until every pod shows its own")
        time.sleep(5)
        passed = len(load.arrived())
        cluster.wait_until(lambda: len(load.arrived()) > passed + 20, 60, "mail flowing on")
    outcome = load.settle()
    report.row("mail meanwhile", outcome)
    assert outcome.acked == outcome.sent == outcome.arrived
    assert outcome.doubled == 0
    assert cluster.identities() == before


def test_pl_62_nobody_without_a_certificate_gets_an_answer(installed, report):
    """Of the services' own ports, with NetworkPolicies or without."""
    for service, port in identities.GRPC_PORTS.items():
        for pod in cluster.ready(service):
            assert identities.is_refused(pod["status"]["podIP"], port), service
    report.row("clients without a certificate are refused by all services")
