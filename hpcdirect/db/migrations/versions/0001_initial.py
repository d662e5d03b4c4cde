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

"""The tables of the first release."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(36)
NAME = sa.String(255)
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
TEXT = sa.Text().with_variant(mysql.LONGTEXT(), 'mysql', 'mariadb')
SERIAL = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade():
    """Make them, those that others point to first."""
    _clusters()
    _events()
    _idempotency_keys()
    _deployments()
    _layers()
    _nodes()
    _secrets()
    _runs()
    _steps()
    _log_chunks()


def _clusters():
    op.create_table(
        'clusters',
        sa.Column('id', ID, nullable=False),
        sa.Column('project_id', NAME, nullable=False),
        sa.Column('user_id', NAME, nullable=False),
        sa.Column('name', NAME, nullable=False),
        sa.Column('deleted', ID, nullable=False),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('status', sa.String(16), nullable=False),
        sa.Column('status_reason', sa.Text(), nullable=False),
        sa.Column('blueprint', NAME, nullable=False),
        sa.Column('blueprint_version', sa.String(64), nullable=False),
        sa.Column('backend', sa.String(64), nullable=False),
        sa.Column('backend_ref', NAME, nullable=False),
        sa.Column('generation', sa.Integer(), nullable=False),
        sa.Column('desired', sa.JSON(), nullable=False),
        sa.Column('outputs', sa.JSON(), nullable=False),
        sa.Column('owner', NAME, nullable=False),
        sa.Column('epoch', sa.Integer(), nullable=False),
        sa.Column('lease_until', sa.Double(), nullable=False),
        sa.Column('due_at', sa.Double(), nullable=True),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.Column('updated_at', MOMENT, nullable=False),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint(
            'project_id', 'name', 'deleted', name='uniq_clusters_project_name'
        ),
    )
    op.create_index('ix_clusters_due', 'clusters', ['deleted', 'due_at'])
    op.create_index(
        'ix_clusters_page', 'clusters', ['project_id', 'created_at', 'id']
    )


def _events():
    op.create_table(
        'events',
        sa.Column('id', SERIAL, autoincrement=True, nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('project_id', NAME, nullable=False),
        sa.Column('deployment_id', ID, nullable=False),
        sa.Column('step_id', ID, nullable=False),
        sa.Column('run_id', ID, nullable=False),
        sa.Column('kind', sa.String(16), nullable=False),
        sa.Column('level', sa.String(8), nullable=False),
        sa.Column('node', NAME, nullable=False),
        sa.Column('element', NAME, nullable=False),
        sa.Column('verb', sa.String(16), nullable=False),
        sa.Column('task', sa.Text(), nullable=False),
        sa.Column('result', sa.String(16), nullable=True),
        sa.Column('seconds', sa.Double(), nullable=True),
        sa.Column('message', sa.Text(), nullable=False),
        sa.Column('at', MOMENT, nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_events_cluster', 'events', ['cluster_id', 'id'])
    op.create_index('ix_events_deployment', 'events', ['deployment_id', 'id'])
    op.create_index('ix_events_project', 'events', ['project_id', 'id'])
    op.create_index('ix_events_run', 'events', ['run_id', 'id'])


def _idempotency_keys():
    op.create_table(
        'idempotency_keys',
        sa.Column('project_id', NAME, nullable=False),
        sa.Column('key_text', NAME, nullable=False),
        sa.Column('body_digest', sa.String(64), nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.PrimaryKeyConstraint('project_id', 'key_text'),
    )


def _deployments():
    op.create_table(
        'deployments',
        sa.Column('id', ID, nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('project_id', NAME, nullable=False),
        sa.Column('user_id', NAME, nullable=False),
        sa.Column('roles', sa.JSON(), nullable=False),
        sa.Column('service', NAME, nullable=False),
        sa.Column('request_id', NAME, nullable=False),
        sa.Column('operation', sa.String(16), nullable=False),
        sa.Column('generation', sa.Integer(), nullable=False),
        sa.Column('desired_digest', sa.String(64), nullable=False),
        sa.Column('signature', sa.String(64), nullable=False),
        sa.Column('status', sa.String(16), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('plan', sa.JSON(), nullable=False),
        sa.Column('failures', sa.JSON(), nullable=False),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.Column('started_at', MOMENT, nullable=True),
        sa.Column('finished_at', MOMENT, nullable=True),
        sa.ForeignKeyConstraint(['cluster_id'], ['clusters.id']),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index(
        'ix_deployments_cluster', 'deployments', ['cluster_id', 'created_at']
    )
    op.create_index(
        'ix_deployments_page',
        'deployments',
        ['project_id', 'created_at', 'id'],
    )


def _layers():
    op.create_table(
        'layers',
        sa.Column('id', ID, nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('node', NAME, nullable=False),
        sa.Column('incarnation', sa.Integer(), nullable=False),
        sa.Column('element', sa.String(128), nullable=False),
        sa.Column('role', sa.String(64), nullable=False),
        sa.Column('version', sa.String(64), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('digest', sa.String(64), nullable=False),
        sa.Column('state', sa.String(16), nullable=False),
        sa.Column('verified', sa.Boolean(), nullable=False),
        sa.Column('inputs', sa.JSON(), nullable=False),
        sa.Column('run_id', ID, nullable=False),
        sa.Column('updated_at', MOMENT, nullable=False),
        sa.ForeignKeyConstraint(['cluster_id'], ['clusters.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint(
            'cluster_id',
            'node',
            'element',
            'role',
            name='uniq_layers_node_element',
        ),
    )


def _nodes():
    op.create_table(
        'nodes',
        sa.Column('id', ID, nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('name', NAME, nullable=False),
        sa.Column('node_group', NAME, nullable=False),
        sa.Column('incarnation', sa.Integer(), nullable=False),
        sa.Column('status', sa.String(16), nullable=False),
        sa.Column('ref', NAME, nullable=False),
        sa.Column('address', sa.String(64), nullable=False),
        sa.Column('ssh', sa.JSON(), nullable=False),
        sa.Column('fault', sa.Text(), nullable=False),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.Column('updated_at', MOMENT, nullable=False),
        sa.ForeignKeyConstraint(['cluster_id'], ['clusters.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint('cluster_id', 'name', name='uniq_nodes_name'),
    )


def _secrets():
    op.create_table(
        'secrets',
        sa.Column('id', ID, nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('element', sa.String(128), nullable=False),
        sa.Column('name', sa.String(64), nullable=False),
        sa.Column('version', sa.Integer(), nullable=False),
        sa.Column('sealed', TEXT, nullable=False),
        sa.ForeignKeyConstraint(['cluster_id'], ['clusters.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint(
            'cluster_id',
            'element',
            'name',
            'version',
            name='uniq_secrets_name',
        ),
    )


def _runs():
    op.create_table(
        'runs',
        sa.Column('id', ID, nullable=False),
        sa.Column('cluster_id', ID, nullable=False),
        sa.Column('project_id', NAME, nullable=False),
        sa.Column('deployment_id', ID, nullable=False),
        sa.Column('step_id', ID, nullable=False),
        sa.Column('verb', sa.String(16), nullable=False),
        sa.Column('element', NAME, nullable=False),
        sa.Column('nodes', sa.JSON(), nullable=False),
        sa.Column('status', sa.String(16), nullable=False),
        sa.Column('cause', sa.JSON(), nullable=True),
        sa.Column('summary', sa.JSON(), nullable=False),
        sa.Column('log_size', sa.Integer(), nullable=False),
        sa.Column('runner', sa.String(64), nullable=False),
        sa.Column('process', sa.JSON(), nullable=True),
        sa.Column('created_at', MOMENT, nullable=False),
        sa.Column('started_at', MOMENT, nullable=True),
        sa.Column('finished_at', MOMENT, nullable=True),
        sa.ForeignKeyConstraint(['cluster_id'], ['clusters.id']),
        sa.ForeignKeyConstraint(['deployment_id'], ['deployments.id']),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_runs_cluster', 'runs', ['cluster_id', 'created_at'])
    op.create_index(
        'ix_runs_deployment', 'runs', ['deployment_id', 'created_at']
    )


def _steps():
    op.create_table(
        'steps',
        sa.Column('id', ID, nullable=False),
        sa.Column('deployment_id', ID, nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(16), nullable=False),
        sa.Column('element', NAME, nullable=False),
        sa.Column('nodes', sa.JSON(), nullable=False),
        sa.Column('status', sa.String(16), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('started_at', MOMENT, nullable=True),
        sa.Column('finished_at', MOMENT, nullable=True),
        sa.ForeignKeyConstraint(['deployment_id'], ['deployments.id']),
        sa.PrimaryKeyConstraint('id'),
        sa.UniqueConstraint(
            'deployment_id', 'position', name='uniq_steps_position'
        ),
    )


def _log_chunks():
    op.create_table(
        'log_chunks',
        sa.Column('run_id', ID, nullable=False),
        sa.Column(
            'start', sa.BigInteger(), autoincrement=False, nullable=False
        ),
        sa.Column('text', TEXT, nullable=False),
        sa.ForeignKeyConstraint(['run_id'], ['runs.id']),
        sa.PrimaryKeyConstraint('run_id', 'start'),
    )
