"""One command after the other, stopped as its user stops this one."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

# what comes -> what a training saves its state at; SIGHUP: the terminal was closed
SIGNALS = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
}


class Stopped(Exception):
    """A signal asked to stop."""


class Commands:
    """Run commands with their output in a file; a signal goes to the one at work, and no other is started after it.

    Use it in a `with` block: the signals are caught within it. A command gets a process group of its own, so that it
    sees a Ctrl-C once, from here.

    Args:
        held: open files that the commands hold too, such as that of a lock.
    """

    def __init__(self, held: Sequence[int] = ()) -> None:
        self.held = tuple(held)
        self.process: subprocess.Popen[bytes] | None = None
        self.stop_signal: signal.Signals | None = None
        self.earlier: dict[int, Any] = {}

    def __enter__(self) -> "Commands":
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                self.earlier[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.earlier.items():
            signal.signal(number, handler)

    def __call__(self, command: Sequence[str], log: Path) -> int:
        """Return the exit status of a command; its output is added to `log`.

        Raises:
            Stopped: when a signal came, before it or while it was at work.
        """
        if self.stop_signal is not None:
            raise Stopped
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},  # the log tells at once
                pass_fds=self.held,
                process_group=0,
            )
        self._pass_on()  # what came while the command was started
        status = self.process.wait()
        self.process = None
        if self.stop_signal is not None:
            raise Stopped
        return status

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = signal.Signals(number)
        self._pass_on()
        print("\nstopping: a training saves its state first; Ctrl-C again stops it at once", flush=True)

    def _pass_on(self) -> None:
        if self.process is not None and self.stop_signal is not None:
            self.process.send_signal(SIGNALS[self.stop_signal])
