"""A child process with a log file, ended by its pid."""

import itertools
import os
import pathlib
import signal
import socket
import subprocess
import time


def _own_ports():
    """Ports that no test beside us takes: below those that the kernel takes for outgoing
    connections, and apart from those of the other processes of one parallel run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = 22000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = 10000 + worker * share
    start = os.getpid() * 97 % share
    return itertools.cycle(first + (start + i) % share for i in range(share))


_ports = _own_ports()


def free_port(address="127.0.0.1", kind=socket.SOCK_STREAM):
    """A port that nobody listens on, and that no other call gets before all have been given."""
    for port in itertools.islice(_ports, 22000):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise RuntimeError("every port from 10000 to 31999 is in use")


def wait_for(condition, timeout=15.0, interval=0.02, what="the condition"):
    """Polls `condition` until it gives a true value, and returns that; TimeoutError after
    `timeout` seconds. An AssertionError inside counts as "not yet"."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, OSError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s ({last})")
        time.sleep(interval)


def can_connect(address, port):
    with socket.create_connection((address, port), timeout=1):
        return True


class Process:
    """A started program. Its output goes to `log`."""

    def __init__(self, argv, log, env=None, cwd=None):
        self.argv = [str(part) for part in argv]
        self.log = pathlib.Path(log)
        self._log_file = open(self.log, "ab")
        self.child = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=self._log_file, stderr=self._log_file,
            env={**os.environ, **(env or {})}, cwd=cwd)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def kill(self):
        """SIGKILL, and waits for the end."""
        if self.running():
            self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        self._log_file.close()

    def terminate(self, timeout=30):
        """SIGTERM; returns the exit code. Kills and raises when it takes too long."""
        if self.running():
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise
        finally:
            self._log_file.close()

    def log_text(self):
        return self.log.read_text(errors="replace")
