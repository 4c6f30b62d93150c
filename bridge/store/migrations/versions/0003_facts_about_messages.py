"""What routes may ask of a message besides: its kind, its author's reach, severity, sentiment.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("followers", sa.BigInteger(), nullable=True))
    for name in ("kind", "severity", "sentiment"):
        op.add_column("messages", sa.Column(name, sa.String(), nullable=True))
