"""helm install, and what it says of itself."""

from support import cluster


def test_pl_62_installed_and_ready(installed, report):
    report.row("helm install, until all pods are ready", seconds=installed.seconds)
    assert all(cluster.ready(service) for service in cluster.SERVICES)


def test_pl_62_helm_test(installed, report):
    cluster.helm("test", cluster.RELEASE, "--timeout", "180s")
    report.row("helm test")
