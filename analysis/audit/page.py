"""The findings of an audit as rows, and as a page of its own that loads nothing from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.audit.findings import Finding
from analysis.audit.rules.register import RULES

if TYPE_CHECKING:
    from analysis.audit.audit import Audit

COLUMNS = ("where", "row", "column", "printed", "recomputed", "rule")

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="evenhand">
<title>Audit of {{ audit.files | join(", ") }}</title>
<style>
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.2rem 4rem; color: #1a1a1a; background: #fff;
  font: 16px/1.55 Georgia, "Liberation Serif", serif; }
h1, h2, table { font-family: system-ui, "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .7rem; border-bottom: 1px solid #ccc; }
thead th { border-top: 2px solid #1a1a1a; border-bottom: 2px solid #1a1a1a; }
.soft { color: #595959; font-weight: normal; }
</style>
</head>
<body>
<main>
<h1>Audit of {{ audit.files | join(", ") }}</h1>
<p>{{ audit.findings | length or "No" }} finding{{ "" if audit.findings | length == 1 else "s" }}.
Nothing is told that
rounding explains.</p>
{% for one in audit.findings %}
<section>
<h2>{{ loop.index }}. {{ one.about }} <span class="soft">({{ one.sure }})</span></h2>
<div class="table" tabindex="0" role="region" aria-label="Finding {{ loop.index }}">
<table>
<thead><tr>{% for name in columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows_of(one) %}
<tr>{% for text in row %}<td>{{ text }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
<p>{{ one.why }}</p>
{% if one.repair %}<p><b>What would repair it:</b> {{ one.repair }}.</p>{% endif %}
{% if one.suspects %}
<p>Or one of these, alone:</p>
<ul>{% for suspect in one.suspects %}<li>{{ suspect.in_words }}</li>{% endfor %}</ul>
{% endif %}
</section>
{% endfor %}
{% if audit.notes %}
<h2>Notes</h2>
<ul>{% for note in audit.notes %}<li>{{ note }}</li>{% endfor %}</ul>
{% endif %}
</main>
</body>
</html>
"""


def rows_of(finding: Finding) -> list[tuple[str, str, str, str, str, str]]:
    """A row for each wrong cell of a finding, in the order of `COLUMNS`."""
    rule = RULES[finding.rule]
    return [
        (
            f"{one.place.file} line {one.place.line}",
            one.place.row,
            one.place.column,
            one.printed,
            one.recomputed,
            rule,
        )
        for one in finding.cells
    ]


def audit_page(audit: Audit) -> str:
    """The findings as HTML; whatever a table holds is shown as text."""
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_PAGE)
    return page.render(audit=audit, columns=COLUMNS, rows_of=rows_of) + "\n"
