#!/usr/bin/python3
"""What a flood of logins costs mail that needs none: messages a second taken from smtp-source, with
wrong passwords coming in beside it and without, in turns.

Passwords are kept as argon2id (64 MiB, 3 passes by default, about 0.1 s each). The flood comes from
many addresses at a steady rate, several times what the machine could check; --rate says how much.
Fails if the rate under the flood is below 90 % of the other: the median of the rounds' shares.
"""

import argparse
import base64
import ctypes
import json
import multiprocessing
import pathlib
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from peers.turnpike import Turnpike  # noqa: E402

ACCOUNTS = 20
SHARE_MIN = 0.9


def argon2(password, passes, kibibytes):
    """A verifier made by libsodium."""
    sodium = ctypes.CDLL("libsodium.so.23")
    sodium.sodium_init()
    out = ctypes.create_string_buffer(128)
    octets = password.encode()
    if sodium.crypto_pwhash_str(out, octets, ctypes.c_ulonglong(len(octets)),
                                ctypes.c_ulonglong(passes), ctypes.c_size_t(kibibytes * 1024)):
        raise MemoryError("argon2")
    return out.value.decode()


def flood(port, rate, stop, counts):
    """Opens `rate` connections a second, each from another address, each with one wrong password;
    what the server says is counted by code, and otherwise ignored."""
    selector = selectors.DefaultSelector()
    begin, number = time.monotonic(), 0
    while not stop.is_set():
        due = int((time.monotonic() - begin) * rate)
        while number < due:
            number += 1
            connection = socket.socket()
            connection.setblocking(False)
            address = f"127.{1 + number // 62500 % 250}.{number // 250 % 250}.{1 + number % 250}"
            connection.bind((address, 0))
            connection.connect_ex(("127.0.0.1", port))
            token = base64.b64encode(f"\0user{number % ACCOUNTS}@office.test\0{number}".encode())
            selector.register(connection, selectors.EVENT_READ,
                              [b"EHLO flood.test\r\n", b"AUTH PLAIN " + token + b"\r\n"])
        for key, _ in selector.select(0.02):
            try:
                data = key.fileobj.recv(4096)
            except OSError:
                data = b""
            reply = data.rstrip().rpartition(b"\n")[2]
            if data and key.data and reply[:1] == b"2":
                key.fileobj.send(key.data.pop(0))
                continue
            code = reply[:3].decode("latin-1") or "closed"
            counts[code] = counts.get(code, 0) + 1
            selector.unregister(key.fileobj)
            key.fileobj.close()


def ingest_rate(port, messages, sessions):
    begin = time.monotonic()
    subprocess.run(["smtp-source", "-s", str(sessions), "-m", str(messages), "-l", "4096", "-f",
                    "ann@sender.test", "-t", "bob@customer.test", f"127.0.0.1:{port}"], check=True)
    return messages / (time.monotonic() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rate", type=int, default=50, help="wrong passwords a second")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--kibibytes", type=int, default=65536)
    parser.add_argument("--screening", action="store_true",
                        help="leave the dynamic screen on; off shows the bound of the checks alone")
    options = parser.parse_args()

    verifier = argon2("right", options.passes, options.kibibytes)
    settings = {
        "gateways": [{"domain": "customer.test",
                      "atrn": {"enabled": True, "password": "{PLAIN}x"}}],
        "local_domains": [{"domain": "office.test", "mailbox_server": "127.0.0.1:1"}],
        "accounts": [{"address": f"user{number}@office.test", "password": verifier}
                     for number in range(ACCOUNTS)],
        "auth": {"account_failures_max": 1000000},
        "dynamic_screening": {"enabled": options.screening, "max_failures": 1000},
    }
    rates = {"quiet": [], "flood": []}
    counts = multiprocessing.Manager().dict()
    with tempfile.TemporaryDirectory(prefix="login-flood-") as folder, \
            Turnpike(folder, settings, {"mx": {"role": "smtp", "allow_cleartext_auth": True}}) as t:
        port = t.ports["mx"]
        ingest_rate(port, options.messages // 2, options.sessions)  # warm
        for _ in range(options.rounds):
            rates["quiet"].append(ingest_rate(port, options.messages, options.sessions))
            stop = multiprocessing.Event()
            attacker = multiprocessing.Process(target=flood,
                                               args=(port, options.rate, stop, counts))
            attacker.start()
            time.sleep(2)  # until the checks wait
            rates["flood"].append(ingest_rate(port, options.messages, options.sessions))
            stop.set()
            attacker.join()
            time.sleep(2)
    quiet, under_flood = (statistics.median(rates[name]) for name in ("quiet", "flood"))
    # Of each round by itself, so that what else the machine does counts on both sides.
    share = statistics.median(
        flood_rate / quiet_rate for quiet_rate, flood_rate in zip(rates["quiet"], rates["flood"]))
    print(json.dumps({"messages_per_second": {name: [round(rate) for rate in values]
                                              for name, values in rates.items()},
                      "median_quiet": round(quiet), "median_flood": round(under_flood),
                      "share": round(share, 3), "answers": dict(counts)}, indent=2))
    return 0 if share >= SHARE_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
