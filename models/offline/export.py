"""From a Hugging Face checkpoint to an offline ExecuTorch file with its manifest."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

from models.offline import lowering as offline_lowering
from models.offline.architectures import exportable_config, head_dim, meta_params, meta_weights
from models.offline.merging import load_to_export
from models.offline.stops import bos_token, stop_tokens
from models.offline.weights import (
    Checkpoint,
    open_checkpoint,
    read_adapter_config,
    read_json,
    stored_template,
    stored_weights,
)
from models.separate_process import start_process
from study.errors import ModelError
from study.installation import install_command
from study.whole_files import FOR_ALL, whole_file, write_whole

Scheme = Literal["8da4w", "8da8w", "none"]
Progress = Callable[[str, float], None]

FORMAT = "evenhand-offline/1"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)
_LIBRARIES = ("torch", "executorch", "torchao", "transformers", "tokenizers")

# Measured: 1.5 GiB for the libraries and a toy, 9.8 GB for 1.5 thousand million stored weights.
_MEMORY_BASE = 1_600_000_000
_MEMORY_PER_WEIGHT = 6.5
# Measured on two cores: 30 to 65 s a layer, nearly whatever its width.
_SECONDS_PER_LAYER = 45


@dataclass(frozen=True)
class Manifest:
    """What an offline file was made from and with; lies beside it as ``NAME.manifest.json``."""

    file: str
    sha256: str
    bytes: int
    scheme: str
    group_size: int | None
    embedding: str | None
    context_length: int
    architecture: str
    parameters: int
    inputs: dict[str, str]
    adapter: dict[str, str] | None
    outputs: dict[str, str]
    libraries: dict[str, str]
    chat_template: str
    stop_token_ids: list[int]
    licence: str
    parity: dict[str, Any] | None = None
    format: str = field(default=FORMAT)

    def write(self, path: Path) -> None:
        """Write as JSON."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        write_whole(path, text + "\n", mode=FOR_ALL)


def manifest_path(pte: Path) -> Path:
    """Where the manifest of an offline file lies."""
    return pte.with_suffix(".manifest.json")


def tokenizer_folder(pte: Path) -> Path:
    """Where the tokenizer of an offline file lies."""
    return pte.with_suffix(".tokenizer")


def read_manifest(pte: Path) -> Manifest:
    """Read the manifest of an offline file.

    Raises
    ------
    ModelError
        When it is missing, unreadable or of another format.
    """
    path = manifest_path(pte)
    if not path.is_file():
        raise ModelError(
            f"The offline model file {pte} has no manifest {path.name} beside it. Copy it along "
            f"or make the file again with `evenhand quantize`."
        )
    content = read_json(path, "the manifest of an offline model")
    known = set(Manifest.__dataclass_fields__)
    if content.get("format") != FORMAT or not set(content) <= known:
        raise ModelError(
            f"The manifest {path} has the format {content.get('format')!r}; expected {FORMAT!r}. "
            f"Make the file again with `evenhand quantize`."
        )
    return Manifest(**content)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def quantize(
    checkpoint: Path,
    output: Path,
    *,
    adapter: Path | None = None,
    scheme: Scheme = "8da4w",
    group_size: int = 32,
    max_seq_len: int = 512,
    progress: Progress | None = None,
) -> Manifest:
    """Make an offline file from a checkpoint; also its tokenizer folder and its manifest.

    Parameters
    ----------
    checkpoint : Path
        A Hugging Face checkpoint folder.
    output : Path
        The ``.pte`` file to write. ``NAME.tokenizer/`` and ``NAME.manifest.json`` come beside it.
    adapter : Path or None
        A PEFT LoRA adapter of this checkpoint, merged before the export.
    scheme : {'8da4w', '8da8w', 'none'}
        8-bit dynamic activations with 4-bit group-wise or 8-bit row-wise weights, or fp32.
    group_size : int
        Weights that share a scale, for 8da4w; must divide the model's widths.
    max_seq_len : int
        Tokens of prompt and reply together.
    progress : callable or None
        Gets a message and the share done, 0 to 1.

    Raises
    ------
    ModelError
        When an input is missing or unsuitable, memory is short, or the export fails.
    """
    tell = progress or _quiet
    refuse_missing_libraries()
    tell("checking the checkpoint", 0.0)
    source = open_checkpoint(checkpoint)
    config = exportable_config(source.config, max_seq_len, str(checkpoint))
    _refuse_settings(config, source.folder, output, scheme, group_size, max_seq_len)
    if adapter is not None:
        read_adapter_config(source, adapter)
    refuse_too_little_memory(stored_weights(source), available_memory())
    params = meta_params(config, str(checkpoint))
    chat_template(source)
    settings = {
        "scheme": scheme,
        "group_size": group_size if scheme == "8da4w" else 0,
        "max_seq_len": max_seq_len,
        "embedding": None if scheme == "none" else "8,0",
        "metadata": {"get_bos_id": bos_token(source), "get_eos_ids": stop_tokens(source)},
        "full_logits": False,
    }
    with tempfile.TemporaryDirectory(prefix="evenhand-") as name:
        work = Path(name)
        tell("converting the weights", 0.02)
        parameters = _write_meta_checkpoint(source, config, adapter, params, work)
        _run_lowering(work, settings, int(params["n_layers"]), tell)
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(output, mode=FOR_ALL) as part:
            shutil.copyfile(work / offline_lowering.OUTPUT_FILE, part)
    tell("writing the manifest", 0.98)
    manifest = _describe(source, output, adapter, settings, parameters)
    manifest.write(manifest_path(output))
    tell("done", 1.0)
    return manifest


def refuse_missing_libraries(names: Iterable[str] = ("executorch", "safetensors", "torch")) -> None:
    """Refuse where the libraries of the export are not installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"The export needs {', '.join(missing)}, which is not installed here. "
            f"Install it with: {install_command('models')}"
        )


def _quiet(message: str, share: float) -> None:
    """Progress that nobody sees."""


def _refuse_settings(
    config: dict[str, Any],
    folder: Path,
    output: Path,
    scheme: str,
    group_size: int,
    max_seq_len: int,
) -> None:
    if scheme not in get_args(Scheme):
        raise ModelError(
            f"The scheme {scheme!r} is unknown; expected one of {', '.join(get_args(Scheme))}."
        )
    if output.suffix != ".pte":
        raise ModelError(f"The output {output} must end in .pte; correct the name after -o.")
    longest = int(config["max_position_embeddings"])
    if not 2 <= max_seq_len <= longest:
        raise ModelError(
            f"--max-seq-len is {max_seq_len}; expected 2 to {longest}, the checkpoint's own limit."
        )
    if scheme != "8da4w":
        return
    widths = {name: int(config[name]) for name in ("hidden_size", "intermediate_size")}
    widths["attention width"] = head_dim(config) * int(config["num_attention_heads"])
    for name, width in widths.items():
        # XNNPACK takes multiples of 32, and a layer that does not fit would stay unquantized.
        if group_size < 32 or group_size % 32 or width % group_size:
            raise ModelError(
                f"--group-size is {group_size} and the {name} of {folder.name} is {width}; "
                f"expected a multiple of 32 that divides it. Try 32, or --scheme 8da8w."
            )


def estimated_memory(weights: int) -> int:
    """Bytes that exporting so many weights is estimated to need at the peak."""
    return int(_MEMORY_BASE + _MEMORY_PER_WEIGHT * weights)


def available_memory() -> int | None:
    """Bytes of memory that are free for use, or None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def refuse_too_little_memory(weights: int, available: int | None) -> None:
    """Refuse before the export starts what would end it in the middle."""
    needed = estimated_memory(weights)
    if available is not None and needed > available:
        raise ModelError(
            f"Exporting {weights:,} weights needs about {needed / 1e9:.1f} GB of memory; "
            f"{available / 1e9:.1f} GB are free. Close other programs, use a machine with more "
            f"memory, or choose a smaller model."
        )


def _write_meta_checkpoint(
    source: Checkpoint,
    config: dict[str, Any],
    adapter: Path | None,
    params: dict[str, Any],
    work: Path,
) -> int:
    """Write the converted weights and parameters; returns the number of parameters."""
    import torch

    model = load_to_export(source, adapter)
    where = str(source.folder) if adapter is None else f"{source.folder} with {adapter} merged"
    torch.save(
        meta_weights(config, model.state_dict(), where),
        work / offline_lowering.CHECKPOINT_FILE,
    )
    (work / offline_lowering.PARAMS_FILE).write_text(json.dumps(params), encoding="utf-8")
    return sum(int(parameter.numel()) for parameter in model.parameters())


def _run_lowering(work: Path, settings: dict[str, Any], layers: int, tell: Progress) -> None:
    started = time.monotonic()
    process, pipe = start_process(
        "models.offline.lowering", "lower_in_worker", str(work), json.dumps(settings)
    )
    expected = 30 + _SECONDS_PER_LAYER * layers
    try:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            elapsed = time.monotonic() - started
            tell("lowering the graph (the longest part)", 0.05 + min(0.9, 0.9 * elapsed / expected))
    finally:
        process.kill()
        process.wait()
        pipe.close()
    if process.returncode == 0 and (work / offline_lowering.OUTPUT_FILE).is_file():
        return
    note = work / offline_lowering.ERROR_FILE
    reason = note.read_text(encoding="utf-8") if note.exists() else "its process was ended"
    if process.returncode < 0:
        reason += f" by signal {-process.returncode}; 9 usually means too little memory"
    raise ModelError(
        f"The export failed: {reason}. Check the checkpoint with the transformers backend, and "
        f"the free memory, then run `evenhand quantize` again."
    )


def _describe(
    source: Checkpoint,
    output: Path,
    adapter: Path | None,
    settings: dict[str, Any],
    parameters: int,
) -> Manifest:
    folder = tokenizer_folder(output)
    folder.mkdir(exist_ok=True)
    for name in TOKENIZER_FILES:
        if (source.folder / name).is_file():
            write_whole(folder / name, (source.folder / name).read_bytes(), mode=FOR_ALL)
    digest = file_sha256(output)
    outputs = {output.name: digest}
    outputs |= {f"{folder.name}/{p.name}": file_sha256(p) for p in sorted(folder.iterdir())}
    used = [source.folder / "config.json", *source.weight_files]
    used += [source.folder / p.name for p in sorted(folder.iterdir())]
    quantized = settings["scheme"] != "none"
    return Manifest(
        file=output.name,
        sha256=digest,
        bytes=output.stat().st_size,
        scheme=settings["scheme"],
        group_size=settings["group_size"] if settings["scheme"] == "8da4w" else None,
        embedding=f"int{settings['embedding'].split(',')[0]}, one scale a row"
        if quantized
        else None,
        context_length=settings["max_seq_len"],
        architecture=source.architecture,
        parameters=parameters,
        inputs={path.name: file_sha256(path) for path in used},
        adapter=None if adapter is None else hashes_of_adapter(adapter),
        outputs=outputs,
        libraries={name: metadata.version(name) for name in _LIBRARIES},
        chat_template=chat_template(source),
        stop_token_ids=settings["metadata"]["get_eos_ids"],
        licence=licence_line(source.folder),
    )


def hashes_of_adapter(adapter: Path) -> dict[str, str]:
    """SHA-256 of an adapter's two files, by name."""
    names = ("adapter_config.json", "adapter_model.safetensors")
    return {name: file_sha256(adapter / name) for name in names}


def chat_template(source: Checkpoint) -> str:
    """The checkpoint's chat template.

    Raises
    ------
    ModelError
        When there is none: without it, messages cannot be written as this model's prompt.
    """
    template = stored_template(source.folder)
    if template is None:
        raise ModelError(
            f"The checkpoint {source.folder} has no chat template (chat_template.jinja or in "
            f"tokenizer_config.json). Choose an instruction-tuned checkpoint, or add its template."
        )
    return template


def licence_line(folder: Path) -> str:
    """What the checkpoint says about its licence, in one line."""
    card = folder / "README.md"
    if card.is_file():
        for line in card.read_text(encoding="utf-8", errors="replace").splitlines()[:60]:
            if line.lower().startswith("license:"):
                return line.split(":", 1)[1].strip()
    for path in sorted(folder.glob("LICENSE*")):
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in lines if line.strip()), path.name)
    return "not stated in the checkpoint"
