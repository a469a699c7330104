#!/usr/bin/python3
"""Sends numbered messages at a steady rate until SIGTERM, each over a connection of its own.

  load.py --to ADDRESS:PORT --rate 20 --domain fast.example --name scale --log FILE [--starttls]

What became of each is a line of JSON in FILE: `acked` (250 after the data: the server answers for it
from then on), `again` (4xx), `rejected` (5xx), `refused` (no connection), `broken` (the connection
ended before the answer; whether it was taken nobody knows). None is sent again. Not more than
--open-max connections are open at one time; a turn that finds so many is left out.
"""

import argparse
import asyncio
import hashlib
import pathlib
import signal
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import wire  # noqa: E402

SECONDS = 60


class Refused(Exception):
    """The server said no; its reply is the argument."""


async def ask(reader, writer, line, want):
    if line is not None:
        writer.write(line if isinstance(line, bytes) else line.encode() + b"\r\n")
        await writer.drain()
    code, lines = await wire.reply(reader)
    if code // 100 != want:
        raise Refused(code, lines[-1])
    return lines


async def send(options, number, opened):
    """One message; `opened` is called when there is a connection. Returns the SHA-256 of the server's
    certificate, or None without TLS."""
    host, port = options.to.rsplit(":", 1)
    sender, recipient = "load@sender.example", f"user{number}@{options.domain}"
    reader, writer = await asyncio.open_connection(host, int(port))
    fingerprint = None
    try:
        opened()
        await ask(reader, writer, None, 2)
        await ask(reader, writer, "EHLO load.example", 2)
        if options.starttls:
            await ask(reader, writer, "STARTTLS", 2)
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await writer.start_tls(context)
            certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            fingerprint = hashlib.sha256(certificate).hexdigest()
            await ask(reader, writer, "EHLO load.example", 2)
        await ask(reader, writer, f"MAIL FROM:<{sender}>", 2)
        await ask(reader, writer, f"RCPT TO:<{recipient}>", 2)
        await ask(reader, writer, "DATA", 3)
        await ask(reader, writer, wire.message(number, sender, recipient) + b".\r\n", 2)
        writer.write(b"QUIT\r\n")
    finally:
        writer.close()
    return fingerprint


async def one(options, log, number):
    began = time.time()
    connected = False

    def opened():
        nonlocal connected
        connected = True

    result, detail, fingerprint = "acked", "", None
    try:
        fingerprint = await asyncio.wait_for(send(options, number, opened), SECONDS)
    except Refused as refused:
        result = "again" if refused.args[0] // 100 == 4 else "rejected"
        detail = refused.args[1]
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        result = "broken" if connected else "refused"
        detail = repr(error)
    log.write(number=number, result=result, detail=detail, certificate=fingerprint, began=began,
              ended=time.time())


async def run(options):
    log = wire.Log(options.log)
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    under_way, count, began = set(), 0, time.monotonic()
    while not stopping.is_set() and count < options.count_max:
        if len(under_way) < options.open_max:
            task = asyncio.create_task(one(options, log, f"{options.name}-{count}"))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        count += 1
        try:
            wait = began + count / options.rate - time.monotonic()
            await asyncio.wait_for(stopping.wait(), max(wait, 0.001))
        except asyncio.TimeoutError:
            pass
    if under_way:
        await asyncio.wait(under_way)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    parser.add_argument("--starttls", action="store_true")
    parser.add_argument("--open-max", type=int, default=40)
    parser.add_argument("--count-max", type=int, default=100_000)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
