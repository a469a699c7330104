"""Who is not named by a NetworkPolicy does not get through."""

import pytest
from support import cluster

LABELS = {
    "operator": {"app.kubernetes.io/name": "turnpike", "app.kubernetes.io/instance": "turnpike",
                 "app.kubernetes.io/component": "turnpikectl"},
    "stranger": {"app.kubernetes.io/name": "stranger"},
}


def run_pod(name, labels):
    """Asks the store from a pod of its own with these labels; its last phase. It has what an operator
    needs besides: the configuration and the certificate."""
    image = cluster.objects("statefulsets")[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    cluster.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001,
                                "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "ctl", "image": image.replace("spool-store", "turnpikectl"),
                "args": ["--timeout", "8s", "queue", "list"],
                "securityContext": {"allowPrivilegeEscalation": False,
                                    "readOnlyRootFilesystem": True,
                                    "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/turnpike"},
                    {"name": "identity",
                     "mountPath": "/run/secrets/turnpike/services/turnpikectl"}]}],
            "volumes": [
                {"name": "config", "configMap": {"name": f"{cluster.RELEASE}-config"}},
                {"name": "identity", "secret": {"secretName": "turnpikectl-identity",
                                                "defaultMode": 0o440}}]}})

    def ended():
        [phase] = [pod["status"]["phase"] for pod in cluster.objects("pods")
                   if pod["metadata"]["name"] == name]
        return phase in ("Succeeded", "Failed") and phase

    try:
        return cluster.wait_until(ended, 60, f"the pod {name} ending")
    finally:
        cluster.kubectl("delete", "pod", name, "--wait=false")


@pytest.mark.parametrize("who, phase", [("operator", "Succeeded"), ("stranger", "Failed")])
def test_pl_62_a_network_policy_bites(who, phase, installed, report):
    ended = run_pod(who, LABELS[who])
    report.row(f"a pod that is {'an operator' if who == 'operator' else 'a stranger'} asks the store",
               note=ended)
    assert ended == phase
