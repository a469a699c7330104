"""A steady load of numbered mail, and what became of it."""

import collections
import itertools
import pathlib
import subprocess
import sys
import time

from support import wire
from support.cluster import FOLDER, service_address, wait_until

FOLDER_OF_LOGS = FOLDER / "mail"
SINKS = FOLDER_OF_LOGS / "sinks.jsonl"
# Other people's servers, as manifests/dns.yaml and the values name them.
FAST, SLOW, BRANCH = "172.30.0.11", "172.30.0.12", "172.30.0.13"

# Names of loads are not used again, also not by the next run on the same volumes.
_names = (f"load{time.time_ns():x}x{number}x" for number in itertools.count())

Outcome = collections.namedtuple(
    "Outcome", "sent acked arrived lost doubled refused again rejected broken")


def start(script, *words):
    """One of the scripts beside this file as a child process."""
    path = pathlib.Path(__file__).with_name(script)
    return subprocess.Popen([sys.executable, "-B", path, *map(str, words)])


def arrivals(name=""):
    """How often each number whose name begins so came out: {number: times}."""
    return collections.Counter(event["number"] for event in wire.read(SINKS)
                               if event["number"] and event["number"].startswith(name))


class Load:
    """Mail for one domain, from `with` to `end()`; `settle()` says what became of it."""

    def __init__(self, rate, domain="fast.example", to=None, starttls=False, count_max=100_000):
        self.name = next(_names)
        self.log = FOLDER_OF_LOGS / f"{self.name}.jsonl"
        words = ["--to", to or f"{service_address()}:25", "--rate", rate, "--domain", domain,
                 "--name", self.name, "--log", self.log, "--count-max", count_max]
        self.child = start("load.py", *words, *(["--starttls"] if starttls else []))

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.end()

    def end(self):
        """No more is sent; what is under way comes to its end."""
        if self.child.poll() is None:
            self.child.terminate()
        self.child.wait(120)

    def events(self):
        return wire.read(self.log)

    def acked(self):
        return {event["number"] for event in self.events() if event["result"] == "acked"}

    def arrived(self):
        return arrivals(self.name)

    def settle(self, seconds=120):
        """Waits until everything that was acknowledged came out, or `seconds` are over."""
        self.end()
        acked = self.acked()
        try:
            wait_until(lambda: not acked - set(self.arrived()), seconds, "all mail")
            # A second copy would come soon after the first.
            time.sleep(2)
        except TimeoutError:
            pass
        return self.outcome()

    def outcome(self):
        events = self.events()
        results = collections.Counter(event["result"] for event in events)
        acked, arrived = self.acked(), self.arrived()
        return Outcome(sent=len(events), acked=len(acked), arrived=len(arrived),
                       lost=len(acked - set(arrived)),
                       doubled=sum(times - 1 for times in arrived.values()),
                       refused=results["refused"], again=results["again"],
                       rejected=results["rejected"], broken=results["broken"])
