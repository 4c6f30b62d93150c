"""Whether something is tried again is seen without reading all that waits for its first try.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    put_off = sa.text("state = 'received' AND due_at > received_at")
    op.create_index(
        "ix_deliveries_put_off",
        "deliveries",
        ["state", "due_at"],
        sqlite_where=put_off,
        postgresql_where=put_off,
    )
