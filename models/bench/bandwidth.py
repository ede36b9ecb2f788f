"""How fast this machine moves memory, and how much of that a model's weights need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from models.bench.random_checkpoint import tensor_shapes

# Far more than any cache holds.
_COPIED_BYTES = 512 * 1024 * 1024
# Below this, weights may stay in the processor's cache, and memory is not what limits the speed.
CACHE_BYTES = 100_000_000

_BITS: dict[str, float] = {"fp32": 32.0, "Q4_0": 4.5, "8da8w": 8.0, "none": 32.0}


def copy_bandwidth(threads: int, *, size: int = _COPIED_BYTES, repeats: int = 5) -> float:
    """Bytes per second of a plain copy, bytes read and bytes written added up.

    Each thread copies its share of one array into another with numpy; the fastest repeat counts,
    because a limit is wanted.

    Parameters
    ----------
    threads : int
    size : int
        Bytes of the array.
    repeats : int
    """
    source, target = np.ones(size, dtype=np.uint8), np.zeros(size, dtype=np.uint8)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats):
            started = time.perf_counter()
            list(pool.map(lambda part: np.copyto(part[1], part[0]), parts))
            seconds.append(time.perf_counter() - started)
    return 2 * size / min(seconds)


def weight_bytes(config: Mapping[str, Any], scheme: str, group_size: int | None = None) -> float:
    """Bytes of weights that are read for one token.

    Every matrix of a layer and the output layer are read whole; of the embedding only one row, which
    is left out, as are the norms and the key-value cache. A tied embedding is counted once, as the
    output layer.

    Parameters
    ----------
    config : mapping
        A Llama configuration with tied embeddings.
    scheme : {"8da4w", "8da8w", "none", "fp32", "Q4_0"}
        8da4w: 4 bits a weight and 16 bits for the scale of a group; Q4_0: the same with groups of 32.
    group_size : int or None
        For 8da4w.
    """
    weights = sum(size[0] * size[1] for size in tensor_shapes(config).values() if len(size) == 2)
    bits = 4 + 16 / (group_size or 32) if scheme == "8da4w" else _BITS[scheme]
    return weights * bits / 8


def share_of_bandwidth(
    weight_bytes: float, tokens_per_second: float, bandwidth: float
) -> float | None:
    """Bytes of weights a second over what the memory can move; None where the cache may hold them."""
    if weight_bytes < CACHE_BYTES:
        return None
    return weight_bytes * tokens_per_second / bandwidth
