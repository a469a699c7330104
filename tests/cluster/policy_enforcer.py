#!/usr/bin/python3
"""Enforces NetworkPolicies on the node, which Debian's network plugins do not.

  policy_enforcer.py SERVER AUTHORITY CERTIFICATE KEY

Asks the API server each second, and writes the rules anew where something changed: a chain for each
pod that a policy selects. Packets that nothing allows are dropped, as by common plugins. As with
those, what comes from the node itself is let through (probes). Understood are pod and namespace
selectors, IP blocks without exceptions, and ports by name and number without ranges.
"""

import json
import ssl
import subprocess
import sys
import time
import urllib.request

OWN = "TURNPIKE-POLICIES"


class Api:
    def __init__(self, server, authority, certificate, key):
        self._server = server
        self._context = ssl.create_default_context(cafile=authority)
        self._context.load_cert_chain(certificate, key)

    def list(self, path):
        with urllib.request.urlopen(f"{self._server}/{path}", context=self._context,
                                    timeout=10) as page:
            return json.load(page)["items"]


def selects(selector, labels):
    """Whether a label selector is true of an object's labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for term in selector.get("matchExpressions", []):
        key, values = term["key"], term.get("values", [])
        if not {"In": labels.get(key) in values, "NotIn": labels.get(key) not in values,
                "Exists": key in labels, "DoesNotExist": key not in labels}[term["operator"]]:
            return False
    return True


class State:
    """Pods, namespaces and policies at one time."""

    def __init__(self, api):
        self.namespaces = {one["metadata"]["name"]: one["metadata"].get("labels", {})
                           for one in api.list("api/v1/namespaces")}
        self.pods = [pod for pod in api.list("api/v1/pods")
                     if pod["status"].get("podIP") and not pod["spec"].get("hostNetwork")
                     and pod["status"]["phase"] not in ("Succeeded", "Failed")]
        self.policies = api.list("apis/networking.k8s.io/v1/networkpolicies")

    def peers(self, peer, namespace):
        """The networks of one `from` or `to` of a policy in `namespace`."""
        if "ipBlock" in peer:
            return [peer["ipBlock"]["cidr"]]
        found = []
        for pod in self.pods:
            at = pod["metadata"]["namespace"]
            near = (selects(peer["namespaceSelector"], self.namespaces.get(at, {}))
                    if "namespaceSelector" in peer else at == namespace)
            if near and selects(peer.get("podSelector", {}), pod["metadata"].get("labels", {})):
                found.append(pod["status"]["podIP"])
        return found


def port_matches(rule, pod):
    """What iptables asks of the port of a rule's packets, one for each port; `pod` has the port where
    it is named."""
    if not rule.get("ports"):
        return [""]
    matches = []
    for port in rule["ports"]:
        protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
        if isinstance(number, str):
            number = next((one["containerPort"] for container in pod["spec"]["containers"]
                           for one in container.get("ports", []) if one.get("name") == number), 0)
        matches.append(f"-p {protocol}" + (f" --dport {number}" if number is not None else ""))
    return matches


def pod_rules(state, policies, pod, direction):
    """The lines of a pod's chain for "ingress" or "egress"."""
    way, option = ("from", "-s") if direction == "ingress" else ("to", "-d")
    for policy in policies:
        for rule in policy["spec"].get(direction, []):
            for ports in port_matches(rule, pod):
                if not rule.get(way):
                    yield f"{ports} -j RETURN"
                for peer in rule.get(way) or []:
                    for network in state.peers(peer, policy["metadata"]["namespace"]):
                        yield f"{ports} {option} {network} -j RETURN"
    yield "-j DROP"


def rules(state):
    """All chains, as iptables-restore reads them."""
    chains, jumps, lines = [OWN], [], []
    for number, pod in enumerate(sorted(state.pods, key=lambda one: one["status"]["podIP"])):
        labels, at = pod["metadata"].get("labels", {}), pod["metadata"]["namespace"]
        chosen = [one for one in state.policies if one["metadata"]["namespace"] == at
                  and selects(one["spec"]["podSelector"], labels)]
        for direction, option in (("ingress", "-d"), ("egress", "-s")):
            policies = [one for one in chosen
                        if direction.capitalize() in one["spec"].get("policyTypes", ["Ingress"])]
            if policies:
                chain = f"TURNPIKE-{direction.upper()}-{number}"
                chains.append(chain)
                jumps.append(f"-A {OWN} {option} {pod['status']['podIP']} -j {chain}")
                lines += [f"-A {chain} {line}" for line in
                          pod_rules(state, policies, pod, direction)]
    answers = f"-A {OWN} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
    return "\n".join(["*filter", *(f":{chain} - [0:0]" for chain in chains), answers, *jumps, *lines,
                      "COMMIT", ""])


def main():
    api = Api(*sys.argv[1:5])
    subprocess.run(["iptables", "--new-chain", OWN], check=True)
    # Between pods, and from pods to the node. What the node sends passes neither.
    for chain in ("FORWARD", "INPUT"):
        subprocess.run(["iptables", "--insert", chain, "--jump", OWN], check=True)
    written = ""
    while True:
        try:
            wanted = rules(State(api))
            if wanted != written:
                subprocess.run(["iptables-restore", "--noflush"], input=wanted, text=True, check=True)
                written = wanted
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"the rules stay as they are: {error}", flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
