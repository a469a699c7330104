"""The renders in golden/ as Kubernetes and the services would take them. test_templates.py shows that
the chart renders them; nothing here needs helm.

JSON schemas of Kubernetes' objects come by no package, so kubeconform is not among the tools:
test_templates.py reads the renders by Kubernetes' own Go types instead."""

import subprocess

import pytest
import yaml
from conftest import TOP, VALUE_SETS
from peers.turnpike import SERVICES, binary, ctl
from trial import Services, answer_to_a_stranger, document, objects, on_loopback

SECRETS = "/run/secrets/turnpike"
WORKLOADS = ("Deployment", "StatefulSet", "Job")


def of_kind(name, *kinds):
    return [one for one in objects(name) if one["kind"] in kinds]


def pods(name):
    """(name of the object, pod template) of everything that makes pods."""
    found = [(one["metadata"]["name"], one["spec"]["template"]) for one in of_kind(name, *WORKLOADS)]
    return found + [(one["metadata"]["name"], one) for one in of_kind(name, "Pod")]


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def selected(selector, labels):
    return selector["matchLabels"].items() <= labels.items()


@pytest.fixture(params=VALUE_SETS)
def name(request):
    return request.param


def test_pl_60_pods_are_restricted(name):
    for where, pod in pods(name):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, where
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, where
        assert security["runAsUser"] == security["runAsGroup"] == 10001, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]}}, where
            assert not container["image"].endswith(":latest"), where
            assert container["resources"]["requests"], where


def test_names_in_objects_lead_somewhere(name):
    configs = {one["metadata"]["name"] for one in of_kind(name, "ConfigMap")}
    labels = [pod["metadata"]["labels"] for _, pod in pods(name)]
    for where, pod in pods(name):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        for volume in volumes.values():
            assert volume.get("configMap", {}).get("name") in configs | {None}, where
        claims = {"spool"} if where.endswith("-spool-store") else set()
        for container in containers(pod):
            for mount in container.get("volumeMounts", []):
                assert mount["name"] in volumes.keys() | claims, (where, mount)
    for service in of_kind(name, "Service"):
        found = [pod for _, pod in pods(name)
                 if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
        assert len(found) == 1, service["metadata"]["name"]
        ports = {port["name"] for port in found[0]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for one in of_kind(name, "Deployment", "StatefulSet"):
        assert selected(one["spec"]["selector"], one["spec"]["template"]["metadata"]["labels"])
    for one in of_kind(name, "PodDisruptionBudget"):
        assert any(selected(one["spec"]["selector"], pod) for pod in labels)
    deployments = {one["metadata"]["name"]: one for one in of_kind(name, "Deployment")}
    for one in of_kind(name, "HorizontalPodAutoscaler"):
        target = deployments[one["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]
    names = [(one["kind"], one["metadata"]["name"]) for one in objects(name)]
    assert len(names) == len(set(names))


def test_pl_61_every_service_is_probed_checked_and_given_time(name):
    drain = int(yaml.safe_load(document(name))["services"]["drain_timeout"].removesuffix("s"))
    for one in of_kind(name, "Deployment", "StatefulSet"):
        spec = one["spec"]["template"]["spec"]
        [container] = spec["containers"]
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
        assert spec["initContainers"][0]["command"][-1] == "--check"
        wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] > wait + drain


def test_pl_61_the_address_of_clients_is_kept(name):
    [service] = [one for one in of_kind(name, "Service")
                 if one["metadata"]["name"].endswith("-smtp")]
    outside = service["spec"]["type"] in ("NodePort", "LoadBalancer")
    assert service["spec"].get("externalTrafficPolicy") == ("Local" if outside else None)
    assert all(port["port"] in (25, 366, 465, 587, 2525) for port in service["spec"]["ports"])


def test_pl_61_network_policies_let_through_what_the_services_do():
    """Every edge of ARCHITECTURE.md, both ends; no gRPC port is open to others."""
    callers = {"spool-store": {"smtp-frontend", "auth-service", "gateway-dequeue",
                               "outbound-delivery"},
               "auth-service": {"smtp-frontend"}, "gateway-dequeue": {"smtp-frontend"},
               "smtp-frontend": {"gateway-dequeue"}, "outbound-delivery": set()}
    ports = {"spool-store": 7101, "auth-service": 7102, "gateway-dequeue": 7103,
             "smtp-frontend": 7104, "outbound-delivery": 7105}
    policies = {one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]: one["spec"]
                for one in of_kind("production", "NetworkPolicy")}
    assert policies.keys() == callers.keys()
    for service, who in callers.items():
        [rule] = [rule for rule in policies[service]["ingress"] if rule["ports"] == [{"port": "grpc"}]]
        [peer] = rule["from"]
        assert set(peer["podSelector"]["matchExpressions"][0]["values"]) == who | {"turnpikectl"}
        for caller in callers:
            reached = [rule for rule in policies[caller]["egress"]
                       if rule["ports"] == [{"port": ports[service]}]]
            assert bool(reached) == (caller in who), (caller, service)
    [outside] = [rule for rule in policies["outbound-delivery"]["egress"]
                 if "to" not in rule and {"port": 25} in rule["ports"]]
    assert {port["port"] for port in outside["ports"]} == {24, 25, 443, 587, 2525}
    assert not of_kind("node-port", "NetworkPolicy")


def test_pl_61_budgets_and_scalers_are_there_where_there_are_several():
    assert not of_kind("trial", "PodDisruptionBudget", "HorizontalPodAutoscaler")
    budgets = {one["metadata"]["name"] for one in of_kind("production", "PodDisruptionBudget")}
    assert budgets == {"t-turnpike-" + service for service in SERVICES if service != "spool-store"}
    scalers = {one["metadata"]["name"]: one["spec"]["metrics"]
               for one in of_kind("production", "HorizontalPodAutoscaler")}
    assert scalers.keys() == {"t-turnpike-smtp-frontend", "t-turnpike-outbound-delivery"}
    [metric] = scalers["t-turnpike-outbound-delivery"]
    assert metric["external"]["metric"]["name"] == "turnpike_spool_deliveries"


def test_secrets_are_seen_by_those_that_need_them_only():
    seen = {where: {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]
                    if mount["mountPath"].startswith(SECRETS)}
            for where, pod in pods("production")}
    assert seen["t-turnpike-spool-store"] == seen["t-turnpike-gateway-dequeue"] == set()
    assert seen["t-turnpike-auth-service"] == {f"{SECRETS}/gateways", f"{SECRETS}/accounts"}
    assert seen["t-turnpike-outbound-delivery"] == {f"{SECRETS}/smart-host"}
    assert seen["t-turnpike-smtp-frontend"] == {f"{SECRETS}/tls"}


def test_mail_outlives_the_release():
    [store] = of_kind("production", "StatefulSet")
    assert store["spec"]["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain", "whenScaled": "Retain"}
    [claim] = store["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "200Gi"
    [claimed] = of_kind("node-port", "StatefulSet")
    assert "volumeClaimTemplates" not in claimed["spec"]


@pytest.fixture
def secrets(tmp_path):
    """Files in place of the Secrets that the value sets mount."""
    for path, text in {"gateways/harbour": "{PLAIN}a", "gateways/branch": "{PLAIN}b",
                       "accounts/ann": "{PLAIN}c", "smart-host/partner": "d"}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "tls").mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=mx.example.net",
                    "-keyout", tmp_path / "tls/tls.key", "-out", tmp_path / "tls/tls.crt"],
                   check=True, capture_output=True)
    return tmp_path


def check(folder, text):
    """What the check of a pod says: (exit status, standard error)."""
    path = folder / "turnpike.yaml"
    path.write_text(text.replace(SECRETS, str(folder)))
    done = subprocess.run([binary("smtp-frontend"), "--config", path, "--check"],
                          capture_output=True, text=True)
    return done.returncode, done.stderr


def test_pl_61_the_services_take_the_document(name, secrets):
    assert check(secrets, document(name)) == (0, "")


def test_a_wrong_key_and_a_missing_secret_end_the_check(secrets):
    text = document("production")
    status, said = check(secrets, text.replace("password_file:", "pasword_file:", 1))
    assert (status, "pasword_file: unknown key" in said) == (2, True)
    (secrets / "gateways/harbour").unlink()
    status, said = check(secrets, text)
    assert status == 2
    assert "gateways/harbour: No such file" in said


def test_pl_61_the_trial_starts_and_takes_no_strangers_mail(tmp_path):
    """The trial's document on loopback: only addresses and the folder differ."""
    text, moved = on_loopback(document("trial"), tmp_path)
    config = tmp_path / "turnpike.yaml"
    config.write_text(text)
    with Services(tmp_path, lambda service: [binary(service), "--config", config]):
        assert answer_to_a_stranger(moved["2525"]).startswith("550 5.7.1")
        # What `helm test` runs.
        [test] = of_kind("trial", "Pod")
        for container in test["spec"]["containers"]:
            program, *words = container["command"]
            assert program == "/usr/bin/turnpikectl"
            asked = ctl("--config", config, *words)
            assert asked.returncode == 0, (words, asked)
        # What the guide says for operators.
        asked = ctl("queue", "list", env={
            "TURNPIKE_SPOOL_STORE": f"dns:///localhost:{moved['7101']}"})
        assert asked.returncode == 0, asked


def test_versions_agree():
    chart = yaml.safe_load((TOP / "charts/turnpike/Chart.yaml").read_text())
    header = (TOP / "services/common/base/version.h").read_text()
    assert f'"{chart["appVersion"]}"' in header
