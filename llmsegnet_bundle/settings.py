"""What a user may set: the ids of a config."""

import sys

from monai.bundle import ConfigParser


def evaluated_config() -> ConfigParser:
    """Return the config whose expression calls this, with what the command line put over it.

    MONAI hands it to no one, so it is looked for among the callers.

    Raises:
        ValueError: when no config is being evaluated.
    """
    frame = sys._getframe(1)
    while not isinstance(frame.f_locals.get("self"), ConfigParser):
        if frame.f_back is None:
            raise ValueError("settings.evaluated_config: must be called by an expression of a config")
        frame = frame.f_back
    return frame.f_locals["self"]
