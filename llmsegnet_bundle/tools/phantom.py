"""A data set of left-atrium-like phantoms, made in seconds, to try the whole method without a download."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from llmsegnet_bundle.files import whole_file

Field = NDArray[np.floating]  # a number a voxel, for an organ the distance to its surface in mm, negative inside
ORIGIN_MM = (-37.5, -52.25, 11.75)  # not zero, so that a step that loses the affine is noticed
# Directions from the center of the atrium (right, anterior, superior); the first three veins are always there.
VEINS = ((0.85, -0.4, 0.3), (0.75, -0.6, -0.3), (-0.85, -0.4, 0.3), (-0.7, -0.65, -0.3), (0.95, -0.3, 0.0))
WALLS_MM = (1.5, 1.5, 6.0, 1.0, 1.0)  # left and right atrium, left ventricle, descending and ascending aorta


@dataclass(frozen=True)
class Scanner:
    """What a scanner makes of a body; each scan draws its own values, least and most are given.

    Args:
        contrast: blood against tissue.
        blur_voxel: standard deviation of the point spread.
        bias: how much the sensitivity of the coil varies over a scan, as a part of 1.
        noise: standard deviation, as a part of tissue.
    """

    contrast: tuple[float, float] = (1.3, 1.6)
    blur_voxel: tuple[float, float] = (0.4, 0.8)
    bias: tuple[float, float] = (0.1, 0.3)
    noise: tuple[float, float] = (0.06, 0.18)


USUAL = Scanner()
HEARTS = (0.74, 1.26)  # their size, least and most; 1 fills the field


def _noise(rng: Generator, size: Sequence[int], sigma_voxel: float) -> Field:
    """Smooth noise of mean 0 and standard deviation 1; periodic, so that the border is no different."""
    noise = ndimage.gaussian_filter(rng.standard_normal(size, np.float32), sigma_voxel, mode="wrap", truncate=3.0)
    return (noise - noise.mean()) / (noise.std() + 1e-6)


def _rotation(rng: Generator, limit: Sequence[float]) -> Field:
    return Rotation.from_euler("xyz", rng.uniform(-1.0, 1.0, 3) * limit, degrees=True).as_matrix().astype(np.float32)


def _ellipsoid(points: Field, center: Field, axes: Field, power: float = 2.0) -> Field:
    """An ellipsoid, the more like a box the higher the power; the distance is exact for a sphere."""
    return (np.linalg.norm((points - center) / axes, power, axis=-1) - 1.0) * np.cbrt(np.prod(axes))


def _tube(points: Field, direction: Field, bend: Field, radius: float, end: float) -> Field:
    """A tube along t * direction + t^2 * bend from the origin, narrowing by a third until t = end."""
    direction = direction / np.linalg.norm(direction)
    t = np.clip(points @ direction, 0.0, end)[..., None]
    return np.linalg.norm(points - t * direction - t**2 * bend, axis=-1) - radius * (1.0 - t[..., 0] / end / 3.0)


def _join(first: Field, second: Field) -> Field:
    """The union of two organs, the crease between them rounded over about a millimeter."""
    return -1.2 * np.logaddexp(-first / 1.2, -second / 1.2)


def _atrium(rng: Generator, points: Field, bumps: Callable[[], Field]) -> tuple[Field, Field, Field]:
    """The chamber alone, with whole veins (what is bright), and with their stubs (what is labeled)."""
    stretch = rng.normal(0.0, 0.12, 3)  # of mean 0: shape varies here, volume by the scale of the heart
    axes = np.exp(stretch - stretch.mean()) * (20.4, 12.8, 16.0)  # mm, flat from front to back
    tilted = points @ _rotation(rng, (15.0, 15.0, 15.0))
    chamber = _ellipsoid(tilted, np.zeros(3), axes, rng.uniform(2.0, 2.6)) + rng.uniform(0.8, 2.0) * bumps()
    outward = rng.normal((-0.75, 0.6, 0.3), 0.1)  # the appendage, labeled as a whole
    appendage = _tube(points, outward, np.zeros(3), rng.uniform(4.5, 6.0), rng.uniform(20.0, 25.0))
    bright = labeled = _join(chamber, appendage)
    for direction in VEINS[: rng.integers(3, 6)]:
        bend = rng.normal(0.0, 0.004, 3)  # per mm: 5 mm aside after 35 mm
        vein = _tube(points, rng.normal(direction, 0.1), bend, rng.uniform(3.6, 5.6), rng.uniform(40.0, 55.0))
        bright = _join(bright, vein)
        labeled = _join(labeled, np.maximum(vein, chamber - rng.uniform(3.0, 6.0)))
    return chamber, bright, labeled


def _neighbors(rng: Generator, points: Field, up: Field, bumps: Callable[[], Field]) -> list[Field]:
    """The other blood pools, in the order of WALLS_MM after the left atrium, not yet kept apart."""
    centers = rng.normal([(23.0, 15.0, -3.0), (-14.0, 26.0, -15.0)], 2.0)
    axes = rng.uniform(0.85, 1.2, (2, 3)) * ((15.0, 14.0, 20.0), (14.0, 15.0, 17.0))
    pools: list[Field] = [_ellipsoid(points, *placed) + 1.8 * bumps() for placed in zip(centers, axes, strict=True)]
    for center, radius, start in (((-13.0, -27.0, 0.0), 7.0, -np.inf), ((3.0, 25.0, 0.0), 8.0, -2.0)):
        offset = points - rng.normal(center, 1.5)  # the ascending aorta starts at the valve, in front of the atrium
        across = offset - (offset @ up / (up @ up))[..., None] * up
        aorta = np.linalg.norm(across, axis=-1) - radius * rng.uniform(0.85, 1.15)
        pools.append(np.maximum(aorta, start - points[..., 2]))
    return pools


def phantom(
    rng: Generator,
    size: Sequence[int],
    spacing_mm: float,
    scanner: Scanner = USUAL,
    hearts: tuple[float, float] = HEARTS,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make one late-enhancement scan of a left atrium and its label; axes run right, anterior, superior.

    Veins are as bright as the atrium but labeled for a short stub only, as in the 2018 Left Atrium challenge. The
    right atrium, left ventricle and aorta are about as bright and not labeled: intensity alone does not do.

    Args:
        rng: the source of all variation.
        size: (H, W, D), voxels an axis.
        spacing_mm: the side of a voxel.
        scanner: that takes the scan.
        hearts: least and most of the size that is drawn for the heart.

    Shape:
        image (H, W, D) in 0 ... 255, label (H, W, D) of 0 and 1.
    """
    shrink = min(1.0, *(np.array(size) * spacing_mm / (80.0, 80.0, 60.0)))  # the field, in mm, that the anatomy fills
    scale = shrink * rng.uniform(*hearts)  # times the variation of the axes: of HEARTS about 0.7 to 1.3
    grid = np.stack(np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * spacing_mm for n in size], indexing="ij"), axis=-1)
    body = (grid - shrink * rng.uniform(-1.0, 1.0, 3) * (6.0, 6.0, 4.0)).astype(np.float32)
    pose = _rotation(rng, (15.0, 15.0, 25.0))  # the heart turns most about the long axis of the body
    points = body @ pose / scale  # mm in a heart of mean size
    bumps = partial(_noise, rng, size, 5.0 * scale / spacing_mm)
    chamber, atrium, labeled = _atrium(rng, points, bumps)
    bloods, septum_mm = [atrium], rng.uniform(1.0, 3.0)  # from about one voxel: the pools nearly touch
    for pool in _neighbors(rng, points, pose[2], bumps):  # pose[2]: the long axis of the body, seen by the heart
        bloods.append(np.maximum(pool, septum_mm - np.minimum.reduce(bloods)))
    walled = zip([chamber, *bloods[1:]], WALLS_MM, strict=True)  # veins have no wall that a voxel could show
    wall = np.minimum.reduce([pool - rng.uniform(0.4, 1.6) * wall_mm for pool, wall_mm in walled])
    sides = rng.normal([(-46.0, -16.0, 5.0), (46.0, -16.0, 5.0)], 4.0)
    left, right = (_ellipsoid(body / shrink, side, np.array([26.0, 40.0, 70.0])) for side in sides)
    fat_mm = rng.uniform(2.0, 5.0)  # between heart and lung
    lungs = np.maximum(np.minimum(left, right) + 2.0 * bumps(), fat_mm - wall)

    # Paint from back to front; the share of a voxel inside an organ follows from the distance (partial volume).
    image = tissue = 1.0 + rng.uniform(0.06, 0.14) * (_noise(rng, size, 2.0) + _noise(rng, size, 5.0))
    scar = 0.4 * np.maximum(_noise(rng, size, 3.0) - 0.8, 0.0)  # patches of the wall that enhance
    contrast = rng.uniform(*scanner.contrast)
    blood = contrast * (1.0 + 0.03 * _noise(rng, size, 3.0))
    layers = [(lungs, rng.uniform(0.2, 0.4) * tissue), (wall, rng.uniform(0.55, 0.9) + scar)]
    layers += [(pool, blood * rng.uniform(0.9, 1.1)) for pool in bloods[1:]] + [(atrium, blood)]
    for distance, value in layers:
        image = image + np.clip(0.5 - distance * scale / spacing_mm, 0.0, 1.0) * (value - image)

    # What the scanner makes of it: point spread, coil sensitivity, Rician noise, gain.
    image = ndimage.gaussian_filter(image, rng.uniform(*scanner.blur_voxel))
    bias = _noise(rng, size, 0.25 * min(size))
    image *= 1.0 + rng.uniform(*scanner.bias) * bias / np.abs(bias).max()  # as of a surface coil
    real, imaginary = rng.uniform(*scanner.noise) * rng.standard_normal((2, *size))
    image = np.hypot(image + real, imaginary) * rng.uniform(80.0, 160.0) / contrast  # gray value of blood
    parts, _ = ndimage.label(labeled < 0.0)
    label = parts == 1 + np.argmax(np.bincount(parts.ravel(), minlength=2)[1:])  # the largest part: no cut-off specks
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), label.astype(np.uint8)


def write_phantom(
    folder: Path,
    scans: int = 16,
    size: Sequence[int] = (64, 64, 48),
    spacing_mm: float = 1.25,
    seed: int = 0,
    scanner: Scanner = USUAL,
    hearts: tuple[float, float] = HEARTS,
) -> None:
    """Write `imagesTr/PHANTOM_000.nii.gz` ... and `labelsTr/` of the same names; scan i depends on (seed, i) only.

    Args:
        folder: made where missing; scans of the same names are replaced.
        scans: how many to write.
        size, spacing_mm: as of `phantom`.
        seed: of the data set.
        scanner, hearts: as of `phantom`.

    Raises:
        ValueError: when scans < 1, or the folder holds other scans.
    """
    if scans < 1:
        raise ValueError(f"scans must be at least 1, got {scans}")
    names = [f"PHANTOM_{i:03d}.nii.gz" for i in range(scans)]
    folders = [Path(folder) / "labelsTr", Path(folder) / "imagesTr"]  # label first: no image is ever without its label
    held = {path.name for part in folders if part.is_dir() for path in part.iterdir() if path.name[0] != "."}
    if others := sorted(held - set(names)):
        raise ValueError(f"{folder} must hold no other scans, got {others[0]}: choose another folder or empty this one")
    affine = nibabel.affines.from_matvec(np.eye(3) * spacing_mm, ORIGIN_MM)
    for i, name in enumerate(names):
        made = phantom(default_rng((seed, i)), size, spacing_mm, scanner, hearts)
        for part, volume in zip(folders, reversed(made), strict=True):
            with whole_file(part / name) as hidden:  # a stopped run leaves nothing that counts as a scan
                nibabel.save(nibabel.Nifti1Image(volume, affine), hidden)
