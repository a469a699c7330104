#!/usr/bin/python3
"""Makes a container image of one program as an OCI archive, without a container engine or a registry.

  deploy/images/image.py smtp-frontend                      -> build/images/smtp-frontend.tar
  deploy/images/image.py smtp-frontend --root DIR           only the files, as in the Containerfile

The image holds the program without debugging data, the libraries that it links (from this machine:
Debian 12), the names of root and of the user that it runs as, and the certificates of public
authorities. There is no shell. Nothing in it depends on when, where or by whom it was made: the same
program and the same packages make the same digest. Its time is $SOURCE_DATE_EPOCH, else 0.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("spool-store", "auth-service", "gateway-dequeue", "smtp-frontend", "outbound-delivery",
            "turnpikectl")
# Numbers, since Kubernetes checks runAsNonRoot by them. The chart's securityContext has the same.
USER = GROUP = 10001
LIBRARIES = "usr/lib/x86_64-linux-gnu"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"

TEXTS = {
    "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\n"
                  f"turnpike:x:{USER}:{GROUP}:Turnpike:/:/usr/sbin/nologin\n",
    "etc/group": f"root:x:0:\nturnpike:x:{GROUP}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
# As Debian lays them out, and as glibc and OpenSSL look for things.
LINKS = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/lib/ssl/cert.pem": f"/{AUTHORITIES}",
    "usr/lib/ssl/certs": "/etc/ssl/certs",
}


def built(program):
    """The program that was built: from $TURNPIKE_BIN, or where Bazel leaves it."""
    folder = os.environ.get("TURNPIKE_BIN")
    path = (pathlib.Path(folder) / program if folder
            else TOP / "bazel-bin" / "services" / program / program)
    if not path.is_file():
        raise SystemExit(f"{path} is missing; `make build` makes it")
    return path


def version():
    """The version of the source."""
    header = (TOP / "services/common/base/version.h").read_text()
    return re.search(r'kVersion\[\] = "([^"]+)"', header).group(1)


def libraries(binary):
    """Path by name of what the loader maps for `binary`, the loader itself included."""
    listed = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    if "not found" in listed:
        raise SystemExit(f"a library of {binary} is missing:\n{listed}")
    found = {}
    for line in listed.splitlines():
        match = re.search(r"(/\S+) \(0x", line)
        if match:
            path = pathlib.Path(match.group(1))
            found[path.name] = path.resolve()
    return found


def write_system(root, binary):
    """Everything but the program."""
    for folder in ("etc/ssl/certs", "etc/turnpike", LIBRARIES, "usr/bin", "usr/lib64", "usr/lib/ssl",
                   "usr/share/doc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for path, text in TEXTS.items():
        (root / path).write_text(text)
    shutil.copyfile(f"/{AUTHORITIES}", root / AUTHORITIES)
    for path, target in LINKS.items():
        (root / path).symlink_to(target)
    for name, path in libraries(binary).items():
        folder = "usr/lib64" if name.startswith("ld-linux") else LIBRARIES
        shutil.copyfile(path, root / folder / name)
        (root / folder / name).chmod(0o755)


def write_program(root, program, binary):
    """The program, stripped, and our licence."""
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "usr/share/doc/turnpike").mkdir(parents=True, exist_ok=True)
    target = root / "usr/bin" / program
    subprocess.run(["strip", "--strip-all", "-o", target, binary], check=True)
    target.chmod(0o755)
    shutil.copyfile(TOP / "LICENSE", root / "usr/share/doc/turnpike/LICENSE")


def layer(root, epoch):
    """The tree as a tar whose octets depend on names, modes and contents only."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            entry = archive.gettarinfo(path, arcname=str(path.relative_to(root)))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = epoch
            if entry.isreg():
                # Two names of one file would be a hard link or not, as the file system has it.
                entry.type = tarfile.REGTYPE
                entry.size = path.stat().st_size
                entry.mode = 0o755 if path.stat().st_mode & 0o111 else 0o644
                with path.open("rb") as content:
                    archive.addfile(entry, content)
            else:
                entry.mode = 0o777 if entry.issym() else 0o755
                archive.addfile(entry)
    return buffer.getvalue()


class Archive:
    """Blobs by their digest, and the files that OCI wants beside them."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def add(self, content, media_type):
        """Stores a blob; its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}",
                "size": len(content)}

    def write(self, path, epoch):
        """Writes the archive; an unfinished one is never under its name."""
        partial = path.with_name(path.name + ".partial")
        with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as archive:
            for name in sorted(self.files):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = len(self.files[name]), 0o644, epoch
                archive.addfile(entry, io.BytesIO(self.files[name]))
        partial.replace(path)


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def pack(layers, config, name, labels, epoch):
    """The archive of an image, and the digest of its manifest.

    `layers` are (what made it, uncompressed tar); `config` is what an image says about the process,
    `name` its repository and tag.
    """
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    archive = Archive()
    described = archive.add(as_json({
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {**config, "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"
                                                  for _, tar in layers]},
        "history": [{"created": created, "created_by": what} for what, _ in layers],
    }), "config.v1+json")
    manifest = archive.add(as_json({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described,
        "layers": [archive.add(gzip.compress(tar, compresslevel=6, mtime=0), "layer.v1.tar+gzip")
                   for _, tar in layers],
        "annotations": labels,
    }), "manifest.v1+json")
    archive.files["index.json"] = as_json({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**manifest, "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
        }}],
    })
    return archive, manifest["digest"]


def make(program, output, repository, epoch):
    """Writes the archive; returns (digest of the manifest, octets unpacked)."""
    binary = built(program)
    with tempfile.TemporaryDirectory() as scratch:
        system, own = pathlib.Path(scratch, "system"), pathlib.Path(scratch, "own")
        system.mkdir()
        own.mkdir()
        write_system(system, binary)
        write_program(own, program, binary)
        layers = [(f"deploy/images/image.py ({what})", layer(root, epoch))
                  for what, root in (("system", system), (program, own))]
    archive, digest = pack(layers, {
        "User": f"{USER}:{GROUP}",
        "Entrypoint": [f"/usr/bin/{program}"],
        "Env": ["PATH=/usr/bin"],
        "WorkingDir": "/",
    }, f"{repository}/{program}:{version()}", {
        "org.opencontainers.image.title": program,
        "org.opencontainers.image.version": version(),
        "org.opencontainers.image.licenses": "Apache-2.0",
    }, epoch)
    output.parent.mkdir(parents=True, exist_ok=True)
    archive.write(output, epoch)
    return digest, sum(len(tar) for _, tar in layers)


def megabytes(octets):
    return f"{octets / 1e6:.1f} MB"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", choices=PROGRAMS, nargs="+")
    parser.add_argument("--folder", type=pathlib.Path, default=TOP / "build/images",
                        help="where the archives go (build/images)")
    parser.add_argument("--repository", default="localhost/turnpike",
                        help="the image's name without the program's (localhost/turnpike)")
    parser.add_argument("--root", type=pathlib.Path,
                        help="write one program's files into this empty folder, and no archive")
    options = parser.parse_args()
    if options.root:
        if len(options.program) != 1:
            parser.error("--root takes one program")
        options.root.mkdir(parents=True, exist_ok=True)
        write_system(options.root, built(options.program[0]))
        write_program(options.root, options.program[0], built(options.program[0]))
        return 0
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    for program in options.program:
        archive = options.folder / f"{program}.tar"
        digest, unpacked = make(program, archive, options.repository, epoch)
        print(f"{program:<18} {digest}  {megabytes(archive.stat().st_size):>8} to pull, "
              f"{megabytes(unpacked):>8} unpacked", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
