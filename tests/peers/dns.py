"""Knot DNS as the authoritative server of test zones, on loopback."""

import pathlib
import socket
import subprocess

from peers.process import Process, free_port, wait_for

CONF = """\
server:
    rundir: "{folder}"
    listen: "{address}@{port}"
    user: root:root
log:
  - target: stderr
    any: info
database:
    storage: "{folder}/db"
template:
  - id: default
    storage: "{folder}"
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
{control}
zone:
{zones}
"""

SOA = "@ 60 SOA ns.invalid. hostmaster.invalid. {serial} 60 60 600 60\n@ 60 NS ns.invalid.\n"


class Dns:
    """`zones` maps a zone's name to the records in it, in zone file form (relative names)."""

    def __init__(self, folder, zones, address="127.0.0.1", port=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.address = address
        self.port = port or free_port(address, socket.SOCK_DGRAM)
        self.zones = dict(zones)
        self.process = None
        self._serial = 0
        (self.folder / "db").mkdir(exist_ok=True)

    @property
    def server(self):
        return f"{self.address}:{self.port}"

    def _write(self):
        self._serial += 1
        for zone, records in self.zones.items():
            (self.folder / f"{zone}.zone").write_text(SOA.format(serial=self._serial) + records)
        zones = "".join(f'  - domain: {zone}\n' for zone in self.zones)
        control = f'control:\n    listen: "{self.folder}/knot.sock"'
        (self.folder / "knot.conf").write_text(CONF.format(
            folder=self.folder, address=self.address, port=self.port, zones=zones, control=control))

    def start(self):
        self._write()
        self.process = Process(["/usr/sbin/knotd", "-c", self.folder / "knot.conf"],
                               self.folder / "knot.log")
        wait_for(self._answers, what="Knot answering")
        return self

    def _answers(self):
        zone = next(iter(self.zones))
        result = subprocess.run(
            ["kdig", f"@{self.address}", "-p", str(self.port), "+time=1", "+retry=0", zone, "SOA"],
            capture_output=True, text=True)
        return "SOA" in result.stdout.split("ANSWER SECTION")[-1] and "NOERROR" in result.stdout

    def update(self, zones):
        """Replaces the zones while running; takes effect before this returns."""
        self.stop()
        self.zones = dict(zones)
        self.start()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()
