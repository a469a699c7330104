"""DNS on loopback: Knot as the authoritative server of test zones, Unbound as the resolver that
validates those that Knot signs."""

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
    """`zones` maps a zone's name to the records in it, in zone file form (relative names); those
    in `signed` are signed (DNSSEC)."""

    def __init__(self, folder, zones, address="127.0.0.1", port=None, signed=()):
        self.signed = set(signed)
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
        zones = "".join(f"  - domain: {zone}\n" +
                        ("    dnssec-signing: on\n" if zone in self.signed else "")
                        for zone in self.zones)
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

    def keys(self, zone):
        """The DNSKEY records of a signed zone, in zone file form."""
        result = subprocess.run(
            ["kdig", f"@{self.address}", "-p", str(self.port), "+noall", "+answer", zone, "DNSKEY"],
            capture_output=True, text=True, check=True)
        return result.stdout

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


UNBOUND_CONF = """\
server:
    directory: "{folder}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    interface: {address}@{port}
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    do-ip6: no
    num-threads: 1
    local-zone: "test." nodefault
    module-config: "validator iterator"
    trust-anchor-file: "{folder}/anchors"
{insecure}
remote-control:
    control-enable: no
{stubs}
"""


class Unbound:
    """A validating resolver in front of `dns`, which trusts the keys of the zones signed there."""

    def __init__(self, folder, dns, address="127.0.0.1"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dns = dns
        self.address = address
        self.port = free_port(address, socket.SOCK_DGRAM)
        self.process = None

    @property
    def server(self):
        return f"{self.address}:{self.port}"

    def start(self):
        anchors = "".join(self.dns.keys(zone) for zone in self.dns.signed)
        (self.folder / "anchors").write_text(anchors)
        insecure = "".join(f'    domain-insecure: "{zone}"\n'
                           for zone in self.dns.zones if zone not in self.dns.signed)
        stubs = "".join(f'stub-zone:\n    name: "{zone}"\n'
                        f"    stub-addr: {self.dns.address}@{self.dns.port}\n"
                        for zone in self.dns.zones)
        conf = self.folder / "unbound.conf"
        conf.write_text(UNBOUND_CONF.format(folder=self.folder, address=self.address,
                                            port=self.port, insecure=insecure, stubs=stubs))
        self.process = Process(["/usr/sbin/unbound", "-d", "-c", conf], self.folder / "unbound.log")
        wait_for(self._answers, what="Unbound answering")
        return self

    def _answers(self):
        result = subprocess.run(
            ["kdig", f"@{self.address}", "-p", str(self.port), "+time=1", "+retry=0",
             next(iter(self.dns.zones)), "SOA"], capture_output=True, text=True)
        return "NOERROR" in result.stdout

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()
