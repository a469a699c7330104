"""`make run`, as a new user meets it; the binaries are built already."""

import subprocess

from peers.turnpike import TOP


def test_the_trial_of_the_readme_ends_with_every_message_identical():
    """The same ports as a service has without a configuration of its own: not beside a trial."""
    played = subprocess.run(["/usr/bin/python3", TOP / "deploy/local/play.py"], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240)
    assert played.returncode == 0, played.stdout
    assert "Every message arrived, content and envelope identical." in played.stdout
