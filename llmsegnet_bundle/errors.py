"""What a person can mend, told without a traceback."""

import sys
from types import ModuleType, TracebackType


def told_in_one_line(error: BaseException) -> str | None:
    """Return the message of the package's own refusal among the causes of an error; None when there is none.

    A refusal is a ValueError that the package raises for bad input: one line, or one for each of several faults.
    MONAI's config parser wraps what a constructor raises in two errors of its own.
    """
    told, cause = None, error
    while cause is not None:
        if isinstance(cause, ValueError) and _raised_in(cause.__traceback__).startswith("llmsegnet_bundle."):
            told = "\n".join(" ".join(line.split()) for line in str(cause).splitlines())
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)  # type: ignore[assignment]
    return told


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
            print(told, file=sys.stderr)

    sys.excepthook = hook
