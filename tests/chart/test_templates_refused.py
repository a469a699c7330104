"""Values that helm refuses, before anything is installed: those that the schema refuses, and those
that contradict each other. Each message names the value."""

import re

import pytest
from conftest import TOP

# Of the schema: --set words, and what the message must name.
WRONG_TYPES = [
    (["smtpFrontend.replica=2"], "replica"),
    (["replicas=2"], "replicas"),
    (["smtpFrontend.replicas=two"], "replicas"),
    (["drainSeconds=5m"], "drainSeconds"),
    (["drainDelaySeconds=-1"], "drainDelaySeconds"),
    (["tls.mode=selfSigned"], "mode"),
    (["tls.trustDomain=a/b"], "trustDomain"),
    (["tls.certManager.duration=90d"], "duration"),
    (["tls.certManager.issuerRef.kind=Issuer"], "issuerRef"),
    (["tls.existingSecrets.frontend=a"], "frontend"),
    (["tls.existingSecrets.keda=A_B"], "keda"),
    (["smtpFrontend.autoscaling.mode=keda"], "mode"),
    (["outboundDelivery.autoscaling.keda.trigger=cron"], "trigger"),
    (["spoolStore.shards=0"], "shards"),
    (["spoolStore.shards=257"], "shards"),
    (["canary.domain=canary"], "domain"),
    (["canary.deployment.interval=often"], "interval"),
    (["monitoring.monitor.kind=Monitor"], "kind"),
    (["monitoring.rules.alerts.TurnpikeNone.enabled=false"], "TurnpikeNone"),
    (["image.digests.spool-store=latest"], "digests"),
    (["image.pullPolicy=Sometimes"], "pullPolicy"),
    (["hostname=mx"], "hostname"),
    (["hostname=mx_1.example.net"], "hostname"),
    (["listenAddress=127.0.0.1"], "listenAddress"),
    (["smtpFrontend.listeners.mx.role=smtps"], "role"),
    (["smtpFrontend.listeners.mx.containerPort=25"], "containerPort"),
    (["smtpFrontend.listeners.MX.enabled=false"], "MX"),
    (["smtpFrontend.listeners.grpc.enabled=false"], "grpc"),
    (["smtpFrontend.listeners.mx.proxyProtocol.trustedNetworks[0]=balancer"], "trustedNetworks"),
    (["smtpFrontend.service.type=ExternalName"], "type"),
    (["spoolStore.replicas=2"], "replicas"),
    (["spoolStore.persistence.size=large"], "size"),
    (["authService.autoscaling.hpa.queueMetric=a"], "hpa"),
    (["secretMounts[0].secretName=a"], "secretMounts"),
    (["secretMounts[0].secretName=a", "secretMounts[0].path=../b",
      "secretMounts[0].services[0]=authService"], "path"),
    (["secretMounts[0].secretName=a", "secretMounts[0].path=b",
      "secretMounts[0].services[0]=spoolStore"], "services"),
    (["networkPolicy.extraEgress.frontend[0].ports="], "frontend"),
    (["config=null"], "config"),
    (["canary=null"], "canary"),
    (["drainSeconds=null"], "drainSeconds"),
    (["networkPolicy.enabled=null"], "enabled"),
    (["fullnameOverride=1mail"], "fullnameOverride"),
    (["nameOverride=Mail"], "nameOverride"),
    (["commonLabels.app\\.kubernetes\\.io/name=a"], "commonLabels"),
    (["smtpFrontend.podLabels.app\\.kubernetes\\.io/component=a"], "podLabels"),
    (["defaults.podAnnotations.checksum/config=a"], "podAnnotations"),
    (["defaults.topologySpreadConstraints[0].maxSkew=1"], "topologyKey"),
    (["smtpFrontend.listeners.a--b.enabled=false"], "a--b"),
    (["smtpFrontend.service.ipFamilies[0]=ipv6"], "ipFamilies"),
]


@pytest.mark.parametrize("words, named", WRONG_TYPES, ids=lambda value: "-".join(value)[:60]
                         if isinstance(value, list) else None)
def test_pl_61_the_schema_refuses(chart, words, named):
    refused = chart.render(*[part for word in words for part in ("--set", word)])
    assert refused.returncode != 0
    assert "values don't meet the specifications of the schema" in refused.stderr
    assert named in refused.stderr


# Of templates/validate.yaml: --set words (--set-json for those with a brace or bracket), the message.
CONTRADICTIONS = {
    "a grace period shorter than the drain": (
        ["smtpFrontend.terminationGracePeriodSeconds=600"],
        "smtpFrontend.terminationGracePeriodSeconds: 600 is not longer than drainDelaySeconds and "
        "drainSeconds together (610)"),
    "the same by the defaults": (
        ["defaults.terminationGracePeriodSeconds=30"],
        "authService.terminationGracePeriodSeconds: 30 is not longer"),
    "fixed replicas beside an autoscaler": (
        ["outboundDelivery.replicas=3", "outboundDelivery.autoscaling.mode=keda"],
        "outboundDelivery.replicas: cannot be given while outboundDelivery.autoscaling.mode is keda"),
    "a least number above the most": (
        ["authService.autoscaling.mode=hpa", "authService.autoscaling.minReplicas=11"],
        "authService.autoscaling.minReplicas: 11 is more than maxReplicas (10)"),
    "an autoscaler without a figure": (
        ["outboundDelivery.autoscaling.mode=hpa"],
        "outboundDelivery.autoscaling.hpa: there is nothing to scale by"),
    "a service's autoscaler without a figure": (
        ["authService.autoscaling.mode=hpa",
         "authService.autoscaling.targetCPUUtilizationPercentage=null"],
        "authService.autoscaling.targetCPUUtilizationPercentage: is needed with mode hpa"),
    "a part of no request": (
        ["gatewayDequeue.autoscaling.mode=hpa", "defaults.resources.requests.cpu=null"],
        "gatewayDequeue.resources.requests.cpu: is needed"),
    "HPA and KEDA both": (
        ["tls.mode=certManager", "outboundDelivery.autoscaling.mode=keda",
         "outboundDelivery.autoscaling.hpa.queueMetric=turnpike_spool_deliveries"],
        "outboundDelivery.autoscaling.hpa.queueMetric: has no effect while mode is keda; an "
        "autoscaler is hpa or keda, not both"),
    "a figure without an autoscaler": (
        ["outboundDelivery.autoscaling.hpa.targetCPUUtilizationPercentage=70"],
        "outboundDelivery.autoscaling.hpa.targetCPUUtilizationPercentage: has no effect while mode "
        "is none"),
    "a Prometheus that nobody asks": (
        ["outboundDelivery.autoscaling.keda.serverAddress=http://p"],
        "outboundDelivery.autoscaling.keda.serverAddress: has an effect with mode keda and"),
    "nobody to ask": (
        ["outboundDelivery.autoscaling.mode=keda",
         "outboundDelivery.autoscaling.keda.trigger=prometheus"],
        "outboundDelivery.autoscaling.keda.serverAddress: is needed"),
    "an age that Prometheus is not asked for": (
        ["outboundDelivery.autoscaling.mode=keda",
         "outboundDelivery.autoscaling.keda.trigger=prometheus",
         "outboundDelivery.autoscaling.keda.serverAddress=http://p",
         "outboundDelivery.autoscaling.keda.oldestDueSeconds=60"],
        "outboundDelivery.autoscaling.keda.oldestDueSeconds: has an effect"),
    "KEDA without a certificate": (
        ["outboundDelivery.autoscaling.mode=keda"],
        "outboundDelivery.autoscaling.keda.trigger: external needs a certificate for KEDA"),
    "a service without a Secret": (
        ["tls.mode=existingSecrets"],
        "tls.existingSecrets.authService: is needed with tls.mode existingSecrets: the Secret with "
        "the certificate of spiffe://turnpike/auth-service"),
    "a Secret that nobody reads": (
        ["tls.existingSecrets.spoolStore=a"],
        "tls.existingSecrets.spoolStore: has no effect with tls.mode helm"),
    "an authority that signs nothing": (
        ["tls.mode=certManager", "tls.helm.authoritySecret=a"],
        "tls.helm.authoritySecret: has no effect with tls.mode certManager"),
    "an issuer that issues nothing": (
        ["tls.certManager.issuerRef.name=a"],
        "tls.certManager.issuerRef: has no effect with tls.mode helm"),
    "certificates that are renewed before they are there": (
        ["tls.certManager.duration=24h", "tls.certManager.renewBefore=23h60m"],
        "tls.certManager.renewBefore: 23h60m is not shorter than duration (24h)"),
    "certificates that outlive their authority": (
        ["tls.helm.authorityDays=30"],
        "tls.helm.certificateDays: 365 is more than authorityDays (30)"),
    "a certificate for SMTP without a place": (
        ["smtpFrontend.tls.issuerRef.name=a"],
        "smtpFrontend.tls.secretName: is needed with smtpFrontend.tls.issuerRef"),
    "a certificate for SMTP without a name": (
        ["smtpFrontend.tls.issuerRef.name=a", "smtpFrontend.tls.secretName=b"],
        "hostname: is needed with smtpFrontend.tls.issuerRef"),
    "a canary's Secret without a canary": (
        ["canary.enabled=false", "canary.existingSecret=a"],
        "canary.existingSecret: has no effect while canary.enabled is false"),
    "one volume for several shards": (
        ["spoolStore.shards=2", "spoolStore.persistence.existingClaim=a"],
        "spoolStore.persistence.existingClaim: is one volume, and spoolStore.shards is 2"),
    "PROXY headers from nobody": (
        ["smtpFrontend.listeners.mx.proxyProtocol.enabled=true"],
        "smtpFrontend.listeners.mx.proxyProtocol.trustedNetworks: is needed while enabled is true"),
    "networks that nobody believes": (
        ["smtpFrontend.listeners.mx.proxyProtocol.trustedNetworks[0]=10.0.0.0/8"],
        "smtpFrontend.listeners.mx.proxyProtocol.trustedNetworks: has no effect"),
    "implicit TLS without a certificate": (
        ["smtpFrontend.listeners.submissions.enabled=true"],
        "smtpFrontend.tls.secretName: is needed by smtpFrontend.listeners.submissions"),
    "two listeners at one port of the pod": (
        ["smtpFrontend.listeners.mx.containerPort=3660"],
        "smtpFrontend.listeners.odmr.containerPort: 3660 is used by smtpFrontend.listeners.mx"),
    "a listener at a service's port": (
        ["smtpFrontend.listeners.mx.containerPort=7204"],
        "smtpFrontend.listeners.mx.containerPort: 7204 is used by metrics already"),
    "two listeners at one port of the Service": (
        ["smtpFrontend.listeners.odmr.port=25"],
        "smtpFrontend.listeners.odmr.port: 25 is used by smtpFrontend.listeners.mx already"),
    "a listener of which nothing is said": (
        ["smtpFrontend.listeners.extra.enabled=true"],
        "smtpFrontend.listeners.extra.role: is missing"),
    "a listener's key that the chart writes": (
        ["smtpFrontend.listeners.mx.settings.listen=x"],
        "smtpFrontend.listeners.mx.settings.listen: the chart writes this key"),
    "no listener": (
        ["smtpFrontend.listeners.mx.enabled=false", "smtpFrontend.listeners.odmr.enabled=false"],
        "smtpFrontend.listeners: none is enabled"),
    "a node's port without one": (
        ["smtpFrontend.listeners.mx.nodePort=30025"],
        "smtpFrontend.listeners.mx.nodePort: has no effect"),
    "one port of the nodes for two listeners": (
        ["smtpFrontend.service.type=NodePort", "smtpFrontend.listeners.mx.nodePort=30025",
         "smtpFrontend.listeners.odmr.nodePort=30025"],
        "smtpFrontend.listeners.odmr.nodePort: 30025 is used by smtpFrontend.listeners.mx already"),
    "IPv6 connections that nobody takes": (
        ["smtpFrontend.service.ipFamilyPolicy=PreferDualStack"],
        "listenAddress: 0.0.0.0 takes no IPv6 connections, which smtpFrontend.service."),
    "an IPv6 address that nobody listens at": (
        ["smtpFrontend.service.ipFamilies[0]=IPv6"],
        "listenAddress: 0.0.0.0 takes no IPv6 connections, which smtpFrontend.service."),
    "source ranges without a balancer": (
        ["smtpFrontend.service.loadBalancerSourceRanges[0]=10.0.0.0/8"],
        "smtpFrontend.service.loadBalancerSourceRanges: has no effect with type ClusterIP"),
    "a class without a balancer": (
        ["smtpFrontend.service.loadBalancerClass=x"],
        "smtpFrontend.service.loadBalancerClass: has no effect with type ClusterIP"),
    "the name in two places": (
        ["config.hostname=a.example"], "config.hostname: the chart writes this key"),
    "services in the document": (
        ["config.services.reflection=true"], "config.services: the chart writes this key"),
    "listeners in the document": (
        ["config.smtp.listeners[0].name=a"], "config.smtp.listeners: the chart writes this key"),
    "the store's folder in the document": (
        ["config.spool.directory=/x"], "config.spool.directory: the chart writes this key"),
    "shards in the document": (
        ["config.spool.shards[0]=x"],
        "config.spool.shards: the chart writes this key; use spoolStore.shards"),
    "two Secrets in one place": (
        [f"secretMounts[{n}].{key}" for n in (0, 1)
         for key in ("secretName=a", "path=b", "services[0]=authService")],
        "secretMounts[1].path: b is used by secretMounts[0] already"),
    "a Secret in the certificate's place": (
        ["secretMounts[0].secretName=a", "secretMounts[0].path=tls",
         "secretMounts[0].services[0]=authService"],
        "secretMounts[0].path: tls is used by smtpFrontend.tls.secretName already"),
    "a Secret in the services' certificates' place": (
        ["secretMounts[0].secretName=a", "secretMounts[0].path=services",
         "secretMounts[0].services[0]=authService"],
        "secretMounts[0].path: services is used by tls.mode already"),
    "a claim that nobody uses": (
        ["spoolStore.persistence.enabled=false", "spoolStore.persistence.existingClaim=a"],
        "spoolStore.persistence.existingClaim: has no effect while enabled is false"),
    "a class for a claim that exists": (
        ["spoolStore.persistence.storageClass=a", "spoolStore.persistence.existingClaim=a"],
        "spoolStore.persistence.storageClass: has no effect with existingClaim"),
}


@pytest.fixture(scope="module")
def refusals(chart):
    """What helm says to each of CONTRADICTIONS."""
    said = {}
    for what, (words, _) in CONTRADICTIONS.items():
        refused = chart.render(*[part for word in words for part in ("--set", word)])
        assert refused.returncode != 0, what
        said[what] = refused.stderr
    said["a name that no Service may have"] = chart.render(release="1mail").stderr
    return said


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_pl_61_contradictions_are_named(refusals, what):
    assert CONTRADICTIONS[what][1] in refusals[what]


def test_a_release_whose_services_would_begin_with_a_digit_is_refused(refusals):
    said = refusals["a name that no Service may have"]
    assert "fullnameOverride: is needed for the release 1mail" in said


def test_every_refusal_of_the_templates_is_shown(refusals):
    """Each message in validate.yaml is one that a test has seen."""
    source = (TOP / "charts/turnpike/templates/validate.yaml").read_text()
    messages = re.findall(r'fail (?:\(printf )?"([^"]+)"', source)
    assert len(messages) == source.count("fail ")
    everything = "\n".join(refusals.values())
    unseen = [message for message in messages
              if not re.search(re.sub(r"%[sd]", ".*", re.escape(message)), everything)]
    assert not unseen
