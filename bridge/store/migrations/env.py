"""Alembic's way in. The connection is ours (`Database.migrate`), so there is no URL here."""

from alembic import context

from bridge.store.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
