"""The commands of docs/kubernetes.md, one after another, as they stand there.

A block marked `yaml run` is values.yaml from then on, one marked `sh run` is run by bash beside it."""

import os
import pathlib
import subprocess

from support import cluster, documented


def test_pl_62_every_documented_command_does_what_it_says(report, tmp_path):
    # Not beside the release of the other scenes: the node is small.
    if '"turnpike"' in cluster.helm("list", "--output", "json"):
        cluster.helm("uninstall", cluster.RELEASE, "--wait")
    (tmp_path / "charts").symlink_to(cluster.TOP / "charts")
    environment = {**os.environ, "PATH": f"{cluster.FOLDER}/bin:{os.environ['PATH']}"}
    blocks = documented.blocks("sh run", "yaml run")
    assert len(blocks) > 5
    for kind, text in blocks:
        if kind == "yaml run":
            pathlib.Path(tmp_path, "values.yaml").write_text(text)
            continue
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=tmp_path,
                              env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    report.row(f"{sum(kind == 'sh run' for kind, _ in blocks)} blocks of commands of docs/kubernetes.md")
