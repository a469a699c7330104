#!/usr/bin/python3
"""How long an ETRN waits for its reply, by how much is held in the gateway; and how fast many gateways
collect by ATRN at once.

Cases:
  etrn  0, 100,000 and 1,000,000 messages are held in a gateway. `first` is the ETRN that releases them
        all; `again` are 200 more of them, each after one new message; nothing is delivered meanwhile
  atrn  one session, and `--sessions` sessions of as many gateways at one time, each with `--messages`;
        `share` is that of what the same SMTP client reaches from memory, into the same sinks

Needs the binaries that tests/bench/run builds, in $TURNPIKE_BIN or in bazel-bin.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from compare import PASSWORD, atrn_taker, source, spool_load, tool  # noqa: E402
from peers.process import free_port, wait_for  # noqa: E402
from peers.smtp import Client  # noqa: E402
from peers.turnpike import Turnpike  # noqa: E402

SERVICES = ("spool-store", "auth-service", "gateway-dequeue", "smtp-frontend")  # nothing goes out


def turnpike(folder, domains):
    return Turnpike(
        folder,
        {"gateways": [{"domain": domain,
                       "etrn": {"enabled": True, "require_auth": False},
                       "atrn": {"enabled": True, "password": "{PLAIN}" + PASSWORD}}
                      for domain in domains],
         "smtp": {"connections_per_address_max": 10000},
         "log": {"level": "warning"}},
        {"mx": {"role": "smtp"}, "odmr": {"role": "odmr"}})


def timed(port, domain):
    """Milliseconds that one ETRN waits, and its reply."""
    with Client(port) as client:
        client.ehlo()
        begin = time.perf_counter()
        reply = client.ask(f"ETRN {domain}")
        return (time.perf_counter() - begin) * 1e3, reply


def etrn_case(system, held):
    domain = f"held{held}.test"
    if held:
        spool_load(system.ports["spool-store"], "enqueue", held, "--hold", "--queue", domain,
                   "--bytes", "1024")
    port, again = system.ports["mx"], []
    first, reply = timed(port, domain)
    assert reply.startswith(f"253 2.0.0 OK, {held} " if held else "251 "), reply
    for number in range(200):
        source(port, f"user@{domain}", 1, 1024, 1, True)
        milliseconds, reply = timed(port, domain)
        assert reply.startswith(f"253 2.0.0 OK, {held + number + 1} "), reply
        again.append(milliseconds)
    quantiles = statistics.quantiles(again, n=20)
    return {"case": "etrn", "held": held, "first_ms": round(first, 2),
            "again_ms": round(statistics.median(again), 2), "again_p95_ms": round(quantiles[-1], 2)}


def atrn_case(system, domains, messages):
    for domain in domains:
        source(system.ports["mx"], f"user@{domain}", messages, 4096, 50, True)
    threads = [threading.Thread(target=atrn_taker, args=(system.ports["odmr"], domain))
               for domain in domains]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = messages * len(domains) / (time.monotonic() - begin)
    memory = memory_rate(len(domains), messages)
    return {"case": "atrn", "sessions": len(domains), "messages_per_second": round(rate),
            "from_memory_per_second": round(memory), "share": round(rate / memory, 3)}


def memory_rate(sessions, messages):
    """Messages per second that our SMTP client sends from memory over `sessions` connections."""
    ports = [free_port() for _ in range(sessions)]
    sinks = [subprocess.Popen([tool("atrn_taker"), "--listen", str(port)]) for port in ports]
    time.sleep(1)
    begin = time.monotonic()
    senders = [subprocess.Popen([tool("memory_sender"), "--port", str(port), "--messages",
                                 str(messages)], stdout=subprocess.DEVNULL) for port in ports]
    if any(sender.wait() for sender in senders):
        raise SystemExit("memory_sender failed")
    seconds = time.monotonic() - begin
    for sink in sinks:
        sink.wait()
    return messages * sessions / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held", type=int, nargs="*", default=[0, 100_000, 1_000_000])
    parser.add_argument("--sessions", type=int, default=50, help="at once; 0 leaves ATRN out")
    parser.add_argument("--messages", type=int, default=400, help="of each ATRN session")
    parser.add_argument("--folder", help="where the spools are; default: the system's")
    parser.add_argument("--json", help="also write the rows to this file")
    options = parser.parse_args()
    rows = []

    def add(row):
        rows.append(row)
        print("  ".join(f"{key}={value}" for key, value in row.items()), flush=True)

    with tempfile.TemporaryDirectory(prefix="turnpike-etrn-", dir=options.folder) as folder:
        queues = [f"queue{number}.test" for number in range(options.sessions)]
        system = turnpike(folder, ["warm.test"] + [f"held{held}.test" for held in options.held] + queues)
        system.start(SERVICES)
        try:
            wait_for(lambda: not timed(system.ports["mx"], "warm.test")[1].startswith("458"))
            for held in options.held:
                add(etrn_case(system, held))
            if queues:
                add(atrn_case(system, queues[:1], options.messages * 10))
                add(atrn_case(system, queues, options.messages))
        finally:
            system.stop()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
