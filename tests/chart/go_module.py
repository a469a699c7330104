"""Single files out of Go modules, by Go's module proxy: of a module's zip only the list of its files
and those wanted are fetched, so that Kubernetes costs three megabytes. Needs no Go."""

import hashlib
import io
import os
import pathlib
import shutil
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

KEPT = pathlib.Path(__file__).resolve().parents[2] / "build/tools/go-modules"


class NoRanges(Exception):
    """The server gives files as a whole only."""


def ask(url, **more):
    """The answer to a request; a proxy that cannot answer now is asked again twice."""
    for wait in (2, 10, None):
        try:
            return urllib.request.urlopen(urllib.request.Request(url, **more), timeout=60)
        except urllib.error.HTTPError as error:
            if error.code < 500 or wait is None:
                raise
        except OSError:
            if wait is None:
                raise
        time.sleep(wait)


class RemoteFile(io.RawIOBase):
    """A file behind HTTP, read by ranges. NoRanges where that cannot be."""

    def __init__(self, url):
        self.url, self.place = url, 0
        with ask(url, headers={"Range": "bytes=0-0"}) as answer:
            if answer.status != 206:
                raise NoRanges(url)
            self.size = int(answer.headers["Content-Range"].rsplit("/", 1)[1])

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.place, os.SEEK_END: self.size}[whence]
        self.place = start + offset
        return self.place

    def readinto(self, buffer):
        end = min(self.place + len(buffer), self.size)
        if self.place >= end:
            return 0
        with ask(self.url, headers={"Range": f"bytes={self.place}-{end - 1}"}) as answer:
            content = answer.read()
        buffer[:len(content)] = content
        self.place += len(content)
        return len(content)


def open_zip(url):
    try:
        return zipfile.ZipFile(io.BufferedReader(RemoteFile(url), 1 << 20))
    except NoRanges:
        whole = tempfile.TemporaryFile()
        with ask(url) as answer:
            shutil.copyfileobj(answer, whole)
        return zipfile.ZipFile(whole)


def read(module, path, sha256):
    """A text file of `module`, written module@version, with that checksum; fetched once."""
    kept = KEPT / module / path
    if not kept.exists():
        proxy = os.environ.get("GOPROXY", "").split(",")[0]
        if not proxy.startswith("http"):
            proxy = "https://proxy.golang.org"
        with open_zip(f"{proxy}/{module.replace('@', '/@v/')}.zip") as archive:
            content = archive.read(f"{module}/{path}")
        found = hashlib.sha256(content).hexdigest()
        assert found == sha256, f"{module}/{path} is not what it was: its checksum is {found}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(kept.name + ".part")
        part.write_bytes(content)
        part.rename(kept)
    return kept.read_text()
