"""A process that has imported what takes seconds, and forks for each job: hundreds of short ones in a minute."""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Done(NamedTuple):
    """The exit status of a job, and what it wrote."""

    status: int
    out: str
    err: str


class WarmProcess:
    """Run functions in forks of a process that has imported the modules, none of which may have started threads.

    Args:
        imports: modules.
    """

    def __init__(self, imports: Sequence[str]) -> None:
        command = [sys.executable, "-W", "ignore", __file__, *imports]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, job: str, arguments: Any, folder: Path, logs: Path, limit_s: int = 120, **environment: str) -> Done:
        """Return what became of a job.

        Args:
            job: "module:function" of the tests' folder.
            arguments: what it is called with.
            folder: where it runs.
            logs: folder of what it writes to its two streams.
            limit_s: seconds after which it is ended.
            environment: variables that are set.
        """
        logs.mkdir(parents=True, exist_ok=True)
        request = {"job": job, "arguments": arguments, "folder": str(folder), "logs": str(logs), "limit_s": limit_s}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request | {"environment": environment}) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return Done(status, *((logs / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")))

    def close(self) -> None:
        self.process.communicate()


def _serve() -> None:
    for module in sys.argv[1:]:
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _work(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _work(request: dict[str, Any]) -> None:
    status = 1
    try:
        signal.alarm(request["limit_s"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream, name in ((1, "out"), (2, "err")):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(Path(request["logs"]) / name, flags, 0o644), stream)
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        module, function = request["job"].split(":")
        getattr(importlib.import_module(module), function)(request["arguments"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # the package's own, where a job has set it
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
