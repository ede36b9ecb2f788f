"""The slow part of the export, run in a process of its own.

ExecuTorch's export prints a lot, keeps gigabytes and changes global settings; in a worker process
all three end with it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

CHECKPOINT_FILE = "weights.pth"
PARAMS_FILE = "params.json"
OUTPUT_FILE = "model.pte"
LOG_FILE = "lowering.log"
ERROR_FILE = "error.txt"


def lower_in_worker(pipe: Connection, folder: str, settings: str) -> None:
    """Entry point of the worker process; an error is left in ``error.txt``.

    Parameters
    ----------
    pipe : Connection
        Not used: the result is a file.
    folder : str
        Where weights and parameters lie.
    settings : str
        The settings of :func:`lower` as JSON.
    """
    # The export looks for "int8" and "8da4w" in the checkpoint's path, so the path is relative.
    os.chdir(folder)
    log = os.open(LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        lower(json.loads(settings))
    except BaseException as error:  # noqa: BLE001 - whatever it was, the parent must be able to say it
        traceback.print_exc()
        Path(ERROR_FILE).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        sys.exit(1)


def lower(settings: dict[str, Any]) -> None:
    """Export the weights of the current folder to ``model.pte``.

    Parameters
    ----------
    settings : dict
        ``scheme`` ('8da4w', '8da8w' or 'none'), ``group_size`` (0: one per row),
        ``max_seq_len``, ``embedding`` (bits,group or None), ``metadata`` (of the file),
        ``full_logits`` (logits of every position, for parity).
    """
    from executorch.examples.models.llama.export_llama_lib import export_llama
    from executorch.extension.llm.export.config.llm_config import LlmConfig, ModelType

    config = LlmConfig()
    # llama3_1 keeps the rope factor of the params; llama3_2 would overwrite it with 32.
    config.base.model_class = ModelType.llama3_1
    config.base.checkpoint = CHECKPOINT_FILE
    config.base.params = PARAMS_FILE
    config.base.metadata = json.dumps(settings["metadata"])
    config.model.use_kv_cache = True
    config.model.use_sdpa_with_kv_cache = True
    config.export.max_seq_length = settings["max_seq_len"]
    config.export.max_context_length = settings["max_seq_len"]
    config.export.output_name = OUTPUT_FILE
    config.backend.xnnpack.enabled = True
    config.backend.xnnpack.extended_ops = True
    config.debug.generate_full_logits = settings["full_logits"]
    if settings["scheme"] != "none":
        # Set after construction: the config's own list of modes lacks 8da8w, the quantizer has it.
        config.quantization.qmode = settings["scheme"]
        config.quantization.group_size = settings["group_size"]
        config.quantization.embedding_quantize = settings["embedding"]
    export_llama(config)
