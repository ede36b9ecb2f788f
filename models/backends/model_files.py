"""Where a declared model lies on disk, and the hashes that tie a response to it."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.shipped import FOLDER as SHIPPED_FOLDER
from study.errors import ModelError
from study.protocol.systems import System
from study.wording import command

SHIPPED_PREFIX = "shipped:"


def resolve_path(declared: str, study_folder: Path) -> Path:
    """Turn a protocol's model field into a path.

    Parameters
    ----------
    declared : str
        ``shipped:NAME``, an absolute path, or a path that starts at the study folder.
    study_folder : Path
    """
    if declared.startswith(SHIPPED_PREFIX):
        name = declared.removeprefix(SHIPPED_PREFIX)
        if not name or "/" in name or "\\" in name or name.startswith("."):
            raise ModelError(
                f"The model {declared!r} has no valid name after 'shipped:'; expected one of: "
                f"{_shipped_names()}."
            )
        return SHIPPED_FOLDER / name
    return study_folder / Path(declared).expanduser()


def locate_pte(system: System, study_folder: Path) -> Path:
    """The system's ``.pte`` file.

    Raises
    ------
    ModelError
        When none is declared, or the file is not there.
    """
    path = _declared_path(system, study_folder)
    if path.suffix != ".pte" and system.model.startswith(SHIPPED_PREFIX):
        path = path.with_name(path.name + ".pte")
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelError(
            f"System {system.id!r}: {path} is a folder; the executorch backend needs a .pte file. "
            f"Make one with {command('quantize', path, '-o', 'FILE.pte')}, or use backend: transformers."
        )
    raise ModelError(
        f"System {system.id!r}: there is no .pte file at {path}. "
        f"Make one with 'evenhand quantize CHECKPOINT -o {path.name}', or correct 'model' in the "
        f"protocol; shipped models: {_shipped_names()}."
    )


def locate_tokenizer(system: System, study_folder: Path, pte: Path) -> Path:
    """The tokenizer's folder: as declared, or beside the ``.pte`` file.

    Raises
    ------
    ModelError
        When no folder with a ``tokenizer.json`` is found.
    """
    if system.tokenizer:
        candidates = [resolve_path(system.tokenizer, study_folder)]
    else:
        candidates = [
            pte.with_name(f"{pte.stem}.tokenizer"),
            pte.with_suffix(""),
            pte.parent,
        ]
    for folder in candidates:
        if (folder / "tokenizer.json").is_file():
            return folder
    raise ModelError(
        f"System {system.id!r}: no tokenizer.json in {' or '.join(map(str, candidates))}. "
        f"Name the tokenizer's folder in the system's 'tokenizer' field."
    )


def locate_checkpoint(system: System, study_folder: Path) -> Path:
    """The system's checkpoint folder (``config.json``, weights, tokenizer).

    Raises
    ------
    ModelError
        When none is declared, or the folder or a file of it is not there.
    """
    path = _declared_path(system, study_folder)
    if not path.exists():
        raise ModelError(
            f"System {system.id!r}: there is no checkpoint at {path}; expected a folder with "
            f"config.json, weights and tokenizer.json. Put it there or correct 'model' in the "
            f"protocol; shipped models: {_shipped_names()}."
        )
    missing = [
        what
        for what, pattern in (
            ("config.json", "config.json"),
            ("weights (*.safetensors)", "*.safetensors"),
            ("a tokenizer (tokenizer.json or tokenizer_config.json)", "tokenizer*.json"),
        )
        if not any(path.glob(pattern))
    ]
    if missing:
        raise ModelError(
            f"System {system.id!r}: the checkpoint at {path} lacks {', '.join(missing)}. "
            f"Copy the whole checkpoint folder there."
        )
    return path


def locate_adapter(system: System, study_folder: Path) -> Path | None:
    """The system's LoRA adapter folder, or None where it declares none.

    Raises
    ------
    ModelError
        When the declared folder is not there.
    """
    if not system.adapter:
        return None
    path = resolve_path(system.adapter, study_folder)
    if not (path / "adapter_config.json").is_file():
        raise ModelError(
            f"System {system.id!r}: there is no LoRA adapter at {path}; expected a folder with "
            f"adapter_config.json and adapter_model.safetensors. Put it there or correct 'adapter' "
            f"in the protocol."
        )
    return path


def _declared_path(system: System, study_folder: Path) -> Path:
    if not system.model:
        raise ModelError(
            f"System {system.id!r} has backend {system.backend!r} but no 'model'. "
            f"Name the model's file or folder in the protocol; shipped models: {_shipped_names()}."
        )
    return resolve_path(system.model, study_folder)


def _shipped_names() -> str:
    models = (path for path in SHIPPED_FOLDER.glob("demo-*") if path.suffix in {"", ".pte"})
    names = sorted(path.name for path in models)
    return ", ".join(f"{SHIPPED_PREFIX}{name}" for name in names) or "none in this installation"


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of every file directly in ``folder`` by name; hidden files are left out."""
    return {
        path.name: sha256_of_file(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith(".")
    }


def sha256_of_hashes(hashes: dict[str, str]) -> str:
    """One SHA-256 for a set of files: over the sorted lines ``hash  name``."""
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def sha256_of_pte(pte: Path, tokenizer_folder: Path) -> dict[str, str]:
    """SHA-256 of a ``.pte`` file and of its tokenizer's files, by name."""
    # By their endings: the folder may be that of the .pte file, and other models may lie in it.
    tokenizer = {
        name: digest
        for name, digest in sha256_of_folder(tokenizer_folder).items()
        if Path(name).suffix in {".json", ".jinja", ".txt", ".model"}
    }
    return {pte.name: sha256_of_file(pte)} | {
        f"{tokenizer_folder.name}/{name}": digest for name, digest in tokenizer.items()
    }


def sha256_of_adapter(adapter: Path) -> dict[str, str]:
    """SHA-256 of an adapter's two files, by folder and name."""
    return {
        f"{adapter.name}/{name}": digest
        for name, digest in sha256_of_folder(adapter).items()
        if name.startswith("adapter_")
    }


def library_versions(*names: str) -> dict[str, str]:
    """Versions of the interpreter, evenhand and the named packages, where installed."""
    versions = {"python": platform.python_version()}
    for name in ("evenhand", *names):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
