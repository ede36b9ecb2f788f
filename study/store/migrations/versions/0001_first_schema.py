"""First schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("locked_at", sa.String(32)),
        sa.Column("locked_protocol", sa.Text),
        sa.Column("lock_hashes", sa.Text),
        sa.Column("unblinded_at", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_study"),
        sa.CheckConstraint("id = 1", name="ck_study_one_row"),
    )
    op.create_table(
        "response",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("prompt_id", sa.String(64), nullable=False),
        sa.Column("system_id", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("provenance", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("imported", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_response"),
        sa.UniqueConstraint("prompt_id", "system_id", name="uq_response_prompt_id"),
    )
    op.create_table(
        "rater",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("token_sha256", sa.String(64)),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("demographics", sa.Text),
        sa.Column("enrolled_at", sa.String(32), nullable=False),
        sa.Column("consented_at", sa.String(32)),
        sa.Column("declined_at", sa.String(32)),
        sa.Column("demographics_at", sa.String(32)),
        sa.Column("practised_at", sa.String(32)),
        sa.Column("finished_at", sa.String(32)),
        sa.Column("withdrawn_at", sa.String(32)),
        sa.Column("last_seen_at", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_rater"),
        sa.UniqueConstraint("code", name="uq_rater_code"),
        sa.UniqueConstraint("token_sha256", name="uq_rater_token_sha256"),
        sa.UniqueConstraint("group_id", "slot", name="uq_rater_group_id"),
    )
    op.create_table(
        "assignment",
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
    op.create_table(
        "rating",
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
        sa.CheckConstraint(
            "(value IS NULL) <> (missing_reason IS NULL)", name="ck_rating_value_or_reason"
        ),
    )
    op.create_table(
        "event",
        sa.Column("seq", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("payload_sha256", sa.String(64), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_event"),
        sa.UniqueConstraint("previous_hash", name="uq_event_previous_hash"),
        sa.UniqueConstraint("hash", name="uq_event_hash"),
    )
    op.create_index("ix_event_actor", "event", ["actor"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
        sa.CheckConstraint("id = 1", name="ck_audit_head_one_row"),
    )
