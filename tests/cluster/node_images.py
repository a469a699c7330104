#!/usr/bin/python3
"""Packs the programs that run in pods of the node itself into FOLDER/images: node_images.py FOLDER.

They are those of FOLDER/bin, and Debian's Prometheus with the libraries that it links."""

import pathlib
import shutil
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "deploy/images"))
import image  # noqa: E402

# Numbers of users; CoreDNS listens at port 53, which the node lets everybody do.
USERS = {"pause": "65535:65535", "coredns": "65532:65532", "prometheus-adapter": "65532:65532",
         "prometheus": "65532:65532"}
DEBIAN = {"prometheus": pathlib.Path("/usr/bin/prometheus")}


def add_libraries(root, binary):
    """What the loader maps for a program, and itself, where they are looked for."""
    for name, path in image.libraries(binary).items():
        folder = root / ("lib64" if name.startswith("ld-linux") else image.LIBRARIES)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
        (folder / name).chmod(0o755)


def pack(binary, output, user):
    with tempfile.TemporaryDirectory() as root:
        shutil.copyfile(binary, pathlib.Path(root, binary.name))
        pathlib.Path(root, binary.name).chmod(0o755)
        if binary in DEBIAN.values():
            add_libraries(pathlib.Path(root), binary)
        layers = [(binary.name, image.layer(pathlib.Path(root), epoch=0))]
    config = {"User": user, "Entrypoint": [f"/{binary.name}"], "WorkingDir": "/"}
    archive, _ = image.pack(layers, config, f"localhost/node/{binary.name}:1", {}, epoch=0)
    archive.write(output, epoch=0)


def main():
    folder = pathlib.Path(sys.argv[1])
    (folder / "images").mkdir(exist_ok=True)
    for program, user in USERS.items():
        binary = DEBIAN.get(program, folder / "bin" / program)
        output = folder / "images" / f"{program}.tar"
        if not output.exists() or output.stat().st_mtime < binary.stat().st_mtime:
            pack(binary, output, user)


if __name__ == "__main__":
    main()
