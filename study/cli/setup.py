"""Commands that make a study: protocols, init, check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.cli.options import json_option, print_json, print_table, say, warn, with_study
from study.cli.responses import NOTHING_TO_WRITE
from study.errors import ProtocolError, StoreError
from study.wording import command

if TYPE_CHECKING:
    from study.store.study import Study


@click.command("protocols")
@click.option(
    "--schema", is_flag=True, help="Print the JSON Schema of protocol files, for editors."
)
@json_option
def protocols_command(schema: bool, as_json: bool) -> None:
    """List the protocols that come with evenhand.

    \b
    Examples:
      evenhand protocols
      evenhand protocols --schema > protocol.schema.json
    """
    from protocols import shipped_protocols
    from study.protocol import Protocol, load_protocol

    if schema:
        click.echo(json.dumps(Protocol.model_json_schema(), indent=2))
        return
    rows = []
    for name, path in shipped_protocols().items():
        protocol = load_protocol(path)
        raters = sum(group.planned for group in protocol.groups)
        rows.append(
            {
                "name": name,
                "version": protocol.version,
                "title": protocol.title,
                "prompts": len(protocol.prompts),
                "systems": len(protocol.systems),
                "items": len(protocol.items),
                "raters": raters,
            }
        )
    if as_json:
        print_json(rows)
    else:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


class _ProtocolName(click.types.StringParamType):
    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        del param, ctx
        return (
            "`evenhand protocols` lists those that come with evenhand; for example: evenhand init "
            "my-study --protocol eai-2025"
        )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    "name",
    required=True,
    type=_ProtocolName(),
    help="A shipped protocol's name, or the path of a YAML file.",
)
def init(folder: Path, name: str) -> None:
    """Make a new study folder from a protocol.

    \b
    Examples:
      evenhand init my-study --protocol eai-2025
      evenhand init my-study --protocol drafts/my-protocol.yaml
    """
    from protocols import shipped_protocols
    from study.store.study import create_study

    shipped = shipped_protocols()
    path = shipped.get(name, Path(name))
    if name not in shipped and not path.is_file():
        raise StoreError(
            f"There is no shipped protocol {name!r} and no file of that name. Shipped: "
            f"{', '.join(shipped)}."
        )
    study = create_study(folder, path)
    study.close()
    say(f"Made the study folder {folder} from the protocol {study.protocol.id}.")
    say("study.key in it is secret: keep a copy in a safe place and give it to nobody.")
    say(f"Next: look at {folder / 'study.yaml'}, then: {command('check', '--study', folder)}")


@click.command()
@click.option(
    "--ask-judge",
    is_flag=True,
    help="Also ask the judge's endpoint a short question: can it do what the protocol needs?",
)
@json_option
@with_study
def check(study: Study, ask_judge: bool, as_json: bool) -> None:
    """Validate the protocol and show the design: who rates what, in which time.

    Also looks whether the model files that its systems need are on this machine.

    \b
    Examples:
      evenhand check
      evenhand check --ask-judge
      evenhand check --study my-study --json
    """
    from models.generation.missing_files import files_that_are_missing
    from models.judge.wording.declaration import judge_faults
    from study.design import design_facts, too_much_for_a_rater
    from survey_app.messages import load_messages

    for language in study.protocol.languages or (study.protocol.language,):
        load_messages(language)
    faults = judge_faults(study.protocol, study.folder)
    if ask_judge and not faults:
        from models.judge.asking.endpoint_check import endpoint_faults

        faults = endpoint_faults(study.protocol, study.folder)
    if faults:
        raise ProtocolError(
            "The protocol's judge cannot do what is asked of it:\n"
            + "\n".join(f"  {fault}" for fault in faults)
        )
    remarks = files_that_are_missing(study)
    facts = design_facts(study.protocol)
    remarks += too_much_for_a_rater(study.protocol)
    for remark in remarks:
        warn(remark)
    if as_json:
        print_json(facts)
        return
    say(f"The protocol {study.protocol.id} {study.protocol.version} has no problems.")
    print_table(
        ["what", "value"], [(name.replace("_", " "), value) for name, value in facts.items()]
    )
    if study.protocol.design.shows == "conversation":
        say(NOTHING_TO_WRITE)
