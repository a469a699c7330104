"""Runs one example of docs/dequeue.md: guide_scenario.py NAME FOLDER, inside of namespaces of its
own (`unshare --net --mount --pid`). FOLDER/guide has the example's files, by their paths.

The machine's folders that the programs write to are replaced by copies in FOLDER, and /etc by a copy
with the example's files, its users and its host names. So nothing of the machine changes, and all
paths, ports and addresses are those of the page.
"""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
sys.path.insert(0, str(TOP / "tests" / "e2e"))

from peers.exim import ROOT as PEERS  # noqa: E402
from peers.process import Process, can_connect, wait_for  # noqa: E402
from peers.smtp import Client, message  # noqa: E402
from peers.turnpike import SERVICES, binary  # noqa: E402

GATE, BRANCH = "192.0.2.1", "203.0.113.25"
METRICS = {"spool-store": 7201, "auth-service": 7202, "gateway-dequeue": 7203,
           "smtp-frontend": 7204, "outbound-delivery": 7205}


def run(*argv, check=True):
    return subprocess.run(argv, check=check, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)


class Machine:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []
        for parent in [self.folder, *self.folder.parents]:
            if parent != pathlib.Path("/"):
                parent.chmod(parent.stat().st_mode | 0o111)
        run("mount", "--make-rprivate", "/")

    def set_up(self, users):
        self._network()
        etc = self.folder / "etc"
        shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
        (etc / "exim4").mkdir(exist_ok=True)
        shutil.copytree(self.folder / "guide" / "etc", etc, dirs_exist_ok=True)
        with open(etc / "hosts", "w") as hosts:
            hosts.write(f"127.0.0.1 localhost {socket.gethostname()}\n{GATE} gate.provider.example\n"
                        f"{BRANCH} mail.branch.example\n")
        self._users(etc, users)
        self._certificate(etc)
        if (etc / "fetchmailrc").exists():
            (etc / "fetchmailrc").chmod(0o600)
        run("mount", "--bind", str(etc), "/etc")
        for place in ("/var/spool", "/var/lib", "/var/log", "/var/mail"):
            copy = self.folder / place.strip("/").replace("/", "-")
            copy.mkdir()
            if place != "/var/mail" and pathlib.Path(place, "postfix").exists():
                run("cp", "--archive", place + "/postfix", str(copy))
            run("mount", "--bind", str(copy), place)
        self._exim()

    def _exim(self):
        """What installing Debian's package does."""
        exim = pwd.getpwnam("Debian-exim")
        for place in ("/var/spool/exim4", "/var/log/exim4"):
            os.mkdir(place)
            os.chown(place, exim.pw_uid, exim.pw_gid)
        programs, system = self.folder / "sbin", self.folder / "system-sbin"
        programs.mkdir()
        system.mkdir()
        run("mount", "--bind", "/usr/sbin", str(system))
        for program in system.iterdir():
            (programs / program.name).symlink_to(program)
        (programs / "exim4").symlink_to(PEERS / "usr" / "sbin" / "exim4")
        run("mount", "--bind", str(programs), "/usr/sbin")

    def _network(self):
        run("ip", "link", "set", "lo", "up")
        for address in (GATE, BRANCH):
            run("ip", "address", "add", address + "/32", "dev", "lo")
        # Each side speaks to the other from its own address.
        run("ip", "route", "replace", "local", BRANCH, "dev", "lo", "table", "local", "src", GATE)
        run("ip", "route", "replace", "local", GATE, "dev", "lo", "table", "local", "src", BRANCH)

    def _users(self, etc, users):
        self.homes = self.folder / "home"
        lines = [("Debian-exim", 991, "/nonexistent")]
        for number, user in enumerate(users, 2001):
            home = self.homes / user
            home.mkdir(parents=True)
            os.chown(home, number, number)
            lines.append((user, number, home))
        with open(etc / "passwd", "a") as passwd, open(etc / "group", "a") as group:
            for user, number, home in lines:
                passwd.write(f"{user}:x:{number}:{number}::{home}:/bin/false\n")
                group.write(f"{user}:x:{number}:\n")

    def _certificate(self, etc):
        tls = etc / "turnpike" / "tls"
        tls.mkdir(parents=True, exist_ok=True)
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=gate.provider.example",
            "-addext", "subjectAltName=DNS:gate.provider.example",
            "-keyout", str(tls / "key.pem"), "-out", str(tls / "cert.pem"))
        bundle = etc / "ssl" / "certs" / "ca-certificates.crt"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        with open(bundle, "a") as authorities:
            authorities.write((tls / "cert.pem").read_text())

    def start(self, argv, name):
        process = Process(argv, self.folder / f"{name}.log")
        self.processes.append(process)
        return process

    def start_turnpike(self):
        for service in SERVICES:
            self.start([binary(service), "--config", "/etc/turnpike/turnpike.yaml"], service)
        for service in SERVICES:
            wait_for(lambda: ready(METRICS[service]), 30, what=f"{service} being ready")

    def start_postfix(self, address):
        result = run("script", "--quiet", "--return", "--command", "postfix start", "/dev/null",
                     check=False)
        assert result.returncode == 0, result.stdout
        wait_for(lambda: can_connect(address, 25), what="Postfix listening")

    def start_exim(self):
        self.start(["/usr/sbin/exim4", "-bdf"], "exim")
        wait_for(lambda: can_connect("127.0.0.1", 25), what="Exim listening")

    def mail_of(self, user):
        """The contents of what has arrived for a user."""
        new = self.homes / user / "Maildir" / "new"
        return [path.read_bytes() for path in new.iterdir()] if new.exists() else []

    def show_logs(self):
        for path in [*self.folder.glob("*.log"), pathlib.Path("/var/log/mail.log"),
                     *pathlib.Path("/var/log/exim4").glob("*")]:
            if path.exists():
                print(f"---- {path}\n{path.read_text(errors='replace')[-2500:]}")


def ready(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as response:
        return response.status == 200


def send(recipient, number, size=0):
    with Client(25, address=GATE) as client:
        client.ehlo()
        return client.mail("ann@sender.example", [recipient], message(number, size))


def fetchmail(machine, name="fetchmail"):
    return machine.start(["fetchmail", "--fetchmailrc", "/etc/fetchmailrc", "--nodetach",
                          "--nosyslog", "--pidfile", str(machine.folder / "fetchmail.pid"), "-v"],
                         name)


def office(machine):
    machine.set_up(["ann", "bob"])
    machine.start_turnpike()
    machine.start_postfix("127.0.0.1")
    assert send("ann@customer.example", 1).startswith("250")
    assert send("bob@customer-shop.example", 2, 200_000).startswith("250")
    daemon = fetchmail(machine)
    wait_for(lambda: len(machine.mail_of("ann")) == 1, 30, what="Ann's mail")
    wait_for(lambda: len(machine.mail_of("bob")) == 1, 30, what="Bob's mail")
    assert b"Message-ID: <1.test@sender.test>" in machine.mail_of("ann")[0]
    assert daemon.running(), "it calls again in five minutes"


def ship(machine):
    machine.set_up(["captain", "cook"])
    machine.start_turnpike()
    machine.start_exim()
    assert send("captain@ship.example", 1, 50_000).startswith("250")
    assert send("cook@ship.example", 2).startswith("250")
    assert send("parrot@ship.example", 3).startswith("550 5.1.1")
    assert fetchmail(machine).child.wait(60) in (0, 1)
    wait_for(lambda: len(machine.mail_of("captain")) == 1, 20, what="the captain's mail")
    wait_for(lambda: len(machine.mail_of("cook")) == 1, 20, what="the cook's mail")
    with open("/etc/turnpike/ship.recipients", "a") as recipients:
        recipients.write("parrot@ship.example\n")
    wait_for(lambda: send("parrot@ship.example", 4).startswith("250"), 10,
             what="the list being read again")
    # Within the minute that `min_interval` asks for.
    assert fetchmail(machine, "again").child.wait(60) == 4  # 450


def branch(machine):
    machine.set_up(["ann"])
    machine.start_turnpike()
    time.sleep(2)  # the first interval, with nothing held
    assert send("ann@branch.example", 1).startswith("250")
    machine.start_postfix(BRANCH)
    assert not machine.mail_of("ann")
    assert fetchmail(machine).child.wait(60) in (0, 1)
    wait_for(lambda: len(machine.mail_of("ann")) == 1, 30, what="Ann's mail")
    with Client(25, address=GATE, source=GATE) as client:
        client.ehlo()
        assert client.ask("ETRN branch.example").startswith("459"), "only the branch's address"


def main():
    machine = Machine(sys.argv[2])
    try:
        {"office": office, "ship": ship, "branch": branch}[sys.argv[1]](machine)
    except BaseException:
        machine.show_logs()
        raise
    # All processes are of this namespace, and end with this one.


if __name__ == "__main__":
    main()
