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

"""What the ERROR of a cluster is stands beside it."""

from alembic import op
import sqlalchemy as sa

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade():
    """Add the column; a release that does not know it writes nothing."""
    if 'error' not in {one['name'] for one in sa.inspect(
            op.get_bind()).get_columns('clusters')}:
        op.add_column('clusters', sa.Column(
            'error', sa.String(16), nullable=False, server_default=''))
