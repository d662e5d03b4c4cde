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

"""Rows by the thousand, so that a database finds indexes worth while."""

import datetime

import sqlalchemy as sa

from hpcdirect.db import models
from hpcdirect.db.orders import IdempotencyKey
from hpcdirect.db.plans import Plan
from hpcdirect.planning.state import Slot
from hpcdirect.planning.state import State

BEGIN = datetime.datetime(2026, 1, 1)
DESIRED = State('small', '1.2.0', groups={
    'head': (Slot('head-0'),), 'compute': ()})


def moment(number):
    """Every row its own; a few share one."""
    return BEGIN + datetime.timedelta(seconds=number // 3)


def fill(database, clusters=2000, projects=20):
    """Clusters, two of three of them at rest, with a run and events each."""
    numbers = range(clusters)
    own = [{'cluster_id': f'c{number}', 'project_id': f'p{number % projects}',
            'created_at': moment(number)} for number in numbers]
    with database.write() as session:
        session.execute(sa.insert(models.Cluster), [{
            'id': f'c{number}', 'name': f'n{number}', 'user_id': 'me',
            'project_id': f'p{number % projects}',
            'deleted': '' if number % 10 else f'c{number}',
            'status': 'ACTIVE' if number % 3 else 'ERROR',
            'blueprint': 'small', 'blueprint_version': '1.2.0',
            'backend': 'fake', 'desired': DESIRED, 'due_at': float(number),
            'expires_at': moment(number), 'created_at': moment(number),
            'updated_at': moment(-number)} for number in numbers])
        session.execute(sa.insert(models.Node), [{
            'id': f'{kind}{number}', 'cluster_id': f'c{number}',
            'name': f'{kind}-0', 'group': kind, 'incarnation': 1,
            'status': 'UP'} for number in numbers
            for kind in ('head', 'compute')])
        session.execute(sa.insert(models.Deployment), [{
            **one, 'id': f'd{number}', 'user_id': 'me', 'roles': [],
            'operation': 'create', 'generation': 1, 'desired_digest': '',
            'signature': '', 'status': 'SUCCEEDED'}
            for number, one in enumerate(own)])
        session.execute(sa.insert(models.Run), [{
            **one, 'id': f'r{number}', 'deployment_id': f'd{number}',
            'step_id': f's{number}', 'verb': 'apply', 'element': 'munge',
            'nodes': [], 'status': 'SUCCEEDED', 'runner': 'fake'}
            for number, one in enumerate(own)])
        session.execute(sa.insert(Plan), [{
            **one, 'id': f'l{number}', 'user_id': 'me', 'generation': 1,
            'fingerprint': '', 'change': {}, 'shown': {}}
            for number, one in enumerate(own)])
        session.execute(sa.insert(IdempotencyKey), [{
            **one, 'key': f'k{number}', 'body_digest': ''}
            for number, one in enumerate(own)])
        session.execute(sa.insert(models.Event), [{
            'cluster_id': one['cluster_id'], 'project_id': one['project_id'],
            'kind': 'task', 'level': 'info', 'at': one['created_at']}
            for one in own for _ in range(2)])
    with database.engine.begin() as connection:
        names = ', '.join(models.Base.metadata.tables)
        connection.exec_driver_sql(
            'ANALYZE' if database.engine.dialect.name == 'sqlite'
            else f'ANALYZE TABLE {names}')
