#!/usr/bin/python3
"""Plays Turnpike's main job in front of the reader, with real mail and real clients:

  swaks sends real messages for two gateways; they are held. fetchmail collects one gateway's mail by
  ATRN (On-Demand Mail Relay) into a Postfix; another asks by ETRN and gets its mail over new sessions
  into a second Postfix; a user's outbound mail finds a third Postfix through a DNS server.

Ends 0 only if every message arrived, with identical content and envelope. --keep leaves it running,
--stop ends what --keep left.
"""

import argparse
import collections
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
RUN = TOP / "build" / "run"
sys.path.insert(0, str(TOP / "tests"))

from peers.dns import Dns  # noqa: E402
from peers.fetchmail import Fetchmail  # noqa: E402
from peers.postfix import Postfix  # noqa: E402
from peers.process import Process, wait_for  # noqa: E402
from peers.smtp import stuff  # noqa: E402
from peers.turnpike import SERVICES, binary  # noqa: E402

METRICS = {"spool-store": 7201, "auth-service": 7202, "gateway-dequeue": 7203, "smtp-frontend": 7204,
           "outbound-delivery": 7205}
PIDS = RUN / "pids.json"
MAIL = ["/usr/lib/python3.11/test/test_email/data/msg_*.txt",
        "/usr/share/doc/spamassassin/examples/sample-*.txt"]

Sent = collections.namedtuple("Sent", "name sender recipients content")


def say(text=""):
    print(text, flush=True)


def headline(text):
    say(f"\n=== {text}")


def real_messages():
    """(name, content) of the messages in Debian's packages, with CRLF line ends. Left out, and said:
    those that SMTP cannot carry (lines over 998 octets, NUL; RFC 5321 4.5.3.1.6), and those without a
    proper header section, which the receiving MTA would mend."""
    found, left_out = [], []
    for path in sorted(path for pattern in MAIL for path in glob.glob(pattern)):
        raw = pathlib.Path(path).read_bytes()
        lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
        header = lines[:lines.index(b"")] if b"" in lines else lines
        if (max(map(len, lines)) > 998 or b"\0" in raw or lines[0][:1] in (b" ", b"\t")
                or not all(re.match(rb"[!-9;-~]+[ \t]*:|[ \t]", line) for line in header)):
            left_out.append(os.path.basename(path))
        else:
            found.append((os.path.basename(path), b"\r\n".join(lines) + b"\r\n"))
    say(f"{len(found)} real messages from Debian's libpython3.11-testsuite and spamassassin packages"
        + (f" ({', '.join(left_out)} left out: no proper header, or lines too long)" if left_out else ""))
    if len(found) < 20:
        sys.exit("too few messages found: are the packages of deploy/packages/debian-test.txt there?")
    return found


def start_everything(processes, peers):
    """Fills both dicts as things start, so that they can be ended whatever happens."""
    if PIDS.exists():
        stop_kept()
    shutil.rmtree(RUN, ignore_errors=True)
    (RUN / "tls").mkdir(parents=True)
    shutil.copy(TOP / "deploy" / "local" / "turnpike.yaml", RUN)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "30", "-subj", "/CN=gate.turnpike.test", "-keyout",
                    str(RUN / "tls/key.pem"), "-out", str(RUN / "tls/cert.pem")],
                   check=True, capture_output=True)
    wanted = {
        "dns": Dns(RUN / "dns", {"partner.example": "@ 60 MX 10 mail\nmail 60 A 127.0.0.4\n"}, port=2553),
        "ship": Postfix(RUN / "ship", ["harbour.example"], port=2610, hostname="mail.harbour.example"),
        "branch": Postfix(RUN / "branch", ["branch.example"], port=2611,
                          hostname="mail.branch.example"),
        "partner": Postfix(RUN / "partner", ["partner.example"], address="127.0.0.4", port=2612,
                           hostname="mail.partner.example"),
    }
    for name, peer in wanted.items():
        peers[name] = peer
        peer.start()
    for service in SERVICES:
        processes[service] = Process([binary(service), "--config", RUN / "turnpike.yaml"],
                                     RUN / f"{service}.log")
    for service in SERVICES:
        wait_for(lambda: is_ready(service, processes[service]), 30, what=f"{service} being ready")
        say(f"  {service:<18} pid {processes[service].pid:<8} log build/run/{service}.log")


def is_ready(service, process):
    if not process.running():
        raise SystemExit(f"{service} ended:\n{process.log_text()}")
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS[service]}/readyz", timeout=2) as page:
        return page.status == 200


def swaks(sent, port, *options):
    """Sends one message as it is; swaks' output on failure ends the run."""
    data = RUN / "swaks.data"
    data.write_bytes(stuff(sent.content) + b".")
    result = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(port), "--ehlo", "client.example",
         "--from", sent.sender or "<>", "--to", ",".join(sent.recipients), "--no-data-fixup",
         "--data", f"@{data}", "--hide-all", "--timeout", "30", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if result.returncode != 0:
        again = subprocess.run(["tail", "-n", "5", RUN / "smtp-frontend.log"], capture_output=True,
                               text=True)
        raise SystemExit(f"swaks could not send {sent.name} (exit {result.returncode}):\n"
                         f"{result.stdout}{result.stderr}\n{again.stdout}")


def send_for(domain, messages):
    """Every message, with an envelope of its own; some to several recipients, one from <>."""
    sent = []
    for number, (name, content) in enumerate(messages):
        recipients = [f"crew{number}@{domain}"]
        if number % 5 == 0:
            recipients.append(f"captain@{domain}")
        sender = "" if number == 3 else f"sender{number}@elsewhere.example"
        sent.append(Sent(name, sender, recipients, content))
        swaks(sent[-1], 2525)
    return sent


def compare(who, sent, postfix):
    """What is missing or different at the receiving MTA, as sentences."""
    expected = collections.Counter((s.sender or "", recipient, s.content.replace(b"\r\n", b"\n"))
                                   for s in sent for recipient in s.recipients)
    try:
        postfix.wait_messages(sum(expected.values()), timeout=60)
    except TimeoutError:
        pass
    arrived = collections.Counter((m.return_path, m.recipient, m.original())
                                  for m in postfix.messages())
    names = {(s.sender or "", r, s.content.replace(b"\r\n", b"\n")): s.name
             for s in sent for r in s.recipients}
    problems = [f"{who}: {names[key]} for {key[1]} is missing, or arrived changed"
                for key in (expected - arrived)]
    problems += [f"{who}: not expected: from <{key[0]}> for {key[1]}" for key in (arrived - expected)]
    say(f"  {who}: {sum(expected.values())} copies of {len(sent)} messages expected, "
        f"{sum((expected & arrived).values())} arrived with the same content and envelope")
    return problems


def show(what):
    say(f"  $ turnpikectl {what}")
    subprocess.run([binary("turnpikectl"), "--config", RUN / "turnpike.yaml", what], check=True)


def show_metrics():
    say("  $ curl http://127.0.0.1:7201/metrics     (spool-store; a selection, without zeros)")
    with urllib.request.urlopen("http://127.0.0.1:7201/metrics", timeout=5) as page:
        for line in sorted(page.read().decode().splitlines()):
            if line.startswith(("turnpike_spool_deliveries{", "turnpike_spool_enqueued", "turnpike_spool_"
                                "completed", "turnpike_spool_commit_duration_seconds_count")):
                if not line.endswith(" 0"):
                    say(f"    {line}")


def play(peers):
    messages = real_messages()
    third = len(messages) // 3
    problems = []

    headline("1. Real mail for two gateways: swaks sends, Turnpike holds")
    ship = send_for("harbour.example", messages[:2 * third])
    branch = send_for("branch.example", messages[third:])
    say(f"  {len(ship)} messages for harbour.example, {len(branch)} for branch.example: all answered 250")
    show("queues")

    headline("2. The ship calls: fetchmail in ODMR mode (CRAM-MD5, ATRN), the connection turns round")
    result = Fetchmail(RUN / "fetchmail").collect(
        2366, "harbour.example", "tide-table", ["harbour.example"], "127.0.0.1", 2610)
    for line in result.stdout.splitlines():
        if any(word in line for word in ("ATRN", "AUTH", "reversing")):
            say(f"    {line}")
    say(f"  fetchmail ended with {result.returncode}")
    problems += compare("ship", ship, peers["ship"])
    show("gateways")

    headline("3. The branch says ETRN; its mail comes over new sessions")
    ask_by_etrn()
    problems += compare("branch", branch, peers["branch"])
    say("  Once more, when nothing is left:")
    ask_by_etrn()

    headline("4. A user's outbound mail goes to the MX that DNS names")
    outbound = []
    for number, (name, content) in enumerate(messages[:third]):
        outbound.append(Sent(name, "ann@office.example", [f"bob{number}@partner.example"], content))
        swaks(outbound[-1], 2587, "--tls", "--auth", "PLAIN", "--auth-user", "ann@office.example",
              "--auth-password", "green-ink")
    problems += compare("partner", outbound, peers["partner"])

    headline("5. What is left, and what was counted")
    show("queues")
    show_metrics()
    return problems


def ask_by_etrn():
    """fetchmail as ETRN client, logged in as the gateway."""
    result = Fetchmail(RUN / "fetchmail-etrn").etrn(2525, ["branch.example"], "branch.example",
                                                   "night-train")
    for line in result.stdout.splitlines():
        if any(word in line for word in ("ETRN>", "ETRN<", "Authentication")):
            say(f"    {line}")
    say(f"  fetchmail ended with {result.returncode}")


def stop_kept():
    """Ends what an earlier `--keep` left, by its pids."""
    if not PIDS.exists():
        say("nothing was left running")
        return
    kept = json.loads(PIDS.read_text())
    for name, pid in reversed(kept["processes"].items()):
        try:
            if name in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGTERM)
        except (ProcessLookupError, FileNotFoundError):
            pass
    for folder in kept["postfix"]:
        subprocess.run(["postfix", "-c", f"{folder}/etc", "stop"], capture_output=True)
    PIDS.unlink()
    time.sleep(1)


def keep(processes, peers):
    pids = {service: process.pid for service, process in processes.items()}
    pids["knotd"] = peers["dns"].process.pid
    PIDS.write_text(json.dumps({"processes": pids,
                                "postfix": [str(RUN / n) for n in ("ship", "branch", "partner")]}))
    say(f"""
Everything goes on running. To talk to it:
  swaks --server 127.0.0.1:2525 --from you@elsewhere.example --to crew@harbour.example
  export TURNPIKE_CONFIG={RUN / 'turnpike.yaml'}
  {binary('turnpikectl')} queues   (also: gateways, messages; --help lists the rest)
  fetchmail -N -v --fetchmailrc build/run/fetchmail/fetchmailrc
  curl http://127.0.0.1:7204/metrics     (7201 to 7205: the five services)
  tail -f build/run/*.log
Its configuration is build/run/turnpike.yaml. To end it: deploy/local/run.sh stop""")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", action="store_true")
    arguments.add_argument("--stop", action="store_true")
    options = arguments.parse_args()
    if options.stop:
        stop_kept()
        return 0
    headline("Starting five services, three Postfixes and a DNS server on loopback")
    processes, peers = {}, {}
    kept = False
    try:
        start_everything(processes, peers)
        problems = play(peers)
        if options.keep:
            keep(processes, peers)
            kept = True
    finally:
        if not kept:
            stop(processes, peers)
    headline("Result")
    for problem in problems:
        say(f"  {problem}")
    say("  Every message arrived, content and envelope identical." if not problems
        else f"  {len(problems)} things are not as they should be.")
    return 1 if problems else 0


def stop(processes, peers):
    for process in reversed(list(processes.values())):
        process.terminate()
    for peer in peers.values():
        peer.stop()


if __name__ == "__main__":
    sys.exit(main())
