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

"""Nodes that are up are counted, by node group, from an index alone."""

from alembic import op
import sqlalchemy as sa

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade():
    """Make the index, and drop the one that it begins with; see 0005."""
    known = {one['name'] for one in sa.inspect(
        op.get_bind()).get_indexes('nodes')}
    if 'ix_nodes_up' not in known:
        op.create_index('ix_nodes_up', 'nodes',
                        ['cluster_id', 'status', 'node_group'])
    if 'ix_nodes_counted' in known:
        op.drop_index('ix_nodes_counted', 'nodes')
