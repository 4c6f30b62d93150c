"""What is asked often is asked through an index, however much waits or ever was.

Whether a delivery is tried again, which cases were closed lately, and what a sweep found.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, table, columns, condition in (
        (
            "ix_deliveries_put_off",
            "deliveries",
            ["state", "due_at"],
            "state = 'received' AND due_at > received_at",
        ),
        ("ix_cases_lately", "cases", ["network", "account", "closed_at"], "closed_at IS NOT NULL"),
        ("ix_events_found", "events", ["kind", "at"], "kind = 'found'"),
    ):
        where = sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
