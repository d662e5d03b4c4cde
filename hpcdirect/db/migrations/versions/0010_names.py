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


"""Who asked, and for which project, is kept by name as well."""

from alembic import op
import sqlalchemy as sa

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade():
    """Add the columns; nobody knows the names in rows that are there."""
    for table, column in (
            ('clusters', 'project_name'), ('clusters', 'user_name'),
            ('generations', 'user_name'), ('deployments', 'user_name')):
        op.add_column(table, sa.Column(
            column, sa.String(255), nullable=False, server_default=''))
