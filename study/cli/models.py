"""Commands about the systems' models: quantize, serve-model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from study.cli.options import json_option, print_json, print_table, say, with_study
from study.errors import StoreError
from study.store.study import Study


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="NAME.pte",
)
@click.option("--adapter", type=click.Path(path_type=Path, file_okay=False), help="A LoRA adapter.")
@click.option(
    "--scheme",
    type=click.Choice(["8da4w", "8da8w", "none"]),
    default="8da4w",
    show_default=True,
    help="8-bit dynamic activations with 4- or 8-bit weights, or full precision.",
)
@click.option("--group-size", default=32, show_default=True, help="Weights that share a scale.")
@click.option("--max-seq-len", default=512, show_default=True, help="Tokens of prompt and reply.")
@click.option(
    "--verify", "check", is_flag=True, help="Compare the file with its checkpoint afterwards."
)
@json_option
def quantize(
    checkpoint: Path,
    output: Path,
    adapter: Path | None,
    scheme: str,
    group_size: int,
    max_seq_len: int,
    check: bool,
    as_json: bool,
) -> None:
    """Turn a Hugging Face checkpoint into an offline ExecuTorch file.

    Writes NAME.pte, the folder NAME.tokenizer and NAME.manifest.json with the hashes of every input and
    output. Takes minutes for a small model and about a quarter of an hour for one of a billion weights.

    \b
    Examples:
      evenhand quantize checkpoints/my-model -o my-model.pte
      evenhand quantize checkpoints/my-model --adapter lora -o tuned.pte --verify
    """
    from models import offline_export

    with _shares("Quantizing") as told:
        manifest = offline_export.quantize(
            checkpoint,
            output,
            adapter=adapter,
            scheme=scheme,  # type: ignore[arg-type]  # click has checked the choice
            group_size=group_size,
            max_seq_len=max_seq_len,
            progress=told,
        )
    if check:
        from models.offline_parity import verify

        with _shares("Comparing") as told:
            manifest = verify(checkpoint, output, adapter=adapter, progress=told)
    facts = asdict(manifest)
    if as_json:
        print_json(facts)
        return
    say(f"Wrote {output}, {offline_export.tokenizer_folder(output)} and its manifest.")
    parity = facts.get("parity")
    if isinstance(parity, dict):
        rows = [
            (k.replace("_", " "), v) for k, v in parity.items() if not isinstance(v, list | dict)
        ]
        print_table(["parity", "value"], rows)


@contextmanager
def _shares(description: str) -> Iterator[Callable[[str, float], None]]:
    """A progress bar for work that tells its share done, 0 to 1."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        task = progress.add_task(description, total=1.0)

        def told(message: str, share: float) -> None:
            progress.update(task, completed=share, description=f"{description}: {message}")

        yield told


@click.command("serve-model")
@click.argument("system")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets others in.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--queue", default=8, show_default=True, help="Requests that may wait.")
@with_study
def serve_model(study: Study, system: str, host: str, port: int, queue: int) -> None:
    """Serve one system of the study behind an OpenAI-compatible address, until Ctrl-C.

    \b
    Examples:
      evenhand serve-model tuned-offline --port 8000
    """
    from models.backends import open_backend, settings_of
    from models.serve_model import serve

    known = {declared.id: declared for declared in study.protocol.systems}
    if system not in known:
        raise StoreError(f"There is no system {system!r}. Declared: {', '.join(known)}.")
    declared = known[system]
    backend: Any = open_backend(declared, study_folder=study.folder)
    serve(
        backend,
        model_name=system,
        host=host,
        port=port,
        queue_size=queue,
        defaults=settings_of(declared),
        system_prompt=declared.system_prompt,
        started=lambda address: say(f"{system} answers at {address}. Stop with Ctrl-C."),
    )
