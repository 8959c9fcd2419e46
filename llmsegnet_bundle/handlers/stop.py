"""A stop that a person or the system asks for, agreed on by all processes, once a step."""

import signal
import threading
from typing import Any

import ignite.distributed as idist
import torch
from tqdm import tqdm


class Stop:
    """Catch SIGINT and SIGTERM for a run that stops after the step under way; a second SIGINT stops at once.

    Outside the main thread, as in servers, nothing is caught.

    Args:
        speaks: False on all processes but one.
    """

    def __init__(self, speaks: bool = True) -> None:
        self.speaks = speaks
        self.signal = 0  # that came
        self.before: dict[int, Any] = {}

    def catch(self) -> None:
        """Catch the signals from now on."""
        if threading.current_thread() is threading.main_thread() and not self.before:
            self.before = {number: signal.signal(number, self.ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def give_back(self) -> None:
        """Give the signals back to those who had them."""
        for number, handler in self.before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self.before = {}

    def ask(self, number: int, frame: Any = None) -> None:
        """Take a signal.

        Raises:
            KeyboardInterrupt: when it is the second, and SIGINT.
        """
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
        if self.speaks:
            tqdm.write("stopping after this step; Ctrl-C again stops at once and loses the steps since the last save")


def agreed(*flags: int, device: torch.device | str | None = None) -> list[int]:
    """Return the largest of each flag over all processes, which all call this together.

    Args:
        flags: whole numbers.
        device: of the tensor that is reduced, for NCCL; None for the CPU.
    """
    if idist.get_world_size() == 1:
        return list(flags)
    return idist.all_reduce(torch.tensor(flags, device=device), "MAX").tolist()  # type: ignore[union-attr]
