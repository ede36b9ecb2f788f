"""A protocol with one item of every kind, for the tests of store, pages and exports."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures_study import small_protocol

EVERY_KIND = """\
instruments:
  - id: every-kind
    title: One item of every kind
    licence: Apache-2.0
    source: written for the tests
    wording: own
    order: fixed
    scale:
      id: seven
      points:
        - {value: 1, label: Not at all}
        - {value: 2}
        - {value: 3}
        - {value: 4}
        - {value: 5}
        - {value: 6}
        - {value: 7, label: Very much}
    items:
      - {id: warm, label: Warm, text: How warm is it?, may_be_not_applicable: true}
      - {id: muddled, label: Muddled, text: How muddled is it?, reversed: true}
      - id: tone
        label: Tone
        text: Its tone is
        kind: semantic-differential
        poles: {low: cold, high: kind}
      - {id: advice, label: Advice, text: Is there medical advice?, kind: yes-no-unsure}
      - id: kind-of-help
        label: Help
        text: What does it mainly do?
        kind: choice
        options: [{value: 1, label: It listens}, {value: 2, label: It advises}]
      - {id: remark, label: Remark, text: Anything else?, kind: text, optional: true}
  - id: places
    title: Sliders
    licence: Apache-2.0
    source: written for the tests
    wording: own
    order: random
    scale:
      id: hundred
      points: [{value: 0, label: Not at all}, {value: 100, label: Completely}]
    items:
      - {id: felt-heard, label: Heard, text: Would one feel heard?, kind: slider}
      - {id: felt-safe, label: Safe, text: Would one feel safe?, kind: slider, may_be_not_applicable: true}
      - {id: felt-free, label: Free, text: Would one feel free?, kind: slider}
"""


def every_kind_protocol(folder: Path) -> Path:
    """The small protocol of the tests, with these items in place of its own."""
    file = small_protocol(folder)
    before, _, rest = file.read_text(encoding="utf-8").partition("instruments:\n")
    after = rest[rest.index("topics:") :]
    file.write_text(before + EVERY_KIND + after, encoding="utf-8")
    return file
