"""Cells mirrored to a server that refuses, hangs or answers 500: `python -m tests.reliability.servers`.

Prints one JSON object per kind of server: what became of the cells, their seconds beside those of the same cells
without a mirror, what was said, and how long the process then waited for W&B. The server listens on 127.0.0.1; nothing
else is reached. A process of its own, because wandb reads its environment once.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

KINDS = ("refuses", "hangs", "fails")


class Server(ThreadingHTTPServer):
    """Answers 500, or never."""

    daemon_threads = True
    block_on_close = False
    kind = "fails"
    asked = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_POST(self) -> None:
        self.server.asked += 1
        if self.server.kind == "hangs":
            time.sleep(3600)
        self.send_error(500)

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *arguments: Any) -> None: ...


def main() -> None:
    """Print one line per kind of server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--length", type=int, default=10)
    parser.add_argument("--init-timeout", type=float)
    arguments = parser.parse_args()
    server = Server()
    os.environ |= {"WANDB_API_KEY": "k" * 40, "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}"}

    import torch

    from bench.mirror import tracking

    torch.set_num_threads(1)
    if arguments.init_timeout:
        tracking.SETTINGS["init_timeout"] = arguments.init_timeout
    measured("rnn", 0, arguments, None)  # warm-up
    for kind in reversed(KINDS):
        server.kind = kind
        if kind == "refuses":
            server.shutdown()
            server.server_close()
        print(json.dumps({"kind": kind} | scene(arguments, server)), flush=True)


def scene(arguments: argparse.Namespace, server: Server) -> dict[str, Any]:
    """Cells without and with a mirror, in turn."""
    from bench.mirror import tracking
    from bench.records.job import Mirroring

    with tempfile.TemporaryDirectory() as folder:
        plan = Mirroring("online", "p", Path(folder))
        observer = tracking.Mirror(plan)
        asked = server.asked
        plain, mirrored, statuses = [], [], []
        for index in range(arguments.cells):
            seed = 100 * KINDS.index(server.kind) + index
            plain.append(measured("gru", seed, arguments, None)[0])
            seconds, status = measured("gru", seed, arguments, observer)
            mirrored.append(seconds)
            statuses.append(status)
        begun = time.monotonic()
        notes = observer.close()
        waited = time.monotonic() - begun
        marks = len(list((plan.directory / "wandb").glob("offline-run-*/mirrored.json")))
        return {
            "statuses": statuses,
            "plain": median(plain),
            "mirrored": median(mirrored),
            "notes": notes,
            "waited": waited,
            "asked": server.asked - asked,
            "offline": marks,
        }


def measured(model: str, seed: int, arguments: argparse.Namespace, observer: Any) -> tuple[float, str]:
    """Seconds of one cell, and what became of it."""
    from bench.records.cell import Entry
    from bench.records.job import Job, Surroundings
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan
    from bench.trial import trial
    from tests.performance.report import clock

    sweep = Sweep(
        tasks=(Entry("adding"),),
        models=(Entry(model),),
        lengths=(arguments.length,),
        seeds=(seed,),
        steps=arguments.steps,
    )
    begun = clock()
    finished = trial.run(Job(plan(sweep)[0].cell), Surroundings(), observer=observer)
    return clock() - begun, finished.result.status


if __name__ == "__main__":
    main()
