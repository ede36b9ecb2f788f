"""Conversations of raters with systems."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "conversation",
        sa.Column("assignment_id", sa.String(24), nullable=False),
        sa.Column("prompt_id", sa.String(64), nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("started_at", sa.String(32)),
        sa.Column("ended_at", sa.String(32)),
        sa.Column("ended_by", sa.String(32)),
        sa.PrimaryKeyConstraint("assignment_id", name="pk_conversation"),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_conversation_assignment_id"
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_conversation_ended")
        ),
    )
    op.create_table(
        "conversation_turn",
        sa.Column("assignment_id", sa.String(24), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(24)),
        sa.Column("started_at", sa.String(32), nullable=False),
        sa.Column("finished_at", sa.String(32)),
        sa.Column("pace_missed", sa.Boolean, nullable=False),
        sa.Column("provenance", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("assignment_id", "number", name="pk_conversation_turn"),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["conversation.assignment_id"],
            name="fk_conversation_turn_assignment_id",
        ),
        sa.CheckConstraint("role IN ('rater', 'system')", name=op.f("ck_conversation_turn_role")),
        sa.CheckConstraint(
            "(outcome IS NULL) = (finished_at IS NULL)",
            name=op.f("ck_conversation_turn_outcome"),
        ),
    )
