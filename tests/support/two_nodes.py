"""A sweep on two Ray nodes of this machine, of which one is removed hard while both are at work. Prints what came.

In a process of its own: Ray reads its environment once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# Ray and its nodes at the loopback interface, with a token; a node that is silent for a second and a half is lost.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "7" * 64,
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
    "RAY_health_check_initial_delay_ms": "500",
}


def main(folder: Path) -> dict[str, Any]:
    """Runs the sweep, published to the store in `folder`."""
    from ray.cluster_utils import Cluster

    from bench.engines.cluster.engine import ClusterEngine
    from bench.records.cell import Cell
    from bench.records.job import Job, Surroundings
    from bench.records.sweep import Sweep
    from bench.runner.plan import plan
    from bench.store import Store

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    marks = folder / "marks"
    marks.mkdir()
    model = f"tests.support.engine_examples:Marks:marks={marks}:pause=60:company=2"
    sweep = Sweep(tasks="adding", models=model, lengths="6", seeds="0,1,2,3", steps=20, batch_size=4, hidden=4)  # type: ignore[arg-type]
    jobs = [Job(planned.cell) for planned in plan(sweep)]
    store = Store(folder / "results", create=True)
    events: dict[str, Any] = {"removed": 0, "published": [], "said": []}

    def report(worker: int, cell: Cell | None, step: int, steps: int) -> None:
        at_work = {path.name.partition("-")[0] for path in marks.iterdir()}
        if len(at_work) == 2 and not events["removed"]:  # both nodes train
            cluster.remove_node(second, allow_graceful=False)
            events["removed"] += 1

    events["refusal"] = refused(cluster.address)
    began = time.monotonic()
    surroundings = Surroundings(accelerator="cpu")
    with ClusterEngine(surroundings, address=cluster.address, report=report, say=events["said"].append) as engine:
        events["workers"] = engine.workers
        events["faults"] = engine.check(jobs[:1])
        for finished in engine.run(iter(jobs)):
            events["published"].append(store.publish(finished.result, finished.weights))
    events |= {"executions": engine.executions, "lost": engine.lost, "seconds": time.monotonic() - began}
    events["asked"] = [job.cell.key for job in jobs]
    cluster.shutdown()
    return events


def refused(address: str) -> str:
    """What is said to someone with another token."""
    from bench.engines.cluster import connection

    os.environ["RAY_AUTH_TOKEN"] = "8" * 64
    try:
        connection._try(address)
    except connection.AddressError as error:
        return str(error)
    finally:
        os.environ["RAY_AUTH_TOKEN"] = "7" * 64
    return "was let in"


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
