"""Lists of transforms as one."""

from collections.abc import Callable, Iterable, Iterator

from monai.transforms import Compose, ScaleIntensityRangePercentilesd

from llmsegnet_bundle.transforms.check import CheckPercentilesd


def chain(parts: Iterable[Iterable[Callable] | Compose]) -> Compose:
    """Return the transforms of several lists, or of other chains, one after the other.

    What scales by percentiles has a check before it that these differ.

    Raises:
        ValueError: when a part is neither.
    """
    lists = [part.transforms if isinstance(part, Compose) else part for part in parts]
    for part in lists:
        if not isinstance(part, list | tuple) or not all(map(callable, part)):
            raise ValueError(f"transforms: must be lists of transforms, [] for none, got {part!r}")
    return Compose(list(_checked([transform for transforms in lists for transform in transforms])))


def _checked(transforms: list[Callable]) -> Iterator[Callable]:
    for before, transform in zip([None, *transforms], transforms, strict=False):
        if isinstance(transform, ScaleIntensityRangePercentilesd) and not isinstance(before, CheckPercentilesd):
            yield CheckPercentilesd(transform)
        yield transform
