"""The system fingerprint of each of the judge's replies, which stood in the raw reply alone."""

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("verdict_call", sa.Column("system_fingerprint", sa.Text))
    call = sa.table(
        "verdict_call",
        sa.column("id", sa.Integer),
        sa.column("reply", sa.Text),
        sa.column("system_fingerprint", sa.Text),
    )
    connection = op.get_bind()
    replies = connection.execute(
        sa.select(call.c.id, call.c.reply).where(call.c.reply.is_not(None))
    )
    named = [
        {"of": row.id, "named": found} for row in replies.all() if (found := _named_in(row.reply))
    ]
    if named:
        connection.execute(
            sa.update(call)
            .where(call.c.id == sa.bindparam("of"))
            .values(system_fingerprint=sa.bindparam("named")),
            named,
        )


def _named_in(reply: str) -> str | None:
    """As the store read it when this was written; a body is whatever an endpoint said."""
    try:
        found = json.loads(str(json.loads(reply).get("body"))).get("system_fingerprint")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(found, str):
        return None
    # Neither database holds a half of a surrogate pair, and PostgreSQL no NUL.
    return re.sub("[\0\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", found) or None
