"""Run command lines, each in a fork of one process that has imported torch: most of a short one's time is that."""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
import traceback


def run(arguments: list[str]) -> tuple[int, str, str]:
    """Run `-m module …` as a new interpreter would; return its exit code, and what it wrote to stdout and stderr."""
    flag, module, *rest = arguments
    assert flag == "-m", arguments
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        process = os.fork()
        if process == 0:
            code = 1
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(error.fileno(), 2)
                sys.argv = [module, *rest]
                runpy.run_module(module, run_name="__main__", alter_sys=True)
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        for file in (out, error):
            file.seek(0)
        return code, out.read(), error.read()


if __name__ == "__main__":
    import bench.trial.build  # noqa: F401

    for line in json.load(sys.stdin):
        print(json.dumps(run(line)), flush=True)
