"""docs/extending.md: its steps for an item kind, followed to the letter in a copy of the package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from tests.fixtures_study import SMALL

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")

# From a protocol to the tables: a rater who taps on the page, and simulated ones in another study.
JOURNEY = """
import json, sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
import survey_app
from study import participation
from study.rehearsal import rehearse
from study.report_view.export import codebook_rows, rating_rows
from study.report_view.report_data import report_data
from study.report_view.snapshot import Snapshot
from study.store.audit import study_faults
from study.store.locking import lock_study
from study.store.raters import enrol
from study.store.responses import NewResponse, save_responses
from study.store.study import create_study
from survey_app import identity
from survey_app.server.settings import STUDY_VARIABLE

folder = Path(sys.argv[1])

def locked(name):
    study = create_study(folder / name, folder / "study.yaml")
    texts = {(p, s): f"I hear {p.topic} {i}." for p in study.protocol.prompts
             for i, s in enumerate(study.protocol.systems)}
    save_responses(study, [NewResponse(p.id, s.id, t, {}) for (p, s), t in texts.items()])
    lock_study(study)
    return study

def risks(study):
    return [r for r in rating_rows(Snapshot(study)) if r["item"] == "risk" and not r["missing_reason"]]

tapped = locked("tapped")
rater = enrol(tapped, "student", 1)[0]
participation.consent(tapped, rater.rater)
participation.save_demographics(tapped, rater.rater, {"gender": "woman", "age": 33})
participation.finish_practice(tapped, rater.rater)
identity.rater_token = lambda: rater.token
import os
os.environ[STUDY_VARIABLE] = str(tapped.folder)
page = AppTest.from_file(str(Path(survey_app.__file__).parent / "main.py"), default_timeout=90).run()
*points, lights = page.button_group
for point in points:
    point.set_value(4)
lights.set_value(2)
next(b for b in page.button if b.label == "Save and continue").click().run()

rehearsed = locked("rehearsed")
rehearse(rehearsed, 1, 6)
print(json.dumps({
    "file": sys.modules["study"].__file__,
    "drawn": lights.options,
    "tapped": [row["value"] for row in risks(tapped)],
    "simulated": sorted({row["value"] for row in risks(rehearsed)}),
    "codebook": [[r["value"], r["label"]] for r in codebook_rows(Snapshot(tapped))
                 if r["variable"] == "risk"],
    "report": [[item.id, item.kind, item.points] for item in report_data(rehearsed).choices],
    "faults": study_faults(tapped) + study_faults(rehearsed),
}))
"""


def blocks(language: str, page: str = PAGE) -> list[str]:
    """The page's blocks of code in one language, without the indentation of their step."""
    return [dedent(found) for found in re.findall(rf"```{language}\n(.*?)\n *```", page, re.DOTALL)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of ``study`` beside the other packages, to which the page's file is added."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "study", folder / "study", ignore=shutil.ignore_patterns("__pycache__"))
    for other in ("survey_app", "analysis", "models", "protocols"):
        (folder / other).symlink_to(ROOT / other)
    (where,) = re.findall(r"1\. Write `(study/protocol/items/\w+\.py)`", PAGE)
    (kind,) = blocks("python")
    assert not (folder / where).exists()
    (folder / where).write_text(kind + "\n", encoding="utf-8")
    (item,) = blocks("yaml")
    last = "      - {id: useful, label: Useful, text: How useful is it?}\n"
    assert last in SMALL
    protocol = SMALL.replace(last, last + indent(item, " " * 6) + "\n")
    (folder / "study.yaml").write_text(protocol, encoding="utf-8")
    return folder


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the copy before everything else."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_an_item_kind_made_as_the_page_says_goes_from_a_protocol_to_the_tables(
    package: Path,
) -> None:
    """Oracle: the page's own words: red, amber and green are 1, 2 and 3."""
    done = run_python(package, "-c", JOURNEY, str(package))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["file"]).parent == package / "study"
    assert found["drawn"] == ["Red", "Amber", "Green"]
    assert (found["tapped"], found["simulated"]) == ([2], [1, 2, 3])
    lights = [[1, "Red"], [2, "Amber"], [3, "Green"]]
    assert found["codebook"] == lights
    assert found["report"] == [["risk", "nominal", lights]]
    assert found["faults"] == []


def test_the_command_line_knows_the_new_kind_and_refuses_its_field_elsewhere(package: Path) -> None:
    protocol = package / "study.yaml"
    done = init(package, protocol)
    assert done.returncode == 0, done.stderr
    wrong = package / "wrong.yaml"
    wrong.write_text(protocol.read_text().replace("id: useful,", "id: useful, amber: true,"))
    done = init(package, wrong)
    assert done.returncode == 2
    assert "item 'useful' is of kind likert and has no amber light" in done.stderr


def init(package: Path, protocol: Path) -> subprocess.CompletedProcess[str]:
    folder = str(package / f"from-{protocol.stem}")
    return run_python(package, "-m", "study.cli", "init", folder, "--protocol", str(protocol))


def test_every_file_that_the_page_names_is_there() -> None:
    """Names with NAME stand for what the reader writes, and the kind's file is the new one."""
    named = {name for name in re.findall(r"`((?:\w+/)+\w+\.py)`", PAGE) if "NAME" not in name}
    assert len(named) > 8
    missing = [name for name in sorted(named) if not (ROOT / name).is_file()]
    assert missing == ["study/protocol/items/traffic_light.py"]
    links = re.findall(r"\]\((\w+\.md)\)", PAGE)
    assert [link for link in links if not (ROOT / "docs" / link).is_file()] == []
