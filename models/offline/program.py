"""Loads an ExecuTorch program without ExecuTorch's compiler.

``executorch.runtime`` imports the whole export stack (torch's compiler, sympy, torchao) before it hands
over to its extension module: 2.9 s of processor time and 135 MB that a runtime never uses. So the
extension is used directly, and the operators' libraries are loaded without their Python packages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Registers the operators; without them loading a method fails with 0x14.
_OPERATORS = (
    "extension/llm/custom_ops/*custom_ops_aot_lib.*",
    "kernels/quantized/*quantized_ops_aot_lib.*",
)


def load_program(pte: str, *, threads: int | None = None) -> Any:
    """Load a ``.pte`` file.

    Parameters
    ----------
    pte : str
    threads : int or None
        Threads of ExecuTorch's pool; None leaves the number to ExecuTorch.

    Returns
    -------
    ExecuTorchProgram
        Its ``load_method(name)`` gives a callable that takes a sequence of tensors. It must be kept
        for as long as its methods are used.

    Raises
    ------
    ImportError
        When ExecuTorch or one of its operator libraries is not installed.
    RuntimeError
        When the file is no valid program.
    """
    import executorch

    # Before the extension, which needs torch's libraries in the process.
    import torch
    from executorch.extension.pybindings import _portable_lib

    root = Path(next(iter(executorch.__path__)))
    for pattern in _OPERATORS:
        libraries = list(root.glob(pattern))
        if len(libraries) != 1:
            raise ImportError(f"found {len(libraries)} libraries {pattern} in executorch")
        torch.ops.load_library(libraries[0])  # type: ignore[no-untyped-call]
    if threads is not None:
        # Not safe while a model runs; here none is loaded yet.
        _portable_lib._unsafe_reset_threadpool(threads)
    return _portable_lib._load_program(
        pte, program_verification=_portable_lib.Verification.InternalConsistency
    )
