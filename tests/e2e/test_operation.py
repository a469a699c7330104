"""PL-50, PL-51: metrics and logs."""

import json
import subprocess

import pytest

from gateways import PASSWORD, atrn, gateway, submit
from peers.process import wait_for
from peers.turnpike import SERVICES


@pytest.fixture(scope="module")
def turnpike(start):
    turnpike = start({"gateways": [gateway("customer.test")]},
                     {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
    submit(turnpike.ports["mx"], "customer.test", 3)
    atrn(turnpike.ports["odmr"], "customer.test")
    submit(turnpike.ports["mx"], "customer.test", 2)
    return turnpike


@pytest.mark.parametrize("service", SERVICES)
def test_pl_50_metrics_are_clean(turnpike, service):
    text = turnpike.metrics_text(service)
    result = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    for name in ("turnpike_build_info", "process_open_fds", "process_cpu_seconds_total"):
        assert name in text
    assert "@" not in "".join(line for line in text.splitlines() if not line.startswith("#"))


def test_pl_50_figures_follow_the_mail(turnpike):
    assert turnpike.metric("smtp-frontend", "turnpike_smtp_messages_received_total") == 5
    assert turnpike.metric("smtp-frontend", "turnpike_smtp_connections_total", listener="mx") >= 2
    wait_for(lambda: turnpike.metric("spool-store", "turnpike_spool_deliveries",
                                     queue="gateway", state="held") == 2)
    assert turnpike.metric("spool-store", "turnpike_spool_enqueued_total", queue="gateway") == 5
    assert turnpike.metric("spool-store", "turnpike_spool_completed_total", outcome="delivered") == 3
    assert turnpike.metric("spool-store", "turnpike_spool_commit_duration_seconds_count") > 0


def test_pl_50_per_gateway_dequeue_figures(turnpike):
    text = turnpike.metrics_text("gateway-dequeue")
    assert "turnpike_dequeue_requests_total" in text
    assert turnpike.metric("gateway-dequeue", "turnpike_dequeue_requests_total", protocol="atrn") >= 1


def test_pl_51_live_sessions_are_shown_with_their_ids(turnpike):
    from gateways import call, login, protos
    protos()
    from protos.turnpike.frontend.v1 import frontend_pb2
    with login(turnpike.ports["odmr"], "customer.test"):
        answer = call(turnpike, "smtp-frontend", "turnpike.frontend.v1.FrontendService/ListSessions",
                      frontend_pb2.ListSessionsRequest(), frontend_pb2.ListSessionsResponse)
        [session] = [s for s in answer.sessions if s.login == "customer.test"]
        assert session.listener == "odmr" and session.client_address == "127.0.0.1"
        assert session.session_id and not session.tls


def test_pl_51_logs_are_json_with_one_id_from_session_to_delivery(turnpike):
    for service in SERVICES:
        for line in (turnpike.folder / f"{service}.{SERVICES.index(service) + 1}.log").read_text().splitlines():
            entry = json.loads(line)
            assert {"time", "level", "service", "text"} <= set(entry), line
    stored = [line for line in turnpike.log_lines("smtp-frontend") if line.get("message")]
    assert stored and all("session" in line for line in stored)
    ids = {line["message"] for line in stored}
    assert len(ids) >= 5
