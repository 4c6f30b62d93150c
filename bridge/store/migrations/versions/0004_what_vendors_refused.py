"""What a vendor refused and nobody has looked at is reached without reading all that was ever refused.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    refused = sa.text("state = 'refused' AND decided_by IS NULL")
    op.create_index(
        "ix_intents_refused",
        "intents",
        ["state", "decided_by"],
        sqlite_where=refused,
        postgresql_where=refused,
    )
