"""The images: what is in them, that they are the same twice, and that their programs run there."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from conftest import TOP
from peers.turnpike import SERVICES
from trial import Services, answer_to_a_stranger, document, make_certificates, on_loopback

sys.path.insert(0, str(TOP / "deploy/images"))
import image  # noqa: E402

VERSION_WORD = {"turnpikectl": "version"}


def make(folder, *programs):
    """{program: digest as printed}."""
    made = subprocess.run([sys.executable, "-B", TOP / "deploy/images/image.py", *programs,
                           "--folder", folder], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return {line.split()[0]: line.split()[1] for line in made.stdout.splitlines()}


class Image:
    """An OCI archive, every blob checked against its digest."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {one.name: archive.extractfile(one).read() for one in archive}
        for name, content in self.files.items():
            if name.startswith("blobs/"):
                assert hashlib.sha256(content).hexdigest() == name.rpartition("/")[2]
        self.entry = json.loads(self.files["index.json"])["manifests"][0]
        self.manifest = self.blob(self.entry)
        self.config = self.blob(self.manifest["config"])

    def blob(self, descriptor):
        content = self.files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(content) == descriptor["size"]
        return json.loads(content) if descriptor["mediaType"].endswith("json") else content

    def unpack(self, folder):
        """Writes the layers as a container's root."""
        for descriptor, diff_id in zip(self.manifest["layers"],
                                       self.config["rootfs"]["diff_ids"], strict=True):
            tar = gzip.decompress(self.blob(descriptor))
            assert diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
            with tarfile.open(fileobj=io.BytesIO(tar)) as layer:
                layer.extractall(folder)


@pytest.fixture(params=image.PROGRAMS)
def program(request):
    return request.param


def test_pl_60_the_program_runs_in_its_image_as_its_user(program, own_folder):
    make(own_folder / "archives", program)
    made = Image(own_folder / "archives" / f"{program}.tar")
    root = own_folder / "root"
    made.unpack(root)
    [entry] = made.config["config"]["Entrypoint"]
    word = VERSION_WORD.get(program, "--version")
    ran = subprocess.run(["/usr/sbin/chroot", f"--userspec={made.config['config']['User']}", root, entry, word],
                         capture_output=True, text=True, env={})
    assert (ran.returncode, ran.stderr) == (0, "")
    assert image.version() in ran.stdout

    # Nothing that could run besides, nothing to write to, nothing that raises rights.
    assert os.listdir(root / "usr/bin") == [program]
    for path in root.rglob("*"):
        if not path.is_symlink():
            assert not path.stat().st_mode & 0o7022, path
    assert (root / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100_000
    assert (root / "usr/lib/ssl/cert.pem").readlink() is not None
    packed = (own_folder / "archives" / f"{program}.tar").stat().st_size
    assert packed < 40e6


def test_pl_60_the_trial_runs_out_of_its_images(own_folder):
    """The five services, each in the root of its image as its user, who may write nowhere but to the
    volume; stopped by SIGTERM they end well."""
    make(own_folder / "archives", *SERVICES)
    text, moved = on_loopback(document("trial"), "/var/spool/turnpike", "/run/secrets/turnpike")
    make_certificates(own_folder)
    for service in SERVICES:
        root = own_folder / service
        Image(own_folder / "archives" / f"{service}.tar").unpack(root)
        # What Kubernetes mounts.
        (root / "proc").mkdir(exist_ok=True)
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        (root / "etc/turnpike/turnpike.yaml").write_text(text)
        secrets = root / "run/secrets/turnpike"
        shutil.copytree(own_folder / "services" / service, secrets / "services" / service)
        (secrets / "canary").mkdir()
        (secrets / "canary/verifier").write_text("{PLAIN}a word for the canary alone")
        for path in secrets.rglob("*"):
            os.chown(path, image.USER, image.GROUP)
    volume = own_folder / "spool-store/var/spool/turnpike"
    volume.mkdir(parents=True)
    os.chown(volume, image.USER, image.GROUP)
    # With /proc as containers have it, for this process only.
    prepare = ('mount --rbind /proc "$1/proc" && exec /usr/sbin/chroot --userspec="$2" "$1" '
               '"/usr/bin/$3" --config /etc/turnpike/turnpike.yaml')
    with Services(own_folder, lambda service: [
            "unshare", "--mount", "sh", "-c", prepare, "sh", own_folder / service,
            f"{image.USER}:{image.GROUP}", service]) as services:
        assert answer_to_a_stranger(moved["2525"]).startswith("550 5.7.1")
        assert services.stop() == [0] * len(SERVICES)
    assert (volume / "store").is_dir()


def test_pl_60_two_builds_have_the_same_digest(own_folder):
    first = make(own_folder / "first", "spool-store")
    second = make(own_folder / "second", "spool-store")
    assert first == second
    archives = [(own_folder / name / "spool-store.tar").read_bytes() for name in ("first", "second")]
    assert archives[0] == archives[1]
    assert Image(own_folder / "first/spool-store.tar").entry["digest"] == first["spool-store"]


def test_pl_60_the_containerfile_makes_the_same_files(own_folder):
    """What it copies into the image, without an engine."""
    text = (TOP / "deploy/images/Containerfile").read_text()
    assert f"USER {image.USER}:{image.GROUP}" in text
    assert 'deploy/images/image.py "${PROGRAM}" --root' in text
    done = subprocess.run([sys.executable, "-B", TOP / "deploy/images/image.py", "turnpikectl",
                           "--root", own_folder / "root"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    make(own_folder, "turnpikectl")
    Image(own_folder / "turnpikectl.tar").unpack(own_folder / "unpacked")
    trees = [{str(path.relative_to(own_folder / name)):
              path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
              for path in (own_folder / name).rglob("*")} for name in ("root", "unpacked")]
    assert trees[0] == trees[1]


def test_the_chart_runs_images_as_the_user_they_have():
    helpers = (TOP / "charts/turnpike/templates/_helpers.tpl").read_text()
    assert f"runAsUser: {image.USER}" in helpers
    assert f"runAsGroup: {image.GROUP}" in helpers
