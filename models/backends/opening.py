"""From a system as declared in the protocol to a loaded backend."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from models.backends.decoding import DecodingSettings
from models.backends.interface import Backend
from models.backends.model_files import (
    locate_adapter,
    locate_checkpoint,
    locate_pte,
    locate_tokenizer,
    sha256_of_adapter,
    sha256_of_folder,
    sha256_of_pte,
)
from study.errors import ModelError
from study.protocol.systems import Dialogue, System


def settings_of(system: System, *, seed: int | None = None) -> DecodingSettings:
    """The system's declared decoding settings, with another seed where one is given."""
    declared = system.decoding
    return DecodingSettings(
        max_new_tokens=declared.max_new_tokens,
        temperature=declared.temperature,
        top_k=declared.top_k,
        top_p=declared.top_p,
        repetition_penalty=declared.repetition_penalty,
        seed=declared.seed if seed is None else seed,
        stop=declared.stop,
        time_limit_s=declared.time_limit_s,
    )


def open_backend(system: System, *, study_folder: Path) -> Backend:
    """Load a declared system.

    Parameters
    ----------
    system : System
    study_folder : Path
        Where relative model paths start.

    Raises
    ------
    ModelError
        When a file, a package or a key is missing, or the backend cannot honour a declared
        setting. The message says what to do.
    """
    _refuse_foreign_fields(system)
    match system.backend:
        case "scripted":
            from models.backends.scripted import ScriptedBackend

            return ScriptedBackend()
        case "executorch":
            from models.backends.executorch_backend import ExecutorchBackend

            pte = locate_pte(system, study_folder)
            return ExecutorchBackend(pte, locate_tokenizer(system, study_folder, pte))
        case "transformers":
            from models.backends.transformers_backend import TransformersBackend

            return TransformersBackend(
                locate_checkpoint(system, study_folder),
                precision=system.precision,
                adapter=locate_adapter(system, study_folder),
            )
        case "openai":
            return _open_endpoint(system)
        case "dialogue":
            return _open_dialogue(system, study_folder)
        case "imported":
            raise ModelError(
                f"System {system.id!r} is imported: its responses were written elsewhere, and nothing here "
                "can run it. Bring them in: evenhand import FILE"
            )


def missing_files(systems: Iterable[System], study_folder: Path) -> dict[str, str]:
    """System id -> the sentence that names a file which it needs and this machine lacks.

    Looks whether the files are there, not what is in them; nothing is loaded. A system without
    files, or with all of them, has no entry.
    """
    missing = {}
    for system in systems:
        try:
            _locate_files(system, study_folder)
        except ModelError as error:
            missing[system.id] = str(error)
    return missing


def _locate_files(system: System, study_folder: Path) -> None:
    if system.backend == "dialogue":
        from models.dialogue.emotion_classifier import load_classifier

        settings = system.dialogue or Dialogue()
        locate_checkpoint(system.model_copy(update={"model": settings.embeddings}), study_folder)
        load_classifier(settings.classifier, study_folder)
    match system.runs_on:
        case "executorch":
            locate_tokenizer(system, study_folder, locate_pte(system, study_folder))
        case "transformers":
            locate_checkpoint(system, study_folder)
            locate_adapter(system, study_folder)


def files_sha256(system: System, study_folder: Path) -> dict[str, str]:
    """SHA-256 of every file that a declared system reads, by name; empty when it reads none.

    Raises
    ------
    ModelError
        When a file is not there.
    """
    files: dict[str, str] = {}
    match system.runs_on:
        case "executorch":
            pte = locate_pte(system, study_folder)
            files = sha256_of_pte(pte, locate_tokenizer(system, study_folder, pte))
        case "transformers":
            files = sha256_of_folder(locate_checkpoint(system, study_folder))
            adapter = locate_adapter(system, study_folder)
            if adapter is not None:
                files |= sha256_of_adapter(adapter)
    if system.backend == "dialogue":
        from models.dialogue.backend import dialogue_files

        files |= dialogue_files(system.dialogue or Dialogue(), study_folder)
    return files


def _open_dialogue(system: System, study_folder: Path) -> Backend:
    from models.dialogue.backend import DialogueBackend

    settings = system.dialogue or Dialogue()
    # The checkpoint first: a generator that was opened would have to be closed again.
    checkpoint = locate_checkpoint(
        system.model_copy(update={"model": settings.embeddings}), study_folder
    )
    generator = open_backend(
        system.model_copy(update={"backend": settings.generator, "dialogue": None}),
        study_folder=study_folder,
    )
    try:
        return DialogueBackend(generator, settings, checkpoint, study_folder)
    except BaseException:
        generator.close()
        raise


def _open_endpoint(system: System) -> Backend:
    from models.backends.openai_backend import OpenAIBackend, refuse_unhonoured
    from models.endpoint.connection import endpoint_of_system

    for field, example in (("endpoint", "http://127.0.0.1:8000/v1"), ("model", "my-model")):
        if not getattr(system, field):
            raise ModelError(
                f"System {system.id!r} has backend 'openai' but no {field!r}. "
                f"Name it in the protocol, for example {field}: {example}"
            )
    endpoint = endpoint_of_system(system)
    refuse_unhonoured(settings_of(system), endpoint.accepts)
    return OpenAIBackend(endpoint)


def _refuse_foreign_fields(system: System) -> None:
    """A field of another backend would have no effect, so it is a mistake and not a detail."""
    fields = {
        "executorch": {"tokenizer"},
        "transformers": {"precision", "adapter"},
        "openai": {
            *("endpoint", "proxy", "api_key_variable", "endpoint_accepts"),
            *("length_parameter", "leave_out"),
        },
        "dialogue": {"dialogue"},
        "scripted": set(),
    }
    for owner, names in fields.items():
        for name in sorted(names):
            if (
                owner not in (system.backend, system.runs_on)
                and getattr(system, name, None)
                and (name in system.model_fields_set)
            ):
                raise ModelError(
                    f"System {system.id!r} has {name!r}, which backend {system.backend!r} does "
                    f"not use; only {owner!r} does. Remove the field or change the backend."
                )
    if system.backend == "scripted" and system.model:
        raise ModelError(
            f"System {system.id!r} is scripted and uses no model, but 'model' is "
            f"{system.model!r}. Remove 'model' or change the backend."
        )
