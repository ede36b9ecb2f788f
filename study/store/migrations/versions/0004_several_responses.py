"""Assignments that show several responses at once, each at its place."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # SQLite cannot change a column in place: the table is copied, so it is said here what it was.
    before = sa.Table(
        "assignment",
        sa.MetaData(),
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("rater_id", sa.String(24), nullable=False),
        sa.Column("response_id", sa.String(24), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("label", sa.String(8), nullable=False),
        sa.Column("shown_at", sa.String(32)),
        sa.Column("submitted_at", sa.String(32)),
        sa.Column("seconds", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_assignment"),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name="fk_assignment_rater_id"),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name="fk_assignment_response_id"),
        sa.UniqueConstraint("rater_id", "position", name="uq_assignment_rater_id"),
        sa.UniqueConstraint("rater_id", "response_id", name="uq_assignment_rater_response"),
    )
    with op.batch_alter_table("assignment", copy_from=before) as batch:
        batch.alter_column("response_id", existing_type=sa.String(24), nullable=True)
    op.create_table(
        "shown_response",
        sa.Column("assignment_id", sa.String(24), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("response_id", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("assignment_id", "place", name="pk_shown_response"),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_shown_response_assignment_id"
        ),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name="fk_shown_response_response_id"
        ),
        sa.UniqueConstraint("assignment_id", "response_id", name="uq_shown_response_assignment_id"),
        sa.CheckConstraint("place >= 1", name=op.f("ck_shown_response_place")),
    )
