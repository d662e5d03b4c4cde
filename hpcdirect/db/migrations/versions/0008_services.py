# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      https://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The processes of the service."""

from alembic import op
import sqlalchemy as sa

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

NAME = sa.String(255)


def upgrade():
    """Make the table."""
    op.create_table(
        'services',
        sa.Column('id', sa.String(36), nullable=False),
        sa.Column('program', sa.String(64), nullable=False),
        sa.Column('host', NAME, nullable=False),
        sa.Column('pid', sa.Integer(), nullable=False),
        sa.Column('process', NAME, nullable=False),
        sa.Column('version', sa.String(64), nullable=False),
        sa.Column('seconds', sa.Double(), nullable=False),
        sa.Column('started_at', sa.Double(), nullable=False),
        sa.Column('seen_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
