"""What a device is fast with: its arithmetic, the order of weights in memory, and the memory itself."""

import copy
import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from typing import Any

import torch
from monai.inferers import SimpleInferer
from monai.utils import set_determinism
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from llmsegnet_bundle.memory import machine_bytes

_freed_memory = {"kept": False}  # by the whole process


def has_bf16(device: torch.device | str) -> bool:
    """Say whether `device` multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX on a CPU)."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # without these instructions oneDNN emulates bfloat16, a hundred times slower than float32
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def needs_fp16(device: torch.device | str) -> bool:
    """Say whether `device` is a GPU without bfloat16, which computes in float16 and must scale its losses."""
    return torch.device(device).type == "cuda" and not has_bf16(device)


def autocast(device: torch.device | str) -> AbstractContextManager:
    """Return the autocast context of `device`: bfloat16 where `has_bf16`, float16 where `needs_fp16`, else float32.

    MONAI's engines autocast on CUDA only, so trainer and inferers enter this one themselves.
    """
    kind = torch.device(device).type
    dtype = torch.float16 if needs_fp16(kind) else torch.bfloat16
    return torch.autocast(kind, dtype=dtype, enabled=has_bf16(kind) or needs_fp16(kind))


def set_seed(seed: int, deterministic: bool) -> None:
    """Seed all random numbers; with `deterministic` cuDNN repeats itself bit by bit too, which is slower."""
    set_determinism(seed)
    if not deterministic:
        torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.benchmark = True  # crops have one size


def fast_layout(network: nn.Module, device: torch.device | str) -> nn.Module:
    """Move `network` to `device` with its weights in channels-last order, in which 3-D convolutions are fastest.

    A network with instance norm keeps its order: that norm copies all features out of channels-last order and back.
    Forward and backward of the 3-D U-Net took 1.7 s instead of 2.9 s (96^3, bfloat16, 2 cores of a CPU).
    """
    if any(isinstance(module, nn.InstanceNorm3d) for module in network.modules()):
        return network.to(device)
    return network.to(device=device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return a copy of `network`, for evaluation, whose convolutions do the batch norm that follows them.

    Each pair of a 3-D convolution, transposed or not, and a `BatchNorm3d` that stand side by side in a
    `torch.nn.Sequential` becomes one convolution with the same answer to rounding.

    Args:
        network: in evaluation mode; it stays as it is.

    Raises:
        ValueError: in training mode, where batch norm depends on the batch.
    """
    if network.training:
        raise ValueError("network must be in evaluation mode to fold its batch norm; call network.eval() first")
    folded = copy.deepcopy(network)
    for stage in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for i, (conv, norm) in enumerate(pairwise(list(stage))):
            if isinstance(conv, nn.Conv3d | nn.ConvTranspose3d) and isinstance(norm, nn.BatchNorm3d):
                stage[i] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose3d))
                stage[i + 1] = nn.Identity()
    return folded


def free_bytes(device: torch.device | str) -> int:
    """Return the memory of `device` that can be had: what nothing uses, or a cache would give back."""
    if torch.device(device).type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    return machine_bytes()


def keep_freed_memory() -> None:
    """Let this process reuse the memory of freed tensors instead of returning it to the system; on Linux with glibc.

    By default glibc maps every large tensor anew and the system clears each page at its first use: half the time of a
    training step on a CPU. Call it before the first large tensor; elsewhere it does nothing.
    """
    _freed_memory["kept"] = True
    _set_malloc(mmaps=0, trim_bytes=-1)  # never trimmed


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Do as `keep_freed_memory` within, and give what is free back before and after; nothing where the process does so.

    For windows between transforms of whole scans, whose large tensors of several sizes would leave holes: the steps
    before the windows of a CT of 512x512x600 voxels took 4.2 GB with it and take 3.0 GB.
    """
    if _freed_memory["kept"]:
        yield
        return
    try:
        _give_back()
        _set_malloc(mmaps=0, trim_bytes=-1)
        yield
    finally:
        _set_malloc(mmaps=65_536, trim_bytes=131_072)  # glibc's defaults
        _give_back()


def _give_back() -> None:
    trim = _libc("malloc_trim")
    if trim:
        trim(0)


def _set_malloc(mmaps: int, trim_bytes: int) -> None:
    mallopt = _libc("mallopt")
    if mallopt:
        m_trim_threshold, m_mmap_max = -1, -4  # of malloc.h
        mallopt(m_mmap_max, mmaps)
        mallopt(m_trim_threshold, trim_bytes)


def _libc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


class AutocastInferer(SimpleInferer):
    """Call a network under `autocast`, for the trainers."""

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with autocast(inputs.device):
            return network(inputs, *args, **kwargs)
