"""The renders in golden/ as Kubernetes and the services would take them. test_templates.py shows that
the chart renders them; nothing here needs helm."""

import re
import subprocess

import pytest
import yaml
from conftest import TOP, VALUE_SETS
from peers.turnpike import SERVICES, binary, ctl
from trial import (Services, answer_to_a_stranger, document, make_certificates, objects,
                   on_loopback)

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


def service_workloads(name):
    """The Deployments and the StatefulSet of the five services."""
    return [one for one in of_kind(name, "Deployment", "StatefulSet")
            if one["metadata"]["labels"]["app.kubernetes.io/component"] in SERVICES]


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


# Secrets that whoever installs the chart makes before.
GIVEN = {
    "production": {"gateway-passwords", "account-passwords", "smart-host", "mx-example-net", "canary"},
    "secrets": {"store-tls", "auth-tls", "dequeue-tls", "frontend-tls", "delivery-tls", "ctl-tls"},
}


def test_names_in_objects_lead_somewhere(name):
    configs = {one["metadata"]["name"] for one in of_kind(name, "ConfigMap")}
    made = {one["metadata"]["name"] for one in of_kind(name, "Secret")}
    made |= {one["spec"]["secretName"] for one in of_kind(name, "Certificate")}
    labels = [pod["metadata"]["labels"] for _, pod in pods(name)]
    for where, pod in pods(name):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        for volume in volumes.values():
            assert volume.get("configMap", {}).get("name") in configs | {None}, where
            secret = volume.get("secret", {}).get("secretName")
            assert secret in made | GIVEN.get(name, set()) | {None}, where
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
    for one in of_kind(name, "HorizontalPodAutoscaler", "ScaledObject"):
        target = deployments[one["spec"]["scaleTargetRef"]["name"]]
        assert "replicas" not in target["spec"]
    names = [(one["kind"], one["metadata"]["name"]) for one in objects(name)]
    assert len(names) == len(set(names))


def seconds(text):
    return int(text.removesuffix("s"))


def test_pl_61_every_service_is_probed_checked_and_given_time(name):
    services = yaml.safe_load(document(name))["services"]
    drain = seconds(services["drain_delay"]) + seconds(services["drain_timeout"])
    for one in service_workloads(name):
        spec = one["spec"]["template"]["spec"]
        [container] = spec["containers"]
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
        assert "lifecycle" not in container  # services.drain_delay does what preStop would
        check = spec["initContainers"][-1]
        assert check["command"] == ["/usr/bin/turnpikectl", "config", "check",
                                    container["command"][-1], "--service", container["name"]]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert {mount["name"] for mount in check["volumeMounts"]} == mounted - {"spool"}
        assert spec["terminationGracePeriodSeconds"] > drain


def test_pl_61_only_what_needs_a_restart_replaces_pods():
    """The chart's list of such keys is that of the contracts."""
    marked = set()
    for path in (TOP / "protos/turnpike/config/v1").glob("*.proto"):
        text = path.read_text()
        for field in re.finditer(r"^  [\w.]+(?: [\w.]+)? (\w+) = \d+\s*\[([^\]]*)\];", text,
                                 re.MULTILINE):
            if "needs_restart" in field[2]:
                message = re.findall(r"^message (\w+)", text[:field.start()], re.MULTILINE)[-1]
                marked.add((message, field[1]))
    source = (TOP / "charts/turnpike/templates/_config.tpl").read_text()
    block = source.split('define "turnpike.restartKeys" -}}\n')[1].split("{{- end }}")[0]
    listed = set()
    for path in yaml.safe_load(block):
        section, _, key = path.rpartition(".")
        listed.add((section.capitalize() or "Config", key))
    assert listed == marked


def test_pl_31_a_changed_document_reaches_running_pods():
    """It is mounted as a folder, which Kubernetes swaps; with subPath it would stay as it was."""
    for name in VALUE_SETS:
        for _, pod in pods(name):
            for container in containers(pod):
                assert all("subPath" not in mount for mount in container.get("volumeMounts", []))


def test_pl_61_the_address_of_clients_is_kept(name):
    [service] = [one for one in of_kind(name, "Service")
                 if one["metadata"]["name"].endswith("-smtp")]
    outside = service["spec"]["type"] in ("NodePort", "LoadBalancer")
    assert service["spec"].get("externalTrafficPolicy") == ("Local" if outside else None)
    assert all(port["port"] in (25, 366, 465, 587, 2525) for port in service["spec"]["ports"])


def allowed_callers():
    """{service: who may call it}, of the table by which the services let each other in."""
    table = (TOP / "services/common/rpc/callers.cc").read_text()
    packages = {"spool": "spool-store", "auth": "auth-service", "dequeue": "gateway-dequeue",
                "frontend": "smtp-frontend", "delivery": "outbound-delivery"}
    callers = {service: set() for service in SERVICES}
    for package, names in re.findall(r'\{"/turnpike\.(\w+)\.v1\.\w+/\w+",\s*"([^"]*)"\}', table):
        callers[packages[package]] |= set(names.split())
    return callers


def test_pl_61_network_policies_let_through_what_the_services_do():
    """Every edge of the services' own table, both ends; no gRPC port is open to others."""
    callers = allowed_callers()
    assert all(callers.values())
    ports = {"spool-store": 7101, "auth-service": 7102, "gateway-dequeue": 7103,
             "smtp-frontend": 7104, "outbound-delivery": 7105}
    policies = {one["metadata"]["name"].removeprefix("t-turnpike-"): one["spec"]
                for one in of_kind("production", "NetworkPolicy")}
    assert policies.keys() == callers.keys() | {"default", "turnpikectl", "canary"}
    assert policies["default"].keys() == {"podSelector", "policyTypes"}
    for service, who in callers.items():
        [rule] = [rule for rule in policies[service]["ingress"] if rule["ports"] == [{"port": "grpc"}]]
        [peer] = rule["from"]
        # Operators ask from the canary's pod too.
        assert set(peer["podSelector"]["matchExpressions"][0]["values"]) == who | {"canary"}
        for caller in SERVICES:
            reached = [rule for rule in policies[caller]["egress"]
                       if rule["ports"] == [{"port": ports[service]}]]
            assert bool(reached) == (caller in who), (caller, service)
    [outside] = [rule for rule in policies["outbound-delivery"]["egress"]
                 if "to" not in rule and {"port": 25} in rule["ports"]]
    assert {port["port"] for port in outside["ports"]} == {24, 25, 443, 587, 2525}
    [scaler] = [rule for rule in policies["spool-store"]["ingress"]
                if rule["ports"] == [{"port": "scaler"}]]
    assert scaler["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "keda"}
    assert not of_kind("node-port", "NetworkPolicy")


def test_pl_61_a_closed_listener_is_open_to_the_canary():
    [policy] = [one["spec"] for one in of_kind("secrets", "NetworkPolicy")
                if one["metadata"]["name"] == "t-turnpike-smtp-frontend"]
    [rule] = [rule for rule in policy["ingress"] if {"port": "mx"} in rule["ports"]]
    assert [peer.get("ipBlock") for peer in rule["from"]] == [{"cidr": "192.0.2.0/24"}, None]
    assert rule["from"][1]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "canary"


def test_pl_61_budgets_and_scalers_are_there_where_there_are_several():
    assert not of_kind("trial", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ScaledObject")
    budgets = {one["metadata"]["name"] for one in of_kind("production", "PodDisruptionBudget")}
    assert budgets == {"t-turnpike-" + service for service in SERVICES}
    [scaler] = of_kind("production", "HorizontalPodAutoscaler")
    assert scaler["metadata"]["name"] == "t-turnpike-smtp-frontend"
    [scaler] = of_kind("node-port", "HorizontalPodAutoscaler")
    [metric] = scaler["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "turnpike_spool_deliveries"


def test_pl_61_keda_asks_the_store_as_itself():
    [scaled] = of_kind("production", "ScaledObject")
    address = "t-turnpike-spool-store.mail.svc:7111"
    assert [trigger["metadata"] for trigger in scaled["spec"]["triggers"]] == [
        {"scalerAddress": address, "metric": "due_deliveries", "target": "1000"},
        {"scalerAddress": address, "metric": "oldest_due_seconds", "target": "120"}]
    [access] = of_kind("production", "TriggerAuthentication")
    assert {trigger["authenticationRef"]["name"] for trigger in scaled["spec"]["triggers"]} == {
        access["metadata"]["name"]}
    [certificate] = [one["spec"] for one in of_kind("production", "Certificate")
                     if one["spec"].get("uris") == ["spiffe://mail.example.net/keda"]]
    assert {one["name"] for one in access["spec"]["secretTargetRef"]} == {certificate["secretName"]}
    assert yaml.safe_load(document("production"))["spool"]["scaler_listen"] == "0.0.0.0:7111"
    assert "scaler_listen" not in yaml.safe_load(document("secrets"))["spool"]
    [scaled] = of_kind("secrets", "ScaledObject")
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["type"] == "prometheus"


def test_pl_24_every_shard_has_a_name_that_outlives_its_pods():
    [store] = of_kind("production", "StatefulSet")
    assert (store["spec"]["replicas"], store["spec"]["podManagementPolicy"]) == (3, "Parallel")
    shards = yaml.safe_load(document("production"))["spool"]["shards"]
    assert shards == [f"dns:///t-turnpike-spool-store-{shard}.t-turnpike-spool-store.mail.svc:7101"
                      for shard in range(3)]
    assert store["spec"]["serviceName"] == store["metadata"]["name"] == "t-turnpike-spool-store"
    assert "shards" not in yaml.safe_load(document("trial"))["spool"]


def test_pl_27_shards_that_go_are_drained_before_the_upgrade():
    [job] = [one for one in of_kind("production", "Job")
             if one["metadata"]["name"].endswith("-drain-shards")]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert [container["command"][1:5] for container in pod["containers"]] == [
        ["shard", "drain", "3", "--wait"], ["shard", "drain", "4", "--wait"]]
    # The configuration that is installed: the new one does not name them any more.
    assert {"name": "config", "configMap": {"name": "t-turnpike-config"}} in pod["volumes"]
    for name in ("trial", "secrets"):
        assert not [one for one in of_kind(name, "Job")
                    if one["metadata"]["name"].endswith("-drain-shards")]


def test_pl_40_every_pod_shows_a_certificate_of_its_own(name):
    """In each mode a pod sees the certificate of its own service only, and an authority's key is seen
    only by the container that uses it."""
    services = yaml.safe_load(document(name))["services"]
    if name == "node-port":
        assert services["allow_plaintext"] is True
        assert "tls" not in services
        return
    assert "allow_plaintext" not in services
    folder = services["tls"]["directory"]
    for where, pod in pods(name):
        if where.endswith("-config-check"):
            continue
        own = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        own = own if own in SERVICES else "turnpikectl"
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        mounts = {container["name"]: {mount["name"]: mount for mount in container["volumeMounts"]}
                  for container in containers(pod)}
        for container, mounted in mounts.items():
            at = mounted["service-tls"]["mountPath"]
            if name == "trial":
                assert at == folder
                assert ("authority" in mounted) == (container == "certificate")
                assert mounted["service-tls"].get("readOnly", False) == (container != "certificate")
            else:
                assert at == f"{folder}/{own}", where
        if name == "trial":
            first = pod["spec"]["initContainers"][0]
            assert first["command"][:4] == ["/usr/bin/turnpikectl", "certificate", "issue", own]
            assert volumes["service-tls"]["emptyDir"]["medium"] == "Memory"


def host_of(target):
    return re.fullmatch(r"dns:///([^:]+):\d+", target)[1]


def test_pl_40_certificates_have_the_names_that_are_called(name):
    """Of targets, with one label for `*`, which gRPC takes only with two labels after it."""
    document_ = yaml.safe_load(document(name))
    if name == "trial":
        issued = [container["command"] for _, pod in pods(name)
                  for container in containers(pod) if container["name"] == "certificate"]
        names = {command[3]: set(command[command.index("--days") + 2:]) for command in issued}
    elif name == "production":
        certificates = [one["spec"] for one in of_kind(name, "Certificate")
                        if not one["spec"].get("isCA")]
        names = {one["uris"][0].rpartition("/")[2]: set(one["dnsNames"]) for one in certificates}
        for one in certificates:
            assert one["uris"] == [f"spiffe://mail.example.net/{one['commonName']}"]
            assert one["usages"] == ["digital signature", "server auth", "client auth"]
            assert one["privateKey"] == {
                "algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}
    else:
        return
    for service in SERVICES:
        target = document_["services"][service.replace("-", "_")]["target"]
        host = host_of(target)
        assert {host, f"*.{host.partition('.')[2]}"} & names[service], (service, host)
    for shard in document_["spool"].get("shards", []):
        _, _, rest = host_of(shard).partition(".")
        assert f"*.{rest}" in names["spool-store"]
        assert rest.count(".") >= 1


def test_pl_61_images_are_pinned_where_a_digest_is_given():
    [store] = of_kind("production", "StatefulSet")
    [container] = store["spec"]["template"]["spec"]["containers"]
    assert re.fullmatch(r"registry\.example\.net/mail/spool-store@sha256:[0-9a-f]{64}",
                        container["image"])


@pytest.mark.parametrize("name, canary", [("node-port", set()), ("secrets", {"canary"})])
def test_pl_50_a_service_monitor_finds_every_pod_that_has_metrics(name, canary):
    [monitor] = of_kind(name, "ServiceMonitor")
    [expression] = monitor["spec"]["selector"]["matchExpressions"]
    found = {one["metadata"]["labels"]["app.kubernetes.io/component"]
             for one in of_kind(name, "Service")
             if "metrics" in {port["name"] for port in one["spec"]["ports"]}}
    assert found - set(expression["values"]) == set(SERVICES) | canary


def test_pl_50_alerts_can_be_changed_and_left_out():
    [rules] = of_kind("production", "PrometheusRule")
    alerts = {rule["alert"]: rule for group in rules["spec"]["groups"] for rule in group["rules"]}
    source = yaml.safe_load((TOP / "deploy/monitoring/rules.yaml").read_text())
    everything = {rule["alert"]: rule for group in source["groups"] for rule in group["rules"]}
    assert everything.keys() - alerts.keys() == {"TurnpikeQueueOld"}
    assert alerts["TurnpikeParked"]["for"] == "1h"
    assert alerts["TurnpikeParked"]["labels"] == {"severity": "info", "team": "mail"}
    for name, rule in alerts.items():
        assert rule["labels"]["team"] == "mail"
        assert rule["expr"] == everything[name]["expr"]
        assert rule["annotations"] == {**everything[name]["annotations"],
                                       "runbook_url": f"https://wiki.example.net/turnpike#{name}"}


def test_secrets_are_seen_by_those_that_need_them_only():
    seen = {where: {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]
                    if mount["mountPath"].startswith(SECRETS)}
            for where, pod in pods("production")}
    for where, paths in seen.items():
        seen[where] = {path.removeprefix(SECRETS + "/") for path in paths}
    assert seen["t-turnpike-spool-store"] == {"services/spool-store"}
    assert seen["t-turnpike-gateway-dequeue"] == {"services/gateway-dequeue"}
    assert seen["t-turnpike-auth-service"] == {
        "services/auth-service", "gateways", "accounts", "canary"}
    assert seen["t-turnpike-outbound-delivery"] == {"services/outbound-delivery", "smart-host"}
    assert seen["t-turnpike-smtp-frontend"] == {"services/smtp-frontend", "tls"}
    assert seen["t-turnpike-config-check"] == {"gateways", "accounts", "smart-host", "tls", "canary"}


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
                       "accounts/ann": "{PLAIN}c", "smart-host/partner": "d",
                       "canary/verifier": "{PLAIN}e"}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "tls").mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=mx.example.net",
                    "-keyout", tmp_path / "tls/tls.key", "-out", tmp_path / "tls/tls.crt"],
                   check=True, capture_output=True)
    return tmp_path


def check(folder, text, words=("config", "check")):
    """What a check says, by default that before an upgrade: (exit status, standard error)."""
    path = folder / "turnpike.yaml"
    path.write_text(text.replace(SECRETS, str(folder)))
    done = subprocess.run([binary("turnpikectl"), *words, path], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_pl_61_each_pod_takes_the_document_with_its_own_secrets(name, secrets):
    """What its check is given, and nothing else."""
    for one in service_workloads(name):
        pod = one["spec"]["template"]["spec"]
        seen = {mount["mountPath"].removeprefix(SECRETS + "/")
                for mount in pod["containers"][0]["volumeMounts"]}
        folder = secrets / one["metadata"]["name"]
        folder.mkdir()
        for path in seen:
            if (secrets / path).is_dir():
                (folder / path).symlink_to(secrets / path)
        words = pod["initContainers"][-1]["command"]
        service = words[words.index("--service") + 1]
        said = check(folder, document(name), ("config", "check", "--service", service))
        assert said == (0, ""), service


def test_pl_61_the_check_before_an_upgrade_takes_it(name, secrets):
    """With the words of the Job and what it mounts."""
    jobs = [one for one in of_kind(name, "Job")
            if one["metadata"]["name"].endswith("-config-check")]
    if name == "node-port":
        assert not jobs
        return
    [container] = jobs[0]["spec"]["template"]["spec"]["containers"]
    program, *words, path = container["command"]
    assert (program, path) == ("/usr/bin/turnpikectl", "/etc/turnpike/turnpike.yaml")
    assert check(secrets, document(name), words) == (0, "")
    status, said = check(secrets, "gateway: []\n", words)
    assert status == 1
    assert "turnpike.yaml:1:1: gateway: unknown key; did you mean `gateways`?" in said


def test_a_wrong_key_and_a_missing_secret_end_the_check(secrets):
    text = document("production")
    status, said = check(secrets, text.replace("password_file:", "pasword_file:", 1))
    assert (status, "pasword_file: unknown key" in said) == (1, True)
    (secrets / "gateways/harbour").unlink()
    status, said = check(secrets, text)
    assert status == 1
    assert "gateways/harbour: No such file" in said


def test_a_certificate_that_does_not_match_keeps_a_new_pod_from_starting(secrets):
    """smtp-frontend says which file; a Deployment leaves the pods that run alone meanwhile."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-out", secrets / "tls/tls.key"],
                   check=True, capture_output=True)
    make_certificates(secrets)
    text, _ = on_loopback(document("trial"), secrets, secrets)
    settings = yaml.safe_load(text)
    settings["smtp"]["listeners"][0]["tls"] = {
        "certificate_file": str(secrets / "tls/tls.crt"), "key_file": str(secrets / "tls/tls.key")}
    config = secrets / "turnpike.yaml"
    config.write_text(yaml.safe_dump(settings))
    done = subprocess.run([binary("smtp-frontend"), "--config", config], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode != 0
    assert "tls/tls.key" in done.stdout + done.stderr


def test_pl_61_the_trial_starts_and_takes_no_strangers_mail(tmp_path):
    """The trial's document on loopback: only addresses and the folder differ."""
    make_certificates(tmp_path)
    (tmp_path / "canary").mkdir()
    (tmp_path / "canary/password").write_text("for-the-canary-alone")
    (tmp_path / "canary/verifier").write_text("{PLAIN}for-the-canary-alone")
    text, moved = on_loopback(document("trial"), tmp_path, tmp_path)
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
        [job] = [one for one in of_kind("trial", "Job")
                 if one["metadata"]["name"].endswith("-mail-passes")]
        [container] = job["spec"]["template"]["spec"]["containers"]
        places = {"t-turnpike-smtp:25": f"127.0.0.1:{moved['2525']}",
                  "t-turnpike-smtp:366": f"127.0.0.1:{moved['3660']}",
                  "0.0.0.0:2525": f"127.0.0.1:{moved['etrn']}",
                  f"{SECRETS}/canary/password": tmp_path / "canary/password",
                  "helm-test.turnpike.invalid": yaml.safe_load(text)["gateways"][-1]["domain"]}
        passed = ctl(*[places.get(word, word) for word in container["command"][1:]], timeout=120)
        assert passed.returncode == 0, passed
        # What the guide says for operators.
        asked = ctl("--config", config, "queue", "list", env={
            "TURNPIKE_SPOOL_STORE": f"dns:///localhost:{moved['7101']}"})
        assert asked.returncode == 0, asked


def test_the_guide_names_commands_that_exist():
    """Each turnpikectl in docs/kubernetes.md, as far as its words are a command's."""
    guide = (TOP / "docs/kubernetes.md").read_text()
    asked = set(re.findall(r"\bturnpikectl ((?:[a-z]+ ?)+)", guide)) - {"within the cluster "}
    assert len(asked) > 8
    for words in asked:
        told = ctl(*words.split(), "--help")
        # For words that it does not know it prints the list of all commands.
        assert told.returncode == 0 and "usage: turnpikectl COMMAND" not in told.stdout, words


def test_versions_agree():
    chart = yaml.safe_load((TOP / "charts/turnpike/Chart.yaml").read_text())
    header = (TOP / "services/common/base/version.h").read_text()
    assert f'"{chart["appVersion"]}"' in header
