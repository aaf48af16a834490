"""Whether cells are mirrored to W&B, and where to. Nothing here imports wandb or asks the network."""

from __future__ import annotations

import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bench.records.errors import BenchError
from bench.records.job import Mirroring

Wish = Literal["auto", "online", "offline", "off"]
Mode = Literal["online", "offline", "off"]

PROJECT = "long-range-bench"
# Values of WANDB_MODE, those of older versions included.
_MODES: dict[str, Mode] = {
    "online": "online", "run": "online", "shared": "online",
    "offline": "offline", "dryrun": "offline",
    "disabled": "off",
}  # fmt: skip


class LoginError(BenchError):
    """W&B was asked for in a way that cannot be followed."""


def resolve(wish: Wish, environment: Mapping[str, str] = os.environ) -> Mode:
    """Return where a mirror goes. `auto`: WANDB_MODE decides; where it is not set, online with a login, else offline.
    Never online without a login, because `wandb.init` would ask for one, or raise.

    Raises:
        LoginError: `online` without a login, or an unknown WANDB_MODE.
    """
    if wish == "online" and not logged_in(environment):
        raise LoginError(
            "W&B online: expected a login, found neither WANDB_API_KEY nor an entry for "
            f"{_host(environment)} in {_netrc(environment)}. Run `wandb login`, or take --wandb offline."
        )
    if wish != "auto":
        return wish
    named = environment.get("WANDB_MODE", "").strip().lower()
    if named not in {"", *_MODES}:
        raise LoginError(f"WANDB_MODE: expected online, offline or disabled, got {named!r}. Correct or unset it.")
    mode = _MODES.get(named, "online")
    return "offline" if mode == "online" and not logged_in(environment) else mode


def logged_in(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether W&B has credentials without asking: WANDB_API_KEY, or an entry in the netrc file."""
    if environment.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc(str(_netrc(environment))).authenticators(_host(environment)) is not None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return False


def _netrc(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("NETRC") or "~/.netrc").expanduser()


def _host(environment: Mapping[str, str]) -> str:
    return urlsplit(environment.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""


def mirroring(
    wish: Wish, store: Path | str, *, sweep: str = "", project: str | None = None, entity: str | None = None
) -> Mirroring | None:
    """Return how a store is mirrored, None: not at all. The runs lie in the store's folder `wandb`.

    Raises:
        LoginError: as `resolve`.
    """
    mode = resolve(wish)
    if mode == "off":
        return None
    project = project or os.environ.get("WANDB_PROJECT") or PROJECT
    return Mirroring(mode, project, Path(store).absolute(), entity or os.environ.get("WANDB_ENTITY"), sweep)


def described(plan: Mirroring, store: Path | str) -> str:
    """Return one line for people: where the mirror is, and what to do with it. The folder is looked at too, because a
    mirror whose server cannot be reached goes on offline."""
    if plan.mode == "online" and not any((Path(store) / "wandb").glob("offline-run-*")):
        return f"Mirrored to W&B, project {plan.project}."
    login = "" if plan.mode == "online" else "`wandb login`, then "
    where = "Mirrored for W&B in" if plan.mode == "offline" else "Not all runs are at W&B, some are in"
    return f"{where} {store}/wandb. To upload it: {login}`wandb sync {store}/wandb/offline-run-*`."
