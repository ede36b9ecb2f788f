"""What stands on raters' pages and is not saved yet."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "draft",
        sa.Column("rater_id", sa.String(24), nullable=False),
        sa.Column("page", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("saved_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("rater_id", "page", name="pk_draft"),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name="fk_draft_rater_id"),
    )
