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


"""Generations of what is wanted; protection, tags and expiry."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

ID = sa.String(36)
NAME = sa.String(255)
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
WORD = sa.String(64).with_variant(
    mysql.VARCHAR(64, collation='utf8mb4_bin'), 'mysql', 'mariadb')

# What came before the newest generation was not kept, and is not to be had.
# Who wanted the newest is whoever the first of its deployments was for; the
# later ones tried again.
NEWEST = """
INSERT INTO generations
    (id, cluster_id, generation, user_id, operation, desired, created_at)
SELECT id, id, generation,
    COALESCE((SELECT first.user_id FROM deployments AS first
              WHERE first.cluster_id = clusters.id
              AND first.generation = clusters.generation
              ORDER BY first.created_at LIMIT 1), user_id),
    COALESCE((SELECT first.operation FROM deployments AS first
              WHERE first.cluster_id = clusters.id
              AND first.generation = clusters.generation
              ORDER BY first.created_at LIMIT 1), 'create'),
    desired,
    COALESCE((SELECT MIN(created_at) FROM deployments
              WHERE cluster_id = clusters.id
              AND generation = clusters.generation), updated_at)
FROM clusters WHERE deleted = ''
"""


def upgrade():
    """Make columns and tables; keep the generations that are in force."""
    op.add_column('clusters', sa.Column(
        'protected', sa.Boolean(), nullable=False,
        server_default=sa.false()))
    op.add_column('clusters', sa.Column('expires_at', MOMENT, nullable=True))
    op.add_column('clusters', sa.Column('expires_by', sa.JSON(),
                                        nullable=True))
    op.add_column('clusters', sa.Column('expiry_told', sa.Double(),
                                        nullable=True))
    op.create_index('ix_clusters_expiry', 'clusters',
                    ['deleted', 'expires_at'])
    op.create_table(
        'cluster_tags',
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('tag', WORD, nullable=False),
        sa.ForeignKeyConstraint(['cluster_id'], ['clusters.id']),
        sa.PrimaryKeyConstraint('cluster_id', 'tag'),
    )
    op.create_index('ix_cluster_tags_tag', 'cluster_tags', ['tag'])
    op.create_table(
        'generations',
        sa.Column('id', ID, nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('generation', sa.Integer(), nullable=False),
        sa.Column('user_id', NAME, nullable=False),
        sa.Column('operation', sa.String(16), nullable=False),
        sa.Column('desired', sa.JSON(), nullable=False),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.ForeignKeyConstraint(['cluster_id'], ['clusters.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('cluster_id', 'generation',
                            name='uniq_generations_generation'),
    )
    op.execute(NEWEST)
