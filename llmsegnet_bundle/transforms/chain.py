"""Lists of transforms as one."""

from collections.abc import Callable, Iterable

from monai.transforms import Compose


def chain(parts: Iterable[Iterable[Callable] | Compose]) -> Compose:
    """Return the transforms of several lists, or of other chains, one after the other."""
    lists = [part.transforms if isinstance(part, Compose) else part for part in parts]
    return Compose([transform for transforms in lists for transform in transforms])
