"""Free text as an answer, and the place of each item on the rater's page."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    # The first schema gave a full name, to which the naming convention added its beginning again.
    # f() is for names that are to stay as they are.
    old, new = op.f("ck_rating_ck_rating_value_or_reason"), op.f("ck_rating_value_or_reason")
    # SQLite cannot change a check in place: the table is copied, so it is said here what it was.
    before = sa.Table(
        "rating",
        sa.MetaData(),
        sa.Column("id", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("assignment_id", sa.String(24), nullable=False),
        sa.Column("item_id", sa.String(64), nullable=False),
        sa.Column("value", sa.Integer),
        sa.Column("missing_reason", sa.String(32)),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("saved_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rating"),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignment.id"], name="fk_rating_assignment_id"
        ),
        sa.UniqueConstraint("assignment_id", "item_id", name="uq_rating_assignment_id"),
        sa.CheckConstraint("(value IS NULL) <> (missing_reason IS NULL)", name=old),
    )
    with op.batch_alter_table("rating", copy_from=before) as batch:
        batch.add_column(sa.Column("text", sa.Text))
        batch.add_column(sa.Column("place", sa.Integer))
        batch.drop_constraint(old, type_="check")
        batch.create_check_constraint(
            new,
            "(CASE WHEN value IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN text IS NULL THEN 0 ELSE 1 END)"
            " + (CASE WHEN missing_reason IS NULL THEN 0 ELSE 1 END) = 1",
        )
