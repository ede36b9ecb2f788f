"""The judge's ledger, its verdicts and the cases for review."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "verdict_call",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("cache_key", sa.String(64), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("probe", sa.String(32), nullable=False),
        sa.Column("rubric_id", sa.String(64), nullable=False),
        sa.Column("rubric_version", sa.String(32), nullable=False),
        sa.Column("rubric_sha256", sa.String(64), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("scoring", sa.String(16), nullable=False),
        sa.Column("prompt_id", sa.String(64), nullable=False),
        sa.Column("response_id", sa.String(24)),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("replicate", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("reply", sa.Text),
        sa.Column("failure", sa.Text),
        sa.Column("returned_model", sa.Text),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("cost", sa.Float),
        sa.Column("cost_is_bound", sa.Boolean, nullable=False),
        sa.Column("latency_s", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("batch_id", sa.Text),
        sa.Column("sent_at", sa.String(32), nullable=False),
        sa.Column("answered_at", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_verdict_call"),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name="fk_verdict_call_response_id"
        ),
        sa.UniqueConstraint("cache_key", "round", name="uq_verdict_call_cache_key"),
        sa.CheckConstraint("state IN ('sent', 'answered', 'failed')", name="ck_verdict_call_state"),
        sa.CheckConstraint(
            "(state = 'answered') = (reply IS NOT NULL)", name="ck_verdict_call_reply"
        ),
    )
    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("call_id", sa.Integer, nullable=False),
        sa.Column("parser_version", sa.Integer, nullable=False),
        sa.Column("criterion", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("label", sa.String(64)),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("parsed_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verdict"),
        sa.ForeignKeyConstraint(["call_id"], ["verdict_call.id"], name="fk_verdict_call_id"),
        sa.UniqueConstraint("call_id", "parser_version", "criterion", name="uq_verdict_call_id"),
        sa.CheckConstraint(
            "(outcome = 'scored') = (value IS NOT NULL OR label IS NOT NULL)",
            name="ck_verdict_scored",
        ),
    )
    op.create_table(
        "review_case",
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("response_id", sa.String(24), nullable=False),
        sa.Column("criterion", sa.String(64), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("opened_at", sa.String(32), nullable=False),
        sa.Column("decision", sa.String(24)),
        sa.Column("note", sa.Text),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.String(32)),
        sa.PrimaryKeyConstraint("id", name="pk_review_case"),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name="fk_review_case_response_id"
        ),
        sa.UniqueConstraint("kind", "response_id", "criterion", name="uq_review_case_kind"),
        sa.CheckConstraint("state IN ('open', 'decided')", name="ck_review_case_state"),
        sa.CheckConstraint(
            "(state = 'decided') = (decision IS NOT NULL)", name="ck_review_case_decision"
        ),
    )
