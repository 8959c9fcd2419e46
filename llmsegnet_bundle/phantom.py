"""A data set of left-atrium-like phantoms, made in seconds, to try the whole method without a download."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

Field = NDArray[np.float32]  # one number a voxel; of an organ the distance to its surface in mm, negative inside
Deform = Callable[[float], Field]  # amplitude in mm -> what to add to a distance

REFERENCE_MM = np.array([80.0, 80.0, 60.0])  # the field of view that the anatomy fills; a smaller one shrinks it
ORIGIN_MM = (-37.5, -52.25, 11.75)  # not zero, so that a step that loses the affine is noticed
# Directions from the center of the atrium (right, anterior, superior); the first three veins are always there.
VEINS = ((0.85, -0.4, 0.3), (0.75, -0.6, -0.3), (-0.85, -0.4, 0.3), (-0.7, -0.65, -0.3), (0.95, -0.3, 0.0))
APPENDAGE = (-0.75, 0.6, 0.3)


def _noise(rng: Generator, size: Sequence[int], sigma_voxel: float) -> Field:
    """Smooth noise of mean 0 and standard deviation 1; periodic, so that the border is no different."""
    noise = ndimage.gaussian_filter(rng.standard_normal(size, np.float32), sigma_voxel, mode="wrap", truncate=3.0)
    return (noise - noise.mean()) / (noise.std() + 1e-6)


def _rotation(rng: Generator, x: float, y: float, z: float) -> NDArray[np.float64]:
    limit = np.array([x, y, z])
    return Rotation.from_euler("xyz", rng.uniform(-limit, limit), degrees=True).as_matrix()


def _column(vector: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(vector, np.float32).reshape(3, 1, 1, 1)


def _ellipsoid(points: Field, center: ArrayLike, axes: ArrayLike, power: float = 2.0) -> Field:
    """An ellipsoid, the more like a box the higher the power; the distance is exact for a sphere."""
    radius = np.linalg.norm((points - _column(center)) / _column(axes), power, axis=0)
    return (radius - 1.0) * np.cbrt(np.prod(_column(axes)))


def _tube(points: Field, direction: ArrayLike, bend: ArrayLike, radius: float, end: float) -> Field:
    """A tube along t * direction + t^2 * bend from the origin, narrowing by a third until t = end."""
    t = np.clip((points * _column(direction)).sum(0), 0.0, end)
    return np.linalg.norm(points - _column(direction) * t - _column(bend) * t**2, axis=0) - radius * (1 - t / end / 3)


def _join(first: Field, second: Field) -> Field:
    """The union of two organs, the crease between them rounded over about a millimeter."""
    return -1.2 * np.logaddexp(-first / 1.2, -second / 1.2)


def _atrium(rng: Generator, points: Field, deform: Deform) -> tuple[Field, Field, Field]:
    """The chamber alone, with whole veins (what is bright), and with their stubs (what is labeled)."""
    mean_axes = np.array([20.0, 12.6, 15.8])  # mm, flat from front to back; shape varies here, volume by the scale
    axes = mean_axes * np.exp(rng.normal(0.0, 0.12, 3))
    axes *= np.cbrt(mean_axes.prod() / axes.prod())
    tilted = np.tensordot(_rotation(rng, 15.0, 15.0, 15.0), points, 1)
    chamber = _ellipsoid(tilted, (0.0, 0.0, 0.0), axes, rng.uniform(2.0, 2.6)) + deform(rng.uniform(0.8, 2.0))
    bright = labeled = chamber
    for mean_direction in VEINS[: rng.integers(3, 6)]:
        direction = rng.normal(mean_direction, 0.1)
        direction /= np.linalg.norm(direction)
        bend = rng.normal(0.0, 0.004, 3)  # per mm: 5 mm aside after 35 mm
        vein = _tube(points, direction, bend, rng.uniform(3.6, 5.6), rng.uniform(40.0, 55.0))
        bright = _join(bright, vein)
        labeled = _join(labeled, np.maximum(vein, chamber - rng.uniform(3.0, 6.0)))
    direction = rng.normal(APPENDAGE, 0.1)
    appendage = _tube(points, direction, (0.0, 0.0, 0.0), rng.uniform(4.5, 6.0), rng.uniform(20.0, 25.0))
    return chamber, _join(bright, appendage), _join(labeled, appendage)


def _neighbors(
    rng: Generator, points: Field, up: ArrayLike, atrium: Field, deform: Deform
) -> list[tuple[Field, float]]:
    """The other blood pools, each with the thickness of its wall in mm; none nearer to another than a septum."""
    septum_mm = rng.uniform(1.0, 3.0)  # from about one voxel: the pools nearly touch
    found: list[tuple[Field, float]] = []

    def add(pool: Field, wall_mm: float) -> None:
        found.append(
            (np.maximum(pool, septum_mm - np.minimum.reduce([atrium, *[other for other, _ in found]])), wall_mm)
        )

    ventricle_axes, right_axes = np.array([[14.0, 15.0, 17.0], [15.0, 14.0, 20.0]]) * rng.uniform(0.85, 1.2, (2, 3))
    add(_ellipsoid(points, rng.normal((23.0, 15.0, -3.0), 2.0), right_axes) + deform(1.8), 1.5)
    add(_ellipsoid(points, rng.normal((-14.0, 26.0, -15.0), 2.0), ventricle_axes) + deform(1.8), 6.0)
    axis = _column(rng.normal(up, 0.08))
    for center, radius, start in (((-13.0, -25.0, 0.0), 7.0, -np.inf), ((3.0, 25.0, 0.0), 8.0, -2.0)):
        offset = points - _column(rng.normal(center, 1.5))  # descending aorta behind; ascending from the valve
        across = offset - axis * (offset * axis).sum(0) / (axis**2).sum()
        aorta = np.linalg.norm(across, axis=0) - radius * rng.uniform(0.85, 1.15)
        add(np.maximum(aorta, start - points[2]), 1.0)
    return found


def _acquire(rng: Generator, image: Field, blood: float) -> NDArray[np.uint8]:
    """What the scanner makes of the tissue: point spread, coil sensitivity, Rician noise, gain."""
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 0.8))  # voxels
    bias = _noise(rng, image.shape, 0.25 * min(image.shape))
    image = image * (1.0 + rng.uniform(0.1, 0.3) * bias / np.abs(bias).max())  # at most 30 %, as of a surface coil
    real, imaginary = rng.uniform(0.06, 0.18) * rng.standard_normal((2, *image.shape))
    gray = np.hypot(image + real, imaginary) * rng.uniform(80.0, 160.0) / blood
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)


def phantom(rng: Generator, size: Sequence[int], spacing_mm: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make one late-enhancement scan of a left atrium and its label; axes run right, anterior, superior.

    Veins are as bright as the atrium but labeled for a short stub only, as in the 2018 Left Atrium challenge. The
    right atrium, left ventricle and aorta are about as bright and not labeled: intensity alone does not do.

    Args:
        rng: the source of all variation.
        size: (H, W, D), voxels an axis.
        spacing_mm: the side of a voxel.

    Shape:
        image (H, W, D) in 0 ... 255, label (H, W, D) of 0 and 1.
    """
    shrink = min(1.0, float((np.array(size) * spacing_mm / REFERENCE_MM).min()))
    scale = shrink * rng.uniform(0.74, 1.26)  # times the variation of the axes: about 0.7 to 1.3
    shift = shrink * rng.uniform((-6.0, -6.0, -4.0), (6.0, 6.0, 4.0))
    grid = np.stack(np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * spacing_mm for n in size], indexing="ij"))
    body = (grid - _column(shift)).astype(np.float32)
    pose = _rotation(rng, 15.0, 15.0, 25.0)  # the heart turns most about the long axis of the body
    points = (np.tensordot(pose.T, body, 1) / scale).astype(np.float32)  # mm in a heart of mean size

    def deform(amplitude_mm: float) -> Field:
        return amplitude_mm * _noise(rng, size, 5.0 * scale / spacing_mm)

    chamber, atrium, labeled = _atrium(rng, points, deform)
    pools = _neighbors(rng, points, pose[2], atrium, deform)  # pose[2]: the long axis of the body, seen by the heart
    wall = np.minimum.reduce([chamber - rng.uniform(0.5, 2.5), *[pool - wall_mm for pool, wall_mm in pools]])
    sides = [rng.normal((x, -16.0, 5.0), 4.0) for x in (-46.0, 46.0)]
    lungs = np.minimum(*[_ellipsoid(body / shrink, side, (26.0, 40.0, 70.0)) for side in sides]) + deform(2.0)
    lungs = np.maximum(lungs, rng.uniform(2.0, 5.0) - wall)  # fat lies between heart and lung

    # Paint from back to front; the share of a voxel inside an organ follows from the distance (partial volume).
    image = tissue = 1.0 + rng.uniform(0.06, 0.14) * (_noise(rng, size, 2.0) + _noise(rng, size, 5.0))
    scar = 0.4 * np.maximum(_noise(rng, size, 3.0) - 0.8, 0.0)  # patches of the wall that enhance
    contrast = rng.uniform(1.3, 1.6)  # blood against tissue
    blood = contrast * (1.0 + 0.03 * _noise(rng, size, 3.0))
    layers = [(lungs, rng.uniform(0.2, 0.4) * tissue), (wall, rng.uniform(0.55, 0.9) + scar)]
    layers += [(pool, blood * rng.uniform(0.9, 1.1)) for pool, _ in pools] + [(atrium, blood)]
    for distance, value in layers:
        share = np.clip(0.5 - distance * scale / spacing_mm, 0.0, 1.0)
        image = image + share * (value - image)

    parts, _ = ndimage.label(labeled < 0.0)
    label = parts == 1 + np.argmax(np.bincount(parts.ravel(), minlength=2)[1:])  # the largest part: no cut-off specks
    return _acquire(rng, image, contrast), label.astype(np.uint8)


def write_phantom(
    folder: Path, scans: int = 16, size: Sequence[int] = (64, 64, 48), spacing_mm: float = 1.25, seed: int = 0
) -> None:
    """Write `imagesTr/PHANTOM_000.nii.gz` ... and `labelsTr/` of the same names; scan i depends on (seed, i) only.

    Args:
        folder: made where missing; scans of the same names are replaced.
        scans: how many to write.
        size: (H, W, D), voxels an axis.
        spacing_mm: the side of a voxel.
        seed: of the data set.

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
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = ORIGIN_MM
    for part in folders:
        part.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        image, label = phantom(default_rng((seed, i)), size, spacing_mm)
        for part, volume in zip(folders, (label, image), strict=True):
            partial = part / f".partial_{name}"  # hidden: a stopped run leaves nothing that counts as a scan
            nibabel.save(nibabel.Nifti1Image(volume, affine), partial)
            os.replace(partial, part / name)
