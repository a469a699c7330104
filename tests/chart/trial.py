"""The chart's renders as files, and its configuration on loopback."""

import functools
import pathlib
import re
import subprocess

import yaml
from peers.process import Process, free_port, wait_for
from peers.smtp import Client
from peers.turnpike import SERVICES, binary

GOLDEN = pathlib.Path(__file__).parent / "golden"


@functools.lru_cache
def objects(name):
    """The objects that a value set makes."""
    text = (GOLDEN / f"{name}.yaml").read_text()
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


def document(name):
    """The services' configuration among them."""
    [one] = [one for one in objects(name)
             if one["kind"] == "ConfigMap" and one["metadata"]["name"].endswith("-config")]
    return one["data"]["turnpike.yaml"]


def make_certificates(folder):
    """What the pods' first containers make, for names on loopback: services/NAME/ in `folder`."""
    authority = folder / "authority"
    authority.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=trial",
                    "-keyout", authority / "tls.key", "-out", authority / "tls.crt"],
                   check=True, capture_output=True)
    for name in (*SERVICES, "turnpikectl", "keda"):
        subprocess.run([binary("turnpikectl"), "certificate", "issue", name, "localhost",
                        "--authority", authority, "--directory", folder / "services"],
                       check=True, capture_output=True)


def on_loopback(text, spool, secrets):
    """The document with other addresses, and the store and the Secrets in other folders; {its port:
    the new one}."""
    moved = {}
    for port in sorted(set(re.findall(r":(\d{4,5})\b", text))):
        moved[port] = str(free_port())
        text = re.sub(rf"(listen: )0\.0\.0\.0:{port}\b", rf"\g<1>127.0.0.1:{moved[port]}", text)
        text = re.sub(rf"dns:///[a-z0-9.-]+:{port}\b", f"dns:///localhost:{moved[port]}", text)
    settings = yaml.safe_load(text.replace("/var/spool/turnpike", str(spool))
                              .replace("/run/secrets/turnpike", str(secrets)))
    settings["services"]["drain_delay"] = "0s"
    for gateway in settings["gateways"]:  # the canary's, which listens where ETRN's mail goes
        moved["etrn"] = str(free_port())
        gateway["etrn"]["port"] = int(moved["etrn"])
    settings.setdefault("spool", {})["free_bytes_min"] = "1MiB"
    return yaml.safe_dump(settings), moved


class Services:
    """The five services; `command` makes the words that start one of them."""

    def __init__(self, folder, command):
        self.running = []
        try:
            for service in SERVICES:
                self.running.append(Process(command(service), folder / f"{service}.log"))
            for service, process in zip(SERVICES, self.running):
                wait_for(lambda p=process: '"serving"' in p.log_text(), 30, what=service)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def stop(self):
        """Ends them; their exit codes."""
        return [process.terminate() for process in reversed(self.running)]


def answer_to_a_stranger(port):
    """What RCPT for a domain that is not ours is answered."""
    with Client(int(port)) as client:
        client.ehlo()
        said = client.ask("MAIL FROM:<a@client.example>")
        assert said.startswith("250 "), said
        return client.ask("RCPT TO:<b@elsewhere.example>")
