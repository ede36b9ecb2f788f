"""The tables of a study's database. Changes come as migrations, never as edits of old ones."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from study.clock import read_time, time_text
from study.errors import StoreError

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


class Time(TypeDecorator[dt.datetime]):
    """A point in time, held as ISO 8601 text in UTC, so that SQLite and PostgreSQL hold the same."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> str | None:
        """The text that the database holds."""
        return None if value is None else time_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dt.datetime | None:
        """The time of a text.

        Raises
        ------
        StoreError
            When it is none: another program wrote into the database.
        """
        try:
            return None if value is None else read_time(value)
        except ValueError as error:
            raise StoreError(
                f"The database holds {value!r} where a time should stand, such as "
                "2026-03-01T09:30:00.000000+00:00. Put the database back from your copy."
            ) from error


study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("locked_at", Time),
    Column("locked_protocol", Text),
    Column("lock_hashes", Text),
    Column("unblinded_at", Time),
    # With which the raters' links begin; it may change after the lock.
    Column("address", Text),
    CheckConstraint("id = 1", name="one_row"),
)

response = Table(
    "response",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("prompt_id", String(64), nullable=False),
    Column("system_id", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("provenance", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("imported", Boolean, nullable=False),
    UniqueConstraint("prompt_id", "system_id"),
)

rater = Table(
    "rater",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("code", String(16), nullable=False, unique=True),
    Column("group_id", String(64), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("token_sha256", String(64), unique=True),
    Column("simulated", Boolean, nullable=False),
    Column("demographics", Text),
    Column("enrolled_at", Time, nullable=False),
    Column("consented_at", Time),
    Column("declined_at", Time),
    Column("demographics_at", Time),
    Column("practised_at", Time),
    Column("finished_at", Time),
    Column("withdrawn_at", Time),
    Column("last_seen_at", Time),
    # Two letters; the language in which this rater reads the pages.
    Column("language", String(2)),
    # The id under which an online panel knows the rater.
    Column("panel_id", String(64), index=True, unique=True),
    Column("screened_out_at", Time),
    Column("screened_out_because", String(32)),
    UniqueConstraint("group_id", "slot"),
)

assignment = Table(
    "assignment",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("rater_id", String(24), ForeignKey("rater.id"), nullable=False),
    # None where the assignment shows several responses: they are in shown_response.
    Column("response_id", String(24), ForeignKey("response.id")),
    Column("position", Integer, nullable=False),
    Column("label", String(8), nullable=False),
    Column("shown_at", Time),
    Column("submitted_at", Time),
    Column("seconds", Float),
    UniqueConstraint("rater_id", "position"),
    UniqueConstraint("rater_id", "response_id", name="uq_assignment_rater_response"),
)

# What an assignment shows that shows several responses; place 1 is "A" on the page.
shown_response = Table(
    "shown_response",
    metadata,
    Column("assignment_id", String(24), ForeignKey("assignment.id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("response_id", String(24), ForeignKey("response.id"), nullable=False),
    UniqueConstraint("assignment_id", "response_id"),
    CheckConstraint("place >= 1", name="place"),
)

# What an assignment shows where the rater talks with a system; there is no response then.
conversation = Table(
    "conversation",
    metadata,
    Column("assignment_id", String(24), ForeignKey("assignment.id"), primary_key=True),
    Column("prompt_id", String(64), nullable=False),
    Column("system_id", String(64), nullable=False),
    Column("started_at", Time),
    Column("ended_at", Time),
    Column("ended_by", String(32)),
    CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
)

# One message. A reply has its row before its first word and its outcome when it ends.
conversation_turn = Table(
    "conversation_turn",
    metadata,
    Column("assignment_id", String(24), ForeignKey("conversation.assignment_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("role", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("outcome", String(24)),
    Column("started_at", Time, nullable=False),
    Column("finished_at", Time),
    Column("pace_missed", Boolean, nullable=False),
    Column("provenance", Text, nullable=False),
    CheckConstraint("role IN ('rater', 'system')", name="role"),
    CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="outcome"),
)

rating = Table(
    "rating",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("assignment_id", String(24), ForeignKey("assignment.id"), nullable=False),
    Column("item_id", String(64), nullable=False),
    Column("value", Integer),
    Column("missing_reason", String(32)),
    Column("revision", Integer, nullable=False),
    Column("saved_at", Time, nullable=False),
    Column("text", Text),
    # 1-based place of the item on the rater's page; unknown for answers older than this column.
    Column("place", Integer),
    UniqueConstraint("assignment_id", "item_id"),
    # Exactly one of the three.
    CheckConstraint(
        "(CASE WHEN value IS NULL THEN 0 ELSE 1 END)"
        " + (CASE WHEN text IS NULL THEN 0 ELSE 1 END)"
        " + (CASE WHEN missing_reason IS NULL THEN 0 ELSE 1 END) = 1",
        name="value_or_reason",
    ),
)

event = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    # As text: the hash of a line is over these very characters.
    Column("at", String(32), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor", String(64), nullable=False, index=True),
    Column("payload", Text),
    Column("payload_sha256", String(64), nullable=False),
    Column("previous_hash", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# One row for each request to the judge. It is there before the request is sent ("sent"), so that a
# run that is killed leaves behind which requests may have been paid for.
verdict_call = Table(
    "verdict_call",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("cache_key", String(64), nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("probe", String(32), nullable=False),
    Column("rubric_id", String(64), nullable=False),
    Column("rubric_version", String(32), nullable=False),
    Column("rubric_sha256", String(64), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("scoring", String(16), nullable=False),
    Column("prompt_id", String(64), nullable=False),
    Column("response_id", String(24), ForeignKey("response.id")),
    Column("plan", Text, nullable=False),
    Column("replicate", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("request", Text, nullable=False),
    Column("reply", Text),
    Column("failure", Text),
    Column("returned_model", Text),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("cost", Float),
    Column("cost_is_bound", Boolean, nullable=False),
    Column("latency_s", Float),
    Column("attempts", Integer, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("batch_id", Text),
    Column("sent_at", Time, nullable=False),
    Column("answered_at", Time),
    Column("system_fingerprint", Text),
    UniqueConstraint("cache_key", "round"),
    CheckConstraint("state IN ('sent', 'answered', 'failed')", name="state"),
    CheckConstraint("(state = 'answered') = (reply IS NOT NULL)", name="reply"),
)

verdict = Table(
    "verdict",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("call_id", Integer, ForeignKey("verdict_call.id"), nullable=False),
    Column("parser_version", Integer, nullable=False),
    Column("criterion", String(64), nullable=False),
    Column("outcome", String(24), nullable=False),
    Column("value", Float),
    Column("label", String(64)),
    Column("low", Float),
    Column("high", Float),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("parsed_at", Time, nullable=False),
    UniqueConstraint("call_id", "parser_version", "criterion"),
    CheckConstraint(
        "(outcome = 'scored') = (value IS NOT NULL OR label IS NOT NULL)", name="scored"
    ),
)

review_case = Table(
    "review_case",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("response_id", String(24), ForeignKey("response.id"), nullable=False),
    Column("criterion", String(64), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("opened_at", Time, nullable=False),
    Column("decision", String(24)),
    Column("note", Text),
    Column("decided_by", Text),
    Column("decided_at", Time),
    UniqueConstraint("kind", "response_id", "criterion"),
    CheckConstraint("state IN ('open', 'decided')", name="state"),
    CheckConstraint("(state = 'decided') = (decision IS NOT NULL)", name="decision"),
)

# Pages of one rater's way that are passed once: practice, breaks.
passage = Table(
    "passage",
    metadata,
    Column("rater_id", String(24), ForeignKey("rater.id"), primary_key=True),
    Column("step", String(40), primary_key=True),
    Column("at", Time, nullable=False),
)

# What stands on a rater's page and is not saved yet; a page is an assignment or a step before them.
draft = Table(
    "draft",
    metadata,
    Column("rater_id", String(24), ForeignKey("rater.id"), primary_key=True),
    Column("page", String(64), primary_key=True),
    Column("content", Text, nullable=False),
    Column("saved_at", Time, nullable=False),
)

# Answers to checks of comprehension and attention; they are no ratings.
check_answer = Table(
    "check_answer",
    metadata,
    Column("rater_id", String(24), ForeignKey("rater.id"), primary_key=True),
    Column("check_id", String(64), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("value", Integer, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("saved_at", Time, nullable=False),
    CheckConstraint("kind IN ('comprehension', 'attention')", name="kind"),
)
