"""What a person can mend, told without a traceback."""

import re
import sys
import threading
from types import ModuleType, TracebackType

MEMORY = re.compile(r"allocate memory|bad_alloc|out of memory|can't start new thread|could not create a (?:prim|mem)")
UNKNOWN = re.compile(r"Cannot locate class or function path: '(.*)'")
LOST = re.compile(r"DataLoader worker \(pid\S* [\d, ]+\) (.*?)[.\n]|process pool (was terminated) abruptly")


def told_in_one_line(error: BaseException) -> str | None:
    """Return what ended a program, where a person can mend it; None for a fault of the program.

    The package's own refusal among the causes of an error comes first: a ValueError that it raises for bad input, one
    line, or one for each of several faults. MONAI's config parser wraps what a constructor raises in two errors of its
    own. Else it is what the system says of files, memory, and processes that were lost, or Ctrl-C.
    """
    own, system, is_cause, cause = None, None, True, error
    while cause is not None:
        if isinstance(cause, ValueError) and _raised_in(cause.__traceback__).startswith("llmsegnet_bundle."):
            own = "\n".join(" ".join(line.split()) for line in str(cause).splitlines())
        if is_cause:  # what went wrong in the handling of something else is another fault
            system = _told_by_system(cause) or system
        is_cause &= cause.__cause__ is not None
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)  # type: ignore[assignment]
    return own or system


def _told_by_system(error: BaseException) -> str | None:
    text = " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        return "stopped by Ctrl-C"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and MEMORY.search(text)):
        asked = re.search(r"(you tried to|Unable to|Tried to) allocate [\d.]+ \w+", text)
        reason = f" ({asked[0]})" if asked else ""
        return f"memory ran out{reason}; end other programs, or give a smaller crop, window or batch, or fewer workers"
    if isinstance(error, RuntimeError) and (lost := LOST.search(str(error))):
        how = next(filter(None, lost.groups()))
        return f"a worker process was lost ({how}), perhaps for lack of memory; run this again with fewer workers"
    if isinstance(error, ModuleNotFoundError) and (found := UNKNOWN.search(text)):
        return f"_target_: {found[1]} is no class or function that MONAI or an import knows"
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("llmsegnet_bundle"):
        return f"the package {error.name} is not installed; install it beside this one"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return None


def _raised_in(traceback: TracebackType | None) -> str:
    name = ""
    while traceback is not None:
        name = traceback.tb_frame.f_globals.get("__name__", "")
        traceback = traceback.tb_next
    return name


def install(main: ModuleType) -> None:
    """Let `python -m monai.bundle`, and MONAI Label's trainings, end with such lines and status 1, not a traceback."""
    spec = getattr(main, "__spec__", None)
    if spec is None or not spec.name.startswith(("monai.bundle", "monailabel.")):
        return
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        told = told_in_one_line(error)
        if told is None:
            before(kind, error, traceback)
        else:
            from tqdm import tqdm  # what runs a config has loaded it

            tqdm.write(told, file=sys.stderr)  # not into a line that shows progress

    sys.excepthook = hook
    before_of_thread = threading.excepthook

    def hook_of_thread(ended: threading.ExceptHookArgs) -> None:
        if ended.exc_value is None or told_in_one_line(ended.exc_value) is None:
            before_of_thread(ended)  # else who waits for the thread tells it, as TensorBoard's writer does

    threading.excepthook = hook_of_thread
