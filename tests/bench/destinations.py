#!/usr/bin/python3
"""Delivery to many, far and dead destinations: Turnpike beside Postfix, in the same run.

Cases:
  many     each message for a domain of its own
  one      all messages for one domain; also what a queued message costs in memory
  far      some hundred domains behind a delay of 100 ms; also what a session costs in memory
  hanging  Turnpike alone: 1 % of the destinations take connections and never answer; the ratio is to
           the same load without them, the median of `--rounds`

Mail is put in first (and held), then released: timed from there until the sink has taken all of it.
Both end after `--seconds-max`, so that a slow system costs no more than twice that: it has fewer
messages then, and its rate is that of what the sink has taken.
Everything runs in a network namespace of its own, where the hosts of the domains are addresses of
127.1.0.0/16 (127.2.0.0/16 those that hang) at port 25, found by MX records of a real DNS server.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
sys.path.insert(0, str(TOP / "tests/bench"))

from compare import tool  # noqa: E402
from peers.dns import Dns  # noqa: E402
from peers.postfix import Postfix  # noqa: E402
from peers.process import Process, can_connect, wait_for  # noqa: E402
from peers.smtp import Client  # noqa: E402
from peers.turnpike import SERVICES, Turnpike  # noqa: E402
from usage import Usage, descendants  # noqa: E402

IN_NAMESPACE = "TURNPIKE_BENCH_NAMESPACE"
CONTENT = b"From: ann@sender.test\r\nSubject: bench\r\n\r\n" + (b"x" * 70 + b"\r\n") * 55
INJECTORS = 10


def domain(number):
    return f"d{number}.many.test"


def records(count, hanging):
    """MX and A records; those in `hanging` lead to hosts that never answer."""
    return "".join(
        f"d{i} 3600 MX 10 mx.d{i}\nmx.d{i} 3600 A 127.{2 if i in hanging else 1}.{i >> 8}.{i & 255}\n"
        for i in range(count))


def inject(port, domains, seconds_max):
    """A message for each of `domains`, over a few connections; how many were taken in time."""
    deadline = time.monotonic() + seconds_max

    def run(part):
        with Client(port, timeout=120) as client:
            client.ehlo()
            for count, name in enumerate(part):
                if time.monotonic() > deadline:
                    return count
                answer = client.mail("ann@sender.test", [f"bob@{name}"], CONTENT)
                if not answer.startswith("250"):
                    raise RuntimeError(f"not taken: {answer}")
        return len(part)

    with concurrent.futures.ThreadPoolExecutor(INJECTORS) as pool:
        return sum(pool.map(run, [domains[i::INJECTORS] for i in range(INJECTORS)]))


class Sink:
    def __init__(self, folder, delay):
        self.log = folder / "sink.log"
        self.log.unlink(missing_ok=True)
        self.process = Process([tool("delay_sink"), "--listen", "0.0.0.0:25", "--delay", delay],
                               self.log)
        wait_for(lambda: can_connect("127.1.0.1", 25), what="the sink listening")

    def counters(self):
        lines = self.log.read_text().rstrip().splitlines()
        return [int(word) for word in lines[-1].split()] if lines else [0, 0, 0]

    def stop(self):
        self.process.kill()


class PostfixUnderTest:
    name = "postfix"

    def __init__(self, folder, dns, processes):
        pathlib.Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        self.postfix = Postfix(folder / "postfix", [], extra=f"""\
default_process_limit = {processes}
in_flow_delay = 0
disable_dns_lookups = no
smtp_host_lookup = dns
smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks, reject
relay_domains = many.test
relay_transport = smtp
virtual_mailbox_domains =
smtp_destination_concurrency_limit = 20
initial_destination_concurrency = 20
qmgr_message_active_limit = 200000
maillog_file =
""")
        self.postfix.start()
        self.port = self.postfix.port
        self.master = int((self.postfix.folder / "queue/pid/master.pid").read_text().split()[0])

    def pids(self):
        return descendants(self.master)

    def store_pids(self):
        return self.pids()

    def release(self):
        subprocess.run(["postsuper", "-c", self.postfix.config, "-H", "ALL"], check=True,
                       capture_output=True)
        subprocess.run(["postqueue", "-c", self.postfix.config, "-f"], check=True, capture_output=True)

    def stop(self):
        self.postfix.stop()


class TurnpikeUnderTest:
    """Its delivery worker is started when mail is released."""

    name = "turnpike"

    def __init__(self, folder, dns, delivery):
        self.turnpike = Turnpike(folder / "turnpike", {
            "trusted_networks": ["127.0.0.0/8"],
            "dns": {"servers": [dns.server]},
            "delivery": {"allow_loopback_hosts": True, **delivery},
            "log": {"level": "warning"},
        }, {"mx": {"role": "smtp"}})
        self.turnpike.start([name for name in SERVICES if name != "outbound-delivery"])
        self.port = self.turnpike.ports["mx"]

    def pids(self):
        return [process.pid for process in self.turnpike.processes.values()]

    def store_pids(self):
        return [self.turnpike.processes["spool-store"].pid]

    def release(self):
        self.turnpike.spawn("outbound-delivery")
        self.turnpike.wait_ready("outbound-delivery")

    def worker(self):
        return Usage.of([self.turnpike.processes["outbound-delivery"].pid]).resident_bytes

    def stop(self):
        self.turnpike.stop()


class Bench:
    def __init__(self, options):
        self.options = options
        self.rows = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="destinations-", dir=options.folder))
        self.folder.chmod(0o755)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run_one(self, system_class, case, domains, zone, delay="0s", processes=200, expected=None,
                delivery=None):
        """One system, one load: its rate, CPU and memory. `expected`: of so many messages the sink is
        to have all; all of them, if not given. `delivery`: settings of Turnpike's."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        folder.chmod(0o755)
        with Dns(folder / "dns", {"many.test": zone}, port=53) as dns:
            sink = Sink(folder, delay)
            system = (system_class(folder, dns, processes) if system_class is PostfixUnderTest
                      else system_class(folder, dns, delivery or {}))
            try:
                empty = Usage.of(system.store_pids()).resident_bytes
                count = inject(system.port, domains, self.options.seconds_max)
                queued = (Usage.of(system.store_pids()).resident_bytes - empty) / count
                expected = min(expected or count, count)
                before, begin = Usage.of(system.pids()).cpu_seconds, time.monotonic()
                system.release()
                idle = system.worker() if system_class is TurnpikeUnderTest else None
                peak, taken, seconds = 0, 0, 0.0
                while taken < expected and seconds < self.options.seconds_max:
                    time.sleep(0.05)
                    if system_class is TurnpikeUnderTest:
                        peak = max(peak, system.worker())
                    taken, _, sessions = sink.counters()
                    seconds = time.monotonic() - begin
                cpu = Usage.of(system.pids()).cpu_seconds - before
                if not taken:
                    raise SystemExit(f"{case}: {system.name} has sent nothing in {seconds:.0f} s")
                per_session = (peak - idle) / sessions if idle else None
            finally:
                system.stop()
                sink.stop()
        shutil.rmtree(folder, ignore_errors=True)
        return {"rate": taken / seconds, "cpu": cpu / taken * 1e6, "sessions": sessions,
                "taken": taken,
                "bytes_per_session": per_session, "bytes_per_queued": queued}

    def add(self, case, system, result, ratio, destinations):
        self.rows.append({
            "case": case, "system": system, "message_bytes": len(CONTENT),
            "sessions": result["sessions"], "held_messages": 0, "destinations": destinations,
            "messages": result["taken"], "messages_per_second": round(result["rate"], 1),
            "cpu_microseconds_per_message": round(result["cpu"], 1),
            "ratio_to_postfix": round(ratio, 2) if ratio else None,
            "bytes_per_session": result["bytes_per_session"] and round(result["bytes_per_session"]),
            "bytes_per_queued_message": round(result["bytes_per_queued"])})
        row = self.rows[-1]
        print(f"{case:<10}{system:<10}{destinations:>9}{result['taken']:>9}{result['sessions']:>9}"
              f"{result['rate']:>11.0f}{result['cpu']:>9.0f}{f'{ratio:.2f}' if ratio else '-':>8}"
              f"{row['bytes_per_session'] or '-':>13}{row['bytes_per_queued_message']:>12}", flush=True)

    def compare(self, case, domains, zone, **more):
        results = {system.name: self.run_one(system, case, domains, zone, **more)
                   for system in (PostfixUnderTest, TurnpikeUnderTest)}
        for name, result in results.items():
            self.add(case, name, result, result["rate"] / results["postfix"]["rate"],
                     len(set(domains)))

    def many(self):
        count = self.options.destinations
        self.compare("many", [domain(i) for i in range(count)], records(count, ()))

    def one(self):
        self.compare("one", [domain(0)] * self.options.messages, records(1, ()))

    def far(self):
        count, each = 300, self.options.far_messages // 300
        self.compare("far", [domain(i) for i in range(count)] * each, records(count, ()),
                     delay="100ms", processes=1000, delivery={"leases_max": 20000})

    def hanging(self):
        count, each = 1000, max(1, self.options.hanging_messages // 1000)
        dead = set(range(0, count, 100))
        domains = [domain(i) for i in range(count)] * each
        alive = [name for name in domains if int(name[1:].split(".")[0]) not in dead]
        pairs = [(self.run_one(TurnpikeUnderTest, "hanging", alive, records(count, ())),
                  self.run_one(TurnpikeUnderTest, "hanging", domains, records(count, dead),
                               expected=len(alive))) for _ in range(self.options.rounds)]
        # The pair in the middle, so that all its figures belong together.
        pairs.sort(key=lambda pair: pair[1]["rate"] / pair[0]["rate"])
        without, beside = pairs[len(pairs) // 2]
        self.add("hanging", "without", without, None, count - len(dead))
        self.add("hanging", "turnpike", beside, beside["rate"] / without["rate"], count)

    def run(self):
        print(f"{'case':<10}{'system':<10}{'domains':>9}{'messages':>9}{'sessions':>9}{'msg/s':>11}"
              f"{'cpu us':>9}{'ratio':>8}{'B/session':>13}{'B/queued':>12}")
        for case in self.options.cases.split(","):
            getattr(self, case)()


def enter_namespace():
    """Runs this script again where the whole of 127.0.0.0/8, its port 25 and /etc/resolv.conf are
    its own."""
    os.environ[IN_NAMESPACE] = "1"
    setup = ("ip link set lo up && f=$(mktemp) && mount --bind $f /etc/resolv.conf && "
             'exec "$@"')
    os.execvp("unshare", ["unshare", "--net", "--mount", "sh", "-c", setup, "sh", sys.executable,
                          *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="many,one,far,hanging")
    parser.add_argument("--destinations", type=int, default=10_000, help="of `many`")
    parser.add_argument("--messages", type=int, default=100_000, help="of `one`")
    parser.add_argument("--far-messages", type=int, default=30_000)
    parser.add_argument("--hanging-messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="of `hanging`")
    parser.add_argument("--seconds-max", type=float, default=100,
                        help="for putting mail in, and for its delivery; of each system and case")
    parser.add_argument("--folder", default=str(TOP / "build"), help="where the spools are made")
    parser.add_argument("--quick", action="store_true", help="few messages")
    options = parser.parse_args()
    if options.quick:
        options.destinations, options.messages = min(options.destinations, 1000), 3000
        options.far_messages, options.hanging_messages, options.rounds = 3000, 2000, 1
    if os.environ.get(IN_NAMESPACE) is None:
        enter_namespace()
    pathlib.Path(options.folder).mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    try:
        bench.run()
    finally:
        bench.close()
    out = TOP / "build" / "bench-destinations.json"
    out.write_text(json.dumps(bench.rows, indent=1) + "\n")
    print(f"written to {out.relative_to(TOP)}; {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
