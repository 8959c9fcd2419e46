"""What goes on beside the network: the next scan is read, the maps of the one before are written."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from monai.data import Dataset
from monai.transforms import Compose

from llmsegnet_bundle.loading.cache import making_threads
from llmsegnet_bundle.transforms import SaveCased


def read_ahead(dataset: Dataset, todo: Sequence[int], beside: bool) -> Iterator[Callable[[], Any]]:
    """Yield for each scan what returns it, or raises what ails it.

    Args:
        dataset: of scans.
        todo: which of them, in order.
        beside: read the next one while the caller works on one, where memory holds it.
    """
    if not beside:
        yield from (partial(dataset.__getitem__, scan) for scan in todo)
        return
    with ThreadPoolExecutor(1) as pool:
        begun: dict[int, Future] = {}
        for place, scan in enumerate(todo):
            this = begun.pop(scan, None) or pool.submit(dataset.__getitem__, scan)
            for following in todo[place + 1 : place + 2]:
                if making_threads([dataset.data[following]]) > 1:
                    begun[following] = pool.submit(dataset.__getitem__, following)
            yield this.result


class Saves:
    """Let a postprocessing write its maps in a thread of its own, in order, within a `with`.

    After one that cannot be written a scan gets no other, so that one with its mask, the last, has all.

    Args:
        postprocessing: with `SaveCased`s in it.
        beside: False for no thread: they write where they are called.
    """

    def __init__(self, postprocessing: Compose, beside: bool) -> None:
        steps = postprocessing.flatten().transforms if beside else ()
        self.savers = [step for step in steps if isinstance(step, SaveCased)]
        self.last: Future | None = None  # of this scan

    def __enter__(self) -> "Saves":
        self.pool = ThreadPoolExecutor(1)
        for saver in self.savers:
            saver.submit = self._submit
        return self

    def __exit__(self, *error: object) -> None:
        for saver in self.savers:
            saver.submit = None
        self.pool.shutdown()

    def of_this_scan(self) -> Callable[[], Any]:
        """Return what waits for the maps that were given since the last call, and raises what ailed one."""
        last, self.last = self.last, None
        return last.result if last else lambda: None

    def _submit(self, save: Callable[[], Any]) -> None:
        self.last = self.pool.submit(_after, self.last, save)


def _after(before: Future | None, save: Callable[[], Any]) -> None:
    if before is not None:
        before.result()  # raises, if it could not be written
    save()
