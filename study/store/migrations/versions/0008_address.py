"""The address under which raters reach the server, as it was given last."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("study", sa.Column("address", sa.Text))
