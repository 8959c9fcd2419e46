"""Lists of transforms as one."""

from collections.abc import Callable, Iterable

from monai.transforms import Compose


def chain(parts: Iterable[Iterable[Callable] | Compose]) -> Compose:
    """Return the transforms of several lists, or of other chains, one after the other.

    Raises:
        ValueError: when a part is neither.
    """
    lists = [part.transforms if isinstance(part, Compose) else part for part in parts]
    for part in lists:
        if not isinstance(part, list | tuple) or not all(map(callable, part)):
            raise ValueError(f"transforms: must be lists of transforms, [] for none, got {part!r}")
    return Compose([transform for transforms in lists for transform in transforms])
