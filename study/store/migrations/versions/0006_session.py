"""A rater's language, panel id and screening; pages passed; answers to checks."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("rater", sa.Column("language", sa.String(2)))
    op.add_column("rater", sa.Column("panel_id", sa.String(64)))
    op.add_column("rater", sa.Column("screened_out_at", sa.String(32)))
    op.add_column("rater", sa.Column("screened_out_because", sa.String(32)))
    # An index and not a constraint: SQLite would have to copy the table for that.
    op.create_index("ix_rater_panel_id", "rater", ["panel_id"], unique=True)
    op.create_table(
        "passage",
        sa.Column("rater_id", sa.String(24), nullable=False),
        sa.Column("step", sa.String(40), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("rater_id", "step", name="pk_passage"),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name="fk_passage_rater_id"),
    )
    op.create_table(
        "check_answer",
        sa.Column("rater_id", sa.String(24), nullable=False),
        sa.Column("check_id", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("saved_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("rater_id", "check_id", "attempt", name="pk_check_answer"),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name="fk_check_answer_rater_id"),
        sa.CheckConstraint(
            "kind IN ('comprehension', 'attention')", name=op.f("ck_check_answer_kind")
        ),
    )
