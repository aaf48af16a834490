"""What a worker process starts with: environment variables, one GPU, and no interrupts."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing import resource_tracker


@contextlib.contextmanager
def environment(values: dict[str, str], *, win: bool = False) -> Iterator[None]:
    """Set environment variables for processes started inside. win: also where the user has set them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: value for name, value in values.items() if win or before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def only(device: str | None) -> Iterator[None]:
    """Let processes started inside use this GPU only; each calls it the first. None: leave the GPUs as they are."""
    with environment({} if device is None else {"CUDA_VISIBLE_DEVICES": device}, win=True):
        yield


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep processes started inside from loading the script that runs here: it may measure at its top level."""
    main = sys.modules["__main__"]
    spec, file = main.__spec__, vars(main).pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from processes started inside, from their first instruction on; the parent gets it afterwards."""
    resource_tracker.ensure_running()  # started inside, the tracker would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
