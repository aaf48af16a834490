"""Joining and leaving a Ray cluster: safe defaults, and a clear error in bounded time where no cluster answers."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.engines.base import AddressError, EngineError
from bench.trial.sources import sources

CONNECT_SECONDS = 5.0  # for a port to open
ANSWER_SECONDS = 30.0  # for a cluster to accept this machine
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
RETRIES = "3"  # Ray's own, a second each
# Connecting can abort the process, or wait for minutes: another process tries first.
PROBE = (
    "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='critical'); print('answers')"
)


def connect(address: str | None, *, cores: int | None) -> Any:
    """Connect to a cluster, and return the module `ray`.

    address: as for the engine. cores: how many to use on this machine alone, None: all.

    Without an address everything listens on the loopback interface only. With or without one, whoever talks to the
    cluster must know its token; RAY_AUTH_MODE=disabled switches that off, where a network is trusted.

    Raises:
        AddressError: Ray is not installed, there is no token, or no cluster answers.
        EngineError: Ray would listen on a public interface although no address was given.
    """
    if importlib.util.find_spec("ray") is None:
        raise AddressError("--engine ray needs Ray: pip install -c constraints.txt -e '.[ray]'")
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        # Ray's switch for systems where it knows no clusters: with it, the node is at the loopback interface here too.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ["RAY_AUTH_TOKEN"] = _token()
        os.environ.setdefault("RAY_worker_niceness", "0")  # its own 15 leaves cells next to nothing on a busy machine
        options: dict[str, Any] = {"include_dashboard": False, "num_cpus": cores}
    else:
        _try(address)
        options = {}
    import ray

    ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    # Ray prints twenty lines about a lost node, where ours is one. Ray's own debugger has this switch.
    ray._private.worker._worker_logs_enabled = False
    if address is None and not ray.util.get_node_ip_address().startswith(("127.", "::1")):
        ray.shutdown()
        raise EngineError("this version of Ray would listen on a public interface: use --engine local")
    return ray


def disconnect() -> None:
    """Leave the cluster; a cluster that this process started ends."""
    import ray

    ray.shutdown()


@functools.cache
def _token() -> str:
    """Return a secret between this process and the cluster it starts, the same at each call: Ray reads it once."""
    return secrets.token_hex(32)


def _try(address: str) -> None:
    """Raise AddressError unless a cluster at `address` accepts this machine."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or "/" in host or not port.isdecimal():
            raise AddressError(f"--address expects HOST:PORT of the cluster's head, or auto, got {address!r}")
    kept = Path.home() / ".ray" / "auth_token"
    if os.environ["RAY_AUTH_MODE"] == "token" and not (any(map(os.environ.get, TOKENS)) or kept.is_file()):
        raise AddressError(
            f"a cluster needs a token, the same on every node: `ray get-auth-token --generate` writes one to {kept}. "
            f"Copy it to the others, or set RAY_AUTH_TOKEN."
        )
    if address != "auto":
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise AddressError(
                f"no cluster answers at --address {address} ({error}). Start one there with `ray start --head`."
            ) from None
    command = [sys.executable, "-c", PROBE, address]
    try:
        tried = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "RAY_NUM_REDIS_GET_RETRIES": RETRIES},
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer within {ANSWER_SECONDS:.0f} s"
    else:
        if tried.returncode == 0 and "answers" in tried.stdout:
            return
        lines = [line.strip() for line in tried.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit code {tried.returncode}"
    raise AddressError(
        f"no cluster can be joined at --address {address}: {reason[:300]}. This machine must be one of its nodes (`ray "
        f"start --address HOST:PORT`) with the same token."
    )


@functools.cache
def fingerprint() -> str:
    """Return a hash of this suite's sources and the versions of Python and torch, 12 digits: equal on all nodes."""
    here = f"{sys.version_info[:2]} {importlib.metadata.version('torch')} {sources()}"
    return hashlib.sha256(here.encode()).hexdigest()[:12]
