#!/usr/bin/python3
"""SMTP servers of other people: sink.py --log FILE ADDRESS:PORT[:SECONDS]...

Each takes all mail, and its answer to the end of the data takes so many SECONDS. Every message that
was taken is a line of JSON in FILE. Runs until SIGTERM.
"""

import argparse
import asyncio
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support import wire  # noqa: E402


async def content_of(reader):
    lines = []
    while True:
        line = await reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended within a message")
        if line == b".\r\n":
            return b"".join(lines)
        lines.append(line[1:] if line.startswith(b".") else line)


async def session(reader, writer, log, name, seconds):
    """Serves a connection; also one that ATRN has turned round."""
    recipients = []
    writer.write(b"220 sink.example ESMTP\r\n")
    while True:
        await writer.drain()
        line = await reader.readline()
        verb = line.split(b" ", 1)[0].strip().upper()
        if not line:
            return
        if verb == b"DATA" and recipients:
            writer.write(b"354 go on\r\n")
            await writer.drain()
            content = await content_of(reader)
            await asyncio.sleep(seconds)
            writer.write(b"250 2.0.0 taken\r\n")
            await writer.drain()
            for recipient in recipients:
                log.write(number=wire.number_of(content), sink=name, recipient=recipient,
                          when=time.time())
            recipients = []
        elif verb == b"RCPT":
            recipients.append(line.decode().partition("<")[2].partition(">")[0])
            writer.write(b"250 2.1.5 ok\r\n")
        elif verb == b"QUIT":
            writer.write(b"221 2.0.0 bye\r\n")
            await writer.drain()
            return
        elif verb == b"EHLO":
            writer.write(b"250-sink.example\r\n250-8BITMIME\r\n250 SIZE\r\n")
        else:
            recipients = []
            writer.write(b"250 2.0.0 ok\r\n")


async def serve(log, listen):
    address, port, *seconds = listen.split(":")

    async def connected(reader, writer):
        try:
            await session(reader, writer, log, address, float(seconds[0]) if seconds else 0)
        except OSError:
            pass
        finally:
            writer.close()

    return await asyncio.start_server(connected, address, int(port), backlog=256)


async def run(options):
    log = wire.Log(options.log)
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    servers = [await serve(log, listen) for listen in options.listen]
    print("serving", flush=True)
    await stopping.wait()
    for server in servers:
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    parser.add_argument("listen", nargs="+")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
