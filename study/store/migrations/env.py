"""Alembic runs this for every migration; the connection comes from ``study.store.database``."""

from alembic import context

from study.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
