"""Held mail is collected through the Service, by a real client."""

from peers.fetchmail import Fetchmail
from support import cluster, mail

PORT = 366


def test_pl_62_atrn_through_the_service(installed, report, tmp_path):
    with mail.Load(rate=20, domain="ship.example", count_max=60) as load:
        cluster.wait_until(lambda: len(load.events()) == 60, 60, "60 messages being sent")
    assert load.outcome().acked == 60
    assert not load.arrived()
    done = Fetchmail(tmp_path).collect(
        PORT, "ship.example", "tide-table", ["ship.example"], mail.BRANCH, 2525,
        server=cluster.service_address())
    assert done.returncode == 0, done.stdout
    outcome = load.settle(30)
    report.row("60 messages held, collected by ATRN (fetchmail)", outcome)
    assert (outcome.lost, outcome.doubled, outcome.refused) == (0, 0, 0)


def test_pl_62_etrn_through_the_service(installed, report, tmp_path):
    with mail.Load(rate=20, domain="branch.example", count_max=60) as load:
        cluster.wait_until(lambda: len(load.events()) == 60, 60, "60 messages being sent")
    assert not load.arrived()
    done = Fetchmail(tmp_path).etrn(25, ["branch.example"], "branch.example", "night-train",
                                    server=cluster.service_address())
    assert done.returncode == 0, done.stdout
    outcome = load.settle(60)
    report.row("60 messages held, released by ETRN (fetchmail)", outcome)
    assert (outcome.acked, outcome.lost, outcome.doubled, outcome.refused) == (60, 0, 0, 0)
