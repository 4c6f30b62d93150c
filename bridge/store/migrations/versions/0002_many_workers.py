"""Several workers, tallies, alerts and erasures; text columns without a length.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_alerts")),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("installation", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("network", sa.String(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("remains", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("labels", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", name=op.f("pk_tallies")),
    )
    op.add_column("messages", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("workers", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tickets", sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tickets", sa.Column("swept_to", sa.DateTime(timezone=True), nullable=True))
    for table, columns in (
        ("cases", ["network", "author_id"]),
        ("cases", ["closed_at"]),
        ("deliveries", ["received_at"]),
        ("messages", ["network", "author_id"]),
        ("messages", ["received_at"]),
    ):
        op.create_index(f"ix_{table}_{columns[-1].removesuffix('_id')}", table, columns)
    op.create_index("ix_leases_until", "leases", ["until"])
    op.create_index("ix_deliveries_heard", "deliveries", ["source", "account", "received_at"])
    _widen()


def _widen() -> None:
    """Take the lengths off text columns where the database enforces them; SQLite never has."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            if getattr(column["type"], "length", None) in (255, 1024, 1100):
                op.alter_column(table, column["name"], type_=sa.String())
