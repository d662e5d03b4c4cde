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


"""Indexes for large tables; texts are compared by what they are."""

from alembic import op
import sqlalchemy as sa

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

INDEXES = (
    ('clusters', 'ix_clusters_list',
     ('project_id', 'deleted', 'created_at', 'id')),
    ('clusters', 'ix_clusters_all', ('deleted', 'created_at', 'id')),
    ('clusters', 'ix_clusters_names', ('deleted', 'name', 'id')),
    ('clusters', 'ix_clusters_status',
     ('deleted', 'status', 'created_at', 'id')),
    ('clusters', 'ix_clusters_updated', ('deleted', 'updated_at', 'id')),
    ('clusters', 'ix_clusters_turn', ('deleted', 'due_at', 'lease_until')),
    ('clusters', 'ix_clusters_owner', ('owner',)),
    ('clusters', 'ix_clusters_end',
     ('deleted', 'expires_at', 'expiry_told', 'protected')),
    ('deployments', 'ix_deployments_all', ('created_at', 'id')),
    ('runs', 'ix_runs_page', ('project_id', 'created_at', 'id')),
    ('runs', 'ix_runs_all', ('created_at', 'id')),
    ('runs', 'ix_runs_step', ('step_id',)),
    ('events', 'ix_events_level', ('project_id', 'level', 'id')),
    ('plans', 'ix_plans_cluster', ('cluster_id',)),
    ('idempotency_keys', 'ix_idempotency_keys_age', ('created_at',)),
    ('idempotency_keys', 'ix_idempotency_keys_cluster', ('cluster_id',)),
)
REFERENCES = (
    *((table, 'cluster_id', 'clusters') for table in (
        'cluster_tags', 'deployments', 'generations', 'layers', 'nodes',
        'plans', 'runs', 'secrets')),
    ('runs', 'deployment_id', 'deployments'),
    ('steps', 'deployment_id', 'deployments'),
    ('log_chunks', 'run_id', 'runs'),
)


def upgrade():
    """Make indexes that are missing.

    MariaDB keeps what was done of a migration that did not come to its end;
    each part looks whether it was.
    """
    bind = op.get_bind()
    if bind.dialect.name in ('mysql', 'mariadb'):
        _compare_bytes(bind)
    for table, name, columns in INDEXES:
        known = {one['name'] for one in sa.inspect(bind).get_indexes(table)}
        if name not in known:
            op.create_index(name, table, list(columns))
    # SQLite's whole numbers have 64 bits as they are.
    if bind.dialect.name != 'sqlite':
        op.alter_column('runs', 'log_size', type_=sa.BigInteger(),
                        existing_type=sa.Integer(), existing_nullable=False)


def _compare_bytes(bind):
    """Have MariaDB tell big letters from small ones, as others do.

    Keystone's identifiers and the keys of requests are exact. What later
    migrations make inherits it from the database.
    """
    name = bind.exec_driver_sql('SELECT DATABASE()').scalar()
    quoted = bind.dialect.identifier_preparer.quote
    how = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'
    bind.exec_driver_sql(f'ALTER DATABASE {quoted(name)} {how}')
    # A column that others refer to cannot be changed.
    for table in sa.inspect(bind).get_table_names():
        for key in sa.inspect(bind).get_foreign_keys(table):
            op.drop_constraint(key['name'], table, type_='foreignkey')
    for table in sa.inspect(bind).get_table_names():
        bind.exec_driver_sql(f'ALTER TABLE {quoted(table)} CONVERT TO {how}')
    # They all hold; to check that would take long.
    bind.exec_driver_sql('SET SESSION foreign_key_checks = 0')
    try:
        for table, column, parent in REFERENCES:
            op.create_foreign_key(None, table, parent, [column], ['id'])
    finally:
        bind.exec_driver_sql('SET SESSION foreign_key_checks = 1')
