"""CPU time and memory of processes, from /proc."""

import dataclasses
import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/<pid>/stat after the name; None when the process is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def descendants(root):
    """`root` and all processes below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(entry)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


@dataclasses.dataclass
class Usage:
    cpu_seconds: float      # of the processes and of the children that they have waited for
    resident_bytes: int     # proportional set size: shared pages are divided
    processes: int

    @staticmethod
    def of(pids):
        cpu, resident, count = 0.0, 0, 0
        for pid in pids:
            fields = _stat(pid)
            if not fields:
                continue
            count += 1
            cpu += sum(int(field) for field in fields[11:15]) / TICKS
            try:
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        resident += int(line.split()[1]) * 1024
            except OSError:
                pass
        return Usage(cpu, resident, count)
