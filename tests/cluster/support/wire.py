"""Numbered messages, and the lines of SMTP that both sides of a run read and write."""

import hashlib
import json
import re

_NUMBER = re.compile(rb"^X-Number: (\S+)\r\n", re.MULTILINE)
_DIGEST = re.compile(rb"^X-Digest: (\S+)\r\n", re.MULTILINE)


def message(number, sender, recipient, size=2000):
    """A message that says which one it is and what its body must be."""
    body = (f"{number} " * 20 + "\r\n").encode()
    body = body * (size // len(body) + 1)
    return (f"From: {sender}\r\nTo: {recipient}\r\nSubject: number {number}\r\n"
            f"Message-ID: <{number}@load.example>\r\nX-Number: {number}\r\n"
            f"X-Digest: {hashlib.sha256(body).hexdigest()}\r\n\r\n").encode() + body


def number_of(content):
    """The number of a message that came out, or None where it is not ours (a report, say);
    ValueError where its body has changed."""
    found = _NUMBER.search(content)
    if not found:
        return None
    body = content.partition(b"\r\n\r\n")[2]
    if hashlib.sha256(body).hexdigest() != _DIGEST.search(content).group(1).decode():
        raise ValueError(f"message {found.group(1).decode()} has another body than was sent")
    return found.group(1).decode()


class Log:
    """Lines of JSON, one an event, that another process reads while they are written."""

    def __init__(self, path):
        self._file = open(path, "a", buffering=1)

    def write(self, **fields):
        self._file.write(json.dumps(fields) + "\n")


def read(path):
    """The events so far; a line that is being written is left for later."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


async def reply(reader):
    """One reply of a server: (code, its lines)."""
    lines = []
    while True:
        line = await reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended within a reply")
        lines.append(line.rstrip(b"\r\n").decode("utf-8", "replace"))
        if lines[-1][3:4] != "-":
            return int(lines[-1][:3]), lines
