"""The five services of Turnpike as child processes on loopback."""

import json
import os
import pathlib
import subprocess
import urllib.request

import yaml

from peers.process import Process, free_port, wait_for

SERVICES = ("spool-store", "auth-service", "gateway-dequeue", "smtp-frontend", "outbound-delivery")
TOP = pathlib.Path(__file__).resolve().parents[2]


def binary(service):
    """The service's binary: from $TURNPIKE_BIN, or where Bazel has built it."""
    folder = os.environ.get("TURNPIKE_BIN")
    if folder:
        return pathlib.Path(folder) / service
    return TOP / "bazel-bin" / "services" / service / service


def ctl(*words, stdin="", timeout=60, env=None):
    """Runs turnpikectl; the finished process, with text of both streams."""
    return subprocess.run([binary("turnpikectl"), *map(str, words)], input=stdin, text=True,
                          capture_output=True, timeout=timeout, env={**os.environ, **(env or {})})


class _PlainDumper(yaml.SafeDumper):
    """Writes equal values out each time: the services read no anchors."""

    def ignore_aliases(self, data):
        return True


class Turnpike:
    """Five services with one configuration, in `folder`.

    `settings` is the YAML document as a dict; the services' addresses and the spool's folder are
    filled in. Listeners are given as {name: settings} and get free ports: `ports[name]`.
    """

    def __init__(self, folder, settings, listeners=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = dict(settings)
        self.ports = {}
        self.processes = {}
        self._starts = 0
        smtp = dict(self.settings.get("smtp") or {})
        smtp["listeners"] = []
        for name, listener in (listeners or {"mx": {"role": "smtp"}}).items():
            self.ports[name] = free_port()
            smtp["listeners"].append(
                {"name": name, "listen": f"127.0.0.1:{self.ports[name]}", **listener})
        self.settings["smtp"] = smtp
        self.settings.setdefault("hostname", "gate.turnpike.test")
        self.settings["spool"] = {"directory": str(self.folder / "spool"), "free_bytes_min": "1MiB",
                                  **self.settings.get("spool", {})}
        endpoints = dict(self.settings.get("services") or {})
        for service in SERVICES:
            key = service.replace("-", "_")
            self.ports[service] = free_port()
            self.ports[service + "/metrics"] = free_port()
            endpoints[key] = {"listen": f"127.0.0.1:{self.ports[service]}",
                              "metrics_listen": f"127.0.0.1:{self.ports[service + '/metrics']}",
                              **endpoints.get(key, {})}
        self.settings["services"] = endpoints
        self.config = self.folder / "turnpike.yaml"
        self.write_config()

    def write_config(self, path=None, settings=None):
        """Writes the YAML document; of other settings to another file when given."""
        (path or self.config).write_text(
            yaml.dump(settings or self.settings, Dumper=_PlainDumper, sort_keys=False))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def start(self, services=SERVICES):
        for service in services:
            self.spawn(service)
        for service in services:
            self.wait_ready(service)

    def spawn(self, service, name=None, config=None, prefix=()):
        """Starts one process; `name` tells several of one service apart."""
        name = name or service
        self._starts += 1
        log = self.folder / f"{name}.{self._starts}.log"
        process = Process([*prefix, binary(service), "--config", config or self.config], log,
                          env={"MALLOC_CONF": os.environ.get("MALLOC_CONF", "")})
        self.processes[name] = process
        return process

    def wait_ready(self, service, timeout=30):
        process = self.processes[service]

        def ready():
            if not process.running():
                raise RuntimeError(f"{service} ended:\n{process.log_text()[-4000:]}")
            return self.http(service, "/readyz") == 200

        wait_for(ready, timeout, what=f"{service} being ready")

    def http(self, service, path):
        """The status of a GET on the service's page port."""
        url = f"http://127.0.0.1:{self.ports[service + '/metrics']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    def metrics_text(self, service):
        url = f"http://127.0.0.1:{self.ports[service + '/metrics']}/metrics"
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()

    def metric(self, service, name, **labels):
        """The sum of a metric's series that carry `labels`; 0 when there is none."""
        total = 0.0
        for line in self.metrics_text(service).splitlines():
            if line.startswith("#") or not line.startswith(name):
                continue
            head, _, value = line.rpartition(" ")
            series, _, rest = head.partition("{")
            if series == name and all(f'{key}="{val}"' in rest for key, val in labels.items()):
                total += float(value)
        return total

    def ctl(self, *words, stdin="", timeout=60):
        """Runs turnpikectl on these services; the finished process, with text of both streams."""
        return ctl("--config", self.config, *words, stdin=stdin, timeout=timeout)

    def ctl_json(self, *words):
        """What a turnpikectl command that succeeds answers, from JSON."""
        result = self.ctl(*words, "--output", "json")
        assert result.returncode == 0, result
        return json.loads(result.stdout)

    def kill(self, service):
        self.processes[service].kill()

    def restart(self, service, timeout=30):
        """After a kill or a stop: starts the service again and waits for it."""
        self.spawn(service)
        self.wait_ready(service, timeout)

    def stop(self):
        """Ends everything; the front ends first."""
        for name in reversed(list(self.processes)):
            process = self.processes[name]
            if process.running():
                try:
                    process.terminate(40)
                except Exception:
                    process.kill()

    def log_lines(self, service):
        """The JSON log lines of all runs of a service."""
        lines = []
        for path in sorted(self.folder.glob(f"{service}.*.log"),
                           key=lambda path: int(path.name.rsplit(".", 2)[1])):
            for line in path.read_text(errors="replace").splitlines():
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    lines.append({"text": line})
        return lines
