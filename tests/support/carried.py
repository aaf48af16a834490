"""Cells that read corpora which only the driver can open, on two Ray nodes of this machine, by the command line. Prints
what came.

A path below /proc/self/fd names an open file of the process that uses it: on Linux nobody else finds anything there.
The folder has `book.txt` and `tags.conll`. In a process of its own: Ray reads its environment once.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

FAR = 700  # a descriptor that no node happens to have open
SHORT = "--lengths 8 --seeds 0,1 --steps 4 --batch-size 2 --hidden 4 --accelerator cpu --wandb off"


def opened(path: Path, number: int) -> str:
    """A path to a file or folder that is there for this process only."""
    descriptor = os.open(path, os.O_RDONLY)
    os.dup2(descriptor, number, inheritable=False)
    os.close(descriptor)
    return f"/proc/self/fd/{number}"


def main(folder: Path) -> dict[str, Any]:
    """Runs the cells, into the store `results` of the folder; each node's cache is a folder of its own."""
    from ray.cluster_utils import Cluster

    from bench.run import main as command

    os.environ["XDG_CACHE_HOME"] = str(folder / "cache-1")  # a node has what is set when it starts
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache-2")
    cluster.add_node(num_cpus=1)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache-of-the-driver")
    (folder / "marks").mkdir()
    tasks = [
        f"char_lm:corpus={opened(folder / 'book.txt', FAR)}",
        f"ner:corpus={opened(folder / 'tags.conll', FAR + 1)}",
        "char_lm:corpus=python",
    ]
    both = f"tests.support.engine_examples:Marks:marks={folder / 'marks'}:company=2"  # no node does all of it
    said = io.StringIO()
    flags = ["--tasks", ",".join(tasks), "--models", both, "--data", opened(folder, FAR + 2), *SHORT.split()]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        where = ["--engine", "ray", "--address", cluster.address, "--store", str(folder / "results")]
        code = command([*flags, *where])
    cluster.shutdown()
    return {"code": code, "said": said.getvalue()}


if __name__ == "__main__":
    from tests.support import two_nodes

    assert two_nodes.main  # its environment is what Ray reads
    print(json.dumps(main(Path(sys.argv[1]))))
