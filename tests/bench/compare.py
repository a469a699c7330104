#!/usr/bin/python3
"""Turnpike beside Postfix: the same load, the same machine, the same run.

Cases:
  ingest  smtp-source sends for a held queue; every 250 is durable in both systems
  relay   smtp-source sends, the system relays to smtp-sink; timed until the sink has the last message
  drain   what was held goes out: by ATRN over one connection (Turnpike), by `postsuper -H` and SMTP
          to smtp-sink (Postfix, which has no ATRN)
  store   enqueue and lease at the store alone, with 0, 100,000 and 1,000,000 messages held beside
  held    the same through all services: smtp-source sends to a gateway for which so much is held
          already, and what is held for another gateway is collected by ATRN beside it

The systems take turns, `--rounds` times each; the table has medians. CPU time is that of the system
under test, all its processes, without source and sink.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from peers.dns import Dns  # noqa: E402
from peers.postfix import Postfix  # noqa: E402
from peers.process import Process, can_connect, free_port, wait_for  # noqa: E402
from peers.smtp import Client  # noqa: E402
from peers.turnpike import SERVICES, Turnpike  # noqa: E402
from usage import Usage, descendants  # noqa: E402

PASSWORD = "bench"
SINK = "127.0.0.21"


def tool(name):
    """A program of tests/bench: from $TURNPIKE_BIN, or where Bazel has built it."""
    folder = os.environ.get("TURNPIKE_BIN")
    return str(pathlib.Path(folder) / name if folder else TOP / "bazel-bin/tests/bench" / name)


def source(port, recipient, count, size, sessions, keep_connection):
    """Runs smtp-source to its end; seconds."""
    argv = ["smtp-source", "-s", str(sessions), "-m", str(count), "-l", str(size), "-f",
            "ann@sender.test", "-t", recipient, "-M", "source.test"]
    if keep_connection:
        argv.append("-d")
    begin = time.monotonic()
    subprocess.run([*argv, f"127.0.0.1:{port}"], check=True, stdin=subprocess.DEVNULL)
    return time.monotonic() - begin


class Sink:
    """smtp-sink that counts: the messages it has taken, from its own counter output."""

    def __init__(self, folder, port):
        self.log = pathlib.Path(folder) / "sink.log"
        self.log.unlink(missing_ok=True)
        self.port = port
        self.process = Process(["smtp-sink", "-c", "-u", "nobody", f"{SINK}:{port}", "1000"], self.log)
        wait_for(lambda: can_connect(SINK, port), what="smtp-sink listening")

    def taken(self):
        with self.log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 200))
            counts = re.findall(rb"mesg=(\d+)\r", log.read())
        return int(counts[-1]) if counts else 0

    def wait(self, count, timeout):
        """Returns once `count` messages have come since it was started."""
        wait_for(lambda: self.taken() >= count, timeout, interval=0.01,
                 what=f"{count} messages at smtp-sink")

    def stop(self):
        self.process.kill()


class PostfixUnderTest:
    """Debian's Postfix: default durability, process limits raised."""

    name = "postfix"

    def __init__(self, folder, sink_port):
        extra = f"""\
default_process_limit = 200
in_flow_delay = 0
smtpd_recipient_restrictions = check_recipient_access inline:{{held.test=HOLD}}, permit_mynetworks, reject
relay_domains = held.test, out.test
transport_maps = inline:{{ {{held.test = smtp:[{SINK}]:{sink_port}}}, {{out.test = smtp:[{SINK}]:{sink_port}}} }}
virtual_mailbox_domains =
smtp_destination_concurrency_limit = 100
initial_destination_concurrency = 100
qmgr_message_active_limit = 100000
smtpd_client_message_rate_limit = 0
maillog_file =
"""
        self.postfix = Postfix(folder / "postfix", [], extra=extra)
        self.postfix.start()
        self.port = self.postfix.port
        self.master = int((self.postfix.folder / "queue/pid/master.pid").read_text().split()[0])

    def pids(self):
        return descendants(self.master)

    def queued(self):
        queue = self.postfix.folder / "queue"
        return sum(1 for name in ("incoming", "active", "deferred", "maildrop")
                   for _ in (queue / name).rglob("*") if _.is_file())

    def drain(self):
        subprocess.run(["postsuper", "-c", self.postfix.config, "-H", "ALL"], check=True,
                       capture_output=True)
        subprocess.run(["postqueue", "-c", self.postfix.config, "-f"], check=True, capture_output=True)

    def clear(self):
        subprocess.run(["postsuper", "-c", self.postfix.config, "-d", "ALL"], check=True,
                       capture_output=True)

    def stop(self):
        self.postfix.stop()


class TurnpikeUnderTest:
    name = "turnpike"

    def __init__(self, folder, sink_port, dns):
        self.turnpike = Turnpike(
            folder / "turnpike",
            {
                "gateways": [{"domain": domain, "atrn": {"enabled": True,
                                                         "password": "{PLAIN}" + PASSWORD}}
                             for domain in ("held.test", "taken.test")],
                "trusted_networks": ["127.0.0.0/8"],
                "smtp": {"connections_per_address_max": 10000},
                "dns": {"servers": [dns.server]},
                "delivery": {"smtp_port": sink_port, "allow_loopback_hosts": True,
                             "connections_per_destination_max": 100},
                "log": {"level": "warning"},
            },
            {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})
        self.turnpike.start()
        self.port = self.turnpike.ports["mx"]

    def pids(self):
        return [process.pid for process in self.turnpike.processes.values()]

    def queued(self):
        # Counters are exact at once, the gauges of what is there a second later. Each message here
        # is one delivery with one recipient.
        stored = self.turnpike.metric("spool-store", "turnpike_spool_enqueued_total")
        return int(stored - self.turnpike.metric("spool-store", "turnpike_spool_completed_total"))

    def drain(self, taker):
        taker(self.turnpike.ports["odmr"])

    def stop(self):
        self.turnpike.stop()


def wait_empty(system, timeout):
    deadline = time.monotonic() + timeout
    while system.queued():
        if time.monotonic() > deadline:
            raise SystemExit(f"{system.name} did not empty its queue within {timeout} s")
        time.sleep(0.02)


def atrn_taker(port, login="held.test"):
    """Collects all of a gateway's mail by ATRN; a small fast sink on our side of the connection."""
    subprocess.run([tool("atrn_taker"), "--port", str(port), "--login", login, "--password",
                    PASSWORD], check=True, stdin=subprocess.DEVNULL)


def spool_load(port, phase, count, *arguments):
    """Loads a spool-store without SMTP; messages per second."""
    result = subprocess.run(
        [tool("spool_load"), "--target", f"127.0.0.1:{port}", "--phase", phase, "--messages",
         str(count), *arguments],
        check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return float(result.stdout)


def fill(port, held):
    """Puts `held` messages into the queue of held.test."""
    if held:
        spool_load(port, "enqueue", held, "--hold", "--queue", "held.test", "--bytes", "1024")


def measure(system, count, work, finish=lambda: None):
    """Runs `work`; (messages per second, CPU microseconds per message). What `finish` waits for
    belongs to the CPU time only."""
    before = Usage.of(system.pids())
    begin = time.monotonic()
    work()
    seconds = time.monotonic() - begin
    finish()
    cpu = Usage.of(system.pids()).cpu_seconds - before.cpu_seconds
    return count / seconds, cpu / count * 1e6


class Bench:
    def __init__(self, options):
        self.options = options
        self.rows = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="turnpike-bench-", dir=options.folder))
        self.folder.chmod(0o755)
        self.sink = Sink(self.folder, free_port(SINK))
        self.dns = Dns(self.folder / "dns", {"out.test": f"@ 3600 MX 10 mx\nmx 3600 A {SINK}\n"}).start()
        self.postfix = PostfixUnderTest(self.folder, self.sink.port)
        self.turnpike = TurnpikeUnderTest(self.folder, self.sink.port, self.dns)
        self.systems = [self.postfix, self.turnpike]

    def close(self):
        for system in self.systems:
            system.stop()
        self.sink.stop()
        self.dns.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def compare(self, case, size, sessions, work, held=0):
        """`work(system)` gives (rate, cpu); the systems take turns."""
        results = {system.name: [] for system in self.systems}
        for _ in range(self.options.rounds):
            for system in self.systems:
                results[system.name].append(work(system))
        medians = {name: tuple(statistics.median(values) for values in zip(*rounds))
                   for name, rounds in results.items()}
        for system in self.systems:
            rate, cpu = medians[system.name]
            memory = Usage.of(system.pids())
            self.add(case, system.name, size, sessions, held, rate, cpu,
                     rate / medians["postfix"][0], memory.resident_bytes, memory.processes)

    def add(self, case, system, size, sessions, held, rate, cpu, ratio, resident, processes):
        row = {"case": case, "system": system, "message_bytes": size, "sessions": sessions,
               "held_messages": held, "messages_per_second": round(rate, 1),
               "cpu_microseconds_per_message": round(cpu, 1),
               "ratio_to_postfix": round(ratio, 2) if ratio else None,
               "resident_bytes": resident, "processes": processes}
        self.rows.append(row)
        print(f"{case:<16}{system:<10}{size:>9}{sessions:>9}{held:>9}{rate:>11.0f}{cpu:>10.0f}"
              f"{f'{ratio:.2f}' if ratio else '-':>9}{resident / 2**20 / max(processes, 1):>10.1f}"
              f"{processes:>6}", flush=True)

    def ingest(self, size, sessions, keep):
        count = self.options.messages
        case = "ingest-kept" if keep else "ingest"

        def work(system):
            result = measure(system, count, lambda: source(
                system.port, "user@held.test", count, size, sessions, keep))
            if system is self.postfix:
                system.clear()
            else:
                atrn_taker(system.turnpike.ports["odmr"])
            return result

        self.compare(case, size, sessions, work)

    def relay(self, size, sessions, keep):
        count = self.options.messages

        def work(system):
            end = self.sink.taken() + count

            def run():
                source(system.port, "user@out.test", count, size, sessions, keep)
                self.sink.wait(end, 300)
            return measure(system, count, run, lambda: wait_empty(system, 60))

        self.compare("relay-kept" if keep else "relay", size, sessions, work)

    def drain(self, size):
        count = self.options.messages

        def work(system):
            source(system.port, "user@held.test", count, size, 20, True)
            if system is self.postfix:
                return measure(system, count, lambda: (system.drain(), wait_empty(system, 300)))
            return measure(system, count, lambda: system.drain(atrn_taker))

        self.compare("drain", size, 1, work)

    def store(self):
        """The store alone, no Postfix beside it: the figure to look at is flatness."""
        for held in self.options.held:
            store = Turnpike(self.folder / f"store-{held}", {})
            store.start(["spool-store"])
            pid = store.processes["spool-store"].pid

            def load(phase, count, *arguments):
                before = Usage.of([pid])
                rate = spool_load(store.ports["spool-store"], phase, count, *arguments)
                after = Usage.of([pid])
                cpu = (after.cpu_seconds - before.cpu_seconds) / count * 1e6
                return rate, cpu, after.resident_bytes

            fill(store.ports["spool-store"], held)
            count = self.options.store_messages
            results = {"enqueue": [], "lease": []}
            for _ in range(self.options.rounds):
                for phase, values in results.items():
                    values.append(load(phase, count, "--bytes", "4096"))
            for phase, values in results.items():
                rate, cpu, resident = (statistics.median(column) for column in zip(*values))
                self.add(f"store-{phase}", "turnpike", 4096, 500, held, rate, cpu, None, resident, 1)
            store.stop()
            shutil.rmtree(store.folder)

    def beside(self):
        """The whole of Turnpike with so much held already; again flatness is what counts."""
        count, size, sessions = self.options.messages, 4096, 100
        for held in self.options.held:
            folder = self.folder / f"held-{held}"
            folder.mkdir()
            system = TurnpikeUnderTest(folder, self.sink.port, self.dns)
            results = {"held-ingest": [], "held-drain": []}
            try:
                fill(system.turnpike.ports["spool-store"], held)
                odmr = system.turnpike.ports["odmr"]
                for _ in range(self.options.rounds + 1):
                    results["held-ingest"].append(measure(system, count, lambda: source(
                        system.port, "user@held.test", count, size, sessions, True)))
                    source(system.port, "user@taken.test", count, size, sessions, True)
                    results["held-drain"].append(
                        measure(system, count, lambda: atrn_taker(odmr, "taken.test")))
                memory = Usage.of(system.pids())
            finally:
                system.stop()
            for case, values in results.items():
                # The first round warms up what the store reads for the first time.
                rate, cpu = (statistics.median(column) for column in zip(*values[1:]))
                self.add(case, system.name, size, 1 if case == "held-drain" else sessions, held,
                         rate, cpu, None, memory.resident_bytes, memory.processes)
            shutil.rmtree(folder)

    def run(self):
        print(f"{'case':<16}{'system':<10}{'bytes':>9}{'sessions':>9}{'held':>9}{'msg/s':>11}"
              f"{'cpu us':>10}{'ratio':>9}{'MiB/proc':>10}{'procs':>6}")
        cases = self.options.cases.split(",")
        for size in self.options.sizes:
            for sessions in self.options.sessions:
                for keep in (False, True):
                    if "ingest" in cases:
                        self.ingest(size, sessions, keep)
                    if "relay" in cases:
                        self.relay(size, sessions, keep)
            if "drain" in cases:
                self.drain(size)
        if "store" in cases:
            self.store()
        if "held" in cases:
            self.beside()


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="ingest,relay,drain,store,held")
    parser.add_argument("--messages", type=int, default=5000, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=numbers, default=[4096, 65536], help="octets, with commas")
    parser.add_argument("--sessions", type=numbers, default=[10, 100])
    parser.add_argument("--held", type=numbers, default=[0, 100_000, 1_000_000])
    parser.add_argument("--store-messages", type=int, default=50_000)
    parser.add_argument("--folder", default=str(TOP / "build"), help="where the spools are made")
    parser.add_argument("--quick", action="store_true", help="one round, one size, few messages")
    options = parser.parse_args()
    if options.quick:
        options.messages, options.rounds, options.sizes = 2000, 1, [4096]
        options.sessions, options.held, options.store_messages = [50], [0, 100_000], 20_000
    pathlib.Path(options.folder).mkdir(parents=True, exist_ok=True)
    if not shutil.which("smtp-source"):
        sys.exit("smtp-source is missing: make test-packages installs Postfix")
    bench = Bench(options)
    try:
        bench.run()
    finally:
        bench.close()
    out = TOP / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(bench.rows, indent=1) + "\n")
    print(f"written to {out.relative_to(TOP)}; {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
