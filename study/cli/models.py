"""Commands about the systems' models: quantize, serve-model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from study.cli.options import (
    json_option,
    packed,
    print_json,
    print_table,
    say,
    share_bar,
    with_study,
)
from study.errors import ModelError, StoreError

if TYPE_CHECKING:
    from models.offline.export import Scheme
    from study.store.study import Study


@dataclass(frozen=True)
class QuantizeOptions:
    """The options of ``quantize``."""

    checkpoint: Path
    output: Path
    adapter: Path | None
    scheme: Scheme
    group_size: int
    max_seq_len: int
    check: bool
    held_out: Path | None
    texts: int


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="NAME.pte",
)
@click.option(
    "--adapter",
    type=click.Path(path_type=Path, file_okay=False),
    help="A LoRA or other PEFT adapter, merged.",
)
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
@click.option(
    "--held-out",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Conversations for --verify, in Alpaca, ShareGPT or ESConv form. Default: the demo model's "
    "grammar.",
)
@click.option(
    "--texts",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="Exchanges that --verify compares.",
)
@json_option
@packed(QuantizeOptions)
def quantize(options: QuantizeOptions, as_json: bool) -> None:
    """Turn a Hugging Face checkpoint into an offline ExecuTorch file.

    Writes NAME.pte, the folder NAME.tokenizer and NAME.manifest.json with the hashes of every input and
    output. Takes minutes for a small model and about a quarter of an hour for one of a billion weights.
    Whatever of config.json or the adapter the file could not carry is refused by name. --verify exits
    with 1 where file and checkpoint agree on the next token at fewer than 0.9 of the positions.

    \b
    Examples:
      evenhand quantize checkpoints/my-model -o my-model.pte
      evenhand quantize checkpoints/my-model --adapter lora -o tuned.pte --verify
      evenhand quantize checkpoints/my-model -o my-model.pte --verify --held-out talks.json
    """
    from models.offline import export as offline_export

    checkpoint, output, adapter = options.checkpoint, options.output, options.adapter
    if options.held_out is not None and not options.check:
        raise ModelError("--held-out names texts for --verify. Add --verify, or leave it out.")
    with share_bar("Quantizing") as told:
        manifest = offline_export.quantize(
            checkpoint,
            output,
            adapter=adapter,
            scheme=options.scheme,
            group_size=options.group_size,
            max_seq_len=options.max_seq_len,
            progress=told,
        )
    if options.check:
        from models.offline.parity import refuse_disagreement, verify

        with share_bar("Comparing") as told:
            manifest = verify(
                checkpoint,
                output,
                adapter=adapter,
                held_out=options.held_out,
                texts=options.texts,
                progress=told,
            )
    facts = asdict(manifest)
    if as_json:
        print_json(facts)
    else:
        _show(output, facts)
    if options.check:
        refuse_disagreement(manifest)


def _show(output: Path, facts: dict[str, Any]) -> None:
    from models.offline import export as offline_export

    say(f"Wrote {output}, {offline_export.tokenizer_folder(output)} and its manifest.")
    parity = facts.get("parity")
    if isinstance(parity, dict):
        rows = [
            (k.replace("_", " "), v) for k, v in parity.items() if not isinstance(v, list | tuple)
        ]
        print_table(["parity", "value"], rows)
        print_table(
            ["what the file expects less than the checkpoint", "token", "nats"],
            [
                ("..." + lost["before"], lost["token"], lost["lost_nats"])
                for lost in parity["regressions"]
            ],
        )


@click.command("serve-model")
@click.argument("system", required=False)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every system of the study at one address, each under a name that does not give it away.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets others in.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--queue", default=8, show_default=True, help="Requests that may wait, per system.")
@with_study
def serve_model(
    study: Study, system: str | None, every: bool, host: str, port: int, queue: int
) -> None:
    """Serve one system of the study, or all, behind an OpenAI-compatible address, until Ctrl-C.

    With --all, systems that have an endpoint of their own are left out: the survey app asks those
    there.

    \b
    Examples:
      evenhand serve-model tuned-offline --port 8000
      evenhand serve-model --all --port 8000
    """
    from models.backends.opening import open_backend, settings_of
    from models.serving.application import ServedModel, serve
    from study.blinding import chat_model_name

    known = {declared.id: declared for declared in study.protocol.systems}
    if every == (system is not None):
        raise StoreError("Name one system, or give --all. Declared: " + ", ".join(known) + ".")
    if system is not None and system not in known:
        raise StoreError(f"There is no system {system!r}. Declared: {', '.join(known)}.")
    chosen = [known[system]] if system else [d for d in known.values() if not d.endpoint]
    models: list[ServedModel] = []
    for declared in chosen:
        backend: Any = open_backend(declared, study_folder=study.folder)
        name = chat_model_name(study.key, declared.id) if every else declared.id
        models.append(ServedModel(name, backend, settings_of(declared), declared.system_prompt))
    who = f"{len(models)} systems, under blind names," if every else system
    verb = "answer" if every else "answers"
    serve(
        models,
        host=host,
        port=port,
        queue_size=queue,
        started=lambda address: say(f"{who} {verb} at {address}. Stop with Ctrl-C."),
    )
