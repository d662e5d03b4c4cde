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

"""Indexes for what a project's overview counts: clusters and nodes."""

from alembic import op
import sqlalchemy as sa

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

INDEXES = (
    ('clusters', 'ix_clusters_counted',
     ('project_id', 'deleted', 'status', 'blueprint')),
    ('nodes', 'ix_nodes_counted', ('cluster_id', 'status')),
)


def upgrade():
    """Make those that are missing; see 0005."""
    for table, name, columns in INDEXES:
        known = {one['name'] for one in sa.inspect(
            op.get_bind()).get_indexes(table)}
        if name not in known:
            op.create_index(name, table, list(columns))
