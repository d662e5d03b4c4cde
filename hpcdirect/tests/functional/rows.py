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

"""Rows as a conductor would have written them."""

from hpcdirect.db import models
from hpcdirect.db.plans import Plan
from hpcdirect.planning.state import State


def converged(database, cluster_id):
    """A cluster at rest, with all that is told of one."""
    with database.write() as session:
        cluster = session.get_one(models.Cluster, cluster_id)
        cluster.status, cluster.outputs = 'ACTIVE', {'url': 'x'}
        deployment = session.query(models.Deployment).filter_by(
            cluster_id=cluster_id).one()
        deployment.status = 'SUCCEEDED'
        deployment.started_at = deployment.finished_at = models.now()
        deployment.plan = [{'kind': 'apply', 'element': 'munge',
                            'nodes': ['head-0'], 'reason': 'new'}]
        project = cluster.project_id
        for position, (kind, status) in enumerate(
                (('provision', 'SUCCEEDED'), ('apply', 'RUNNING'))):
            session.add(models.Step(
                id=f'step{position}-{cluster_id[:8]}', position=position,
                deployment_id=deployment.id, kind=kind, nodes=['head-0'],
                element='munge' if kind == 'apply' else '', status=status))
        for name in ('head-0', 'compute-0', 'compute-1'):
            session.add(models.Node(
                cluster_id=cluster_id, name=name,
                group=name.rpartition('-')[0], address='192.0.2.1',
                status='BUILDING' if name == 'compute-1' else 'UP',
                ssh={'host': '192.0.2.1', 'port': 22, 'user': 'root',
                     'via': '', 'host_key': 'ssh-ed25519 AAAA'}))
            session.add(models.Layer(
                cluster_id=cluster_id, node=name, incarnation=1,
                element='munge', role='node', version='1.0.0', position=0,
                digest='d', state='applied', verified=True))
        run = models.Run(
            cluster_id=cluster_id, project_id=project,
            deployment_id=deployment.id, step_id=f'step1-{cluster_id[:8]}',
            verb='apply', element='munge', nodes=['head-0'],
            status='SUCCEEDED', runner='fake', log_size=12,
            summary={'head-0': {'ok': 2, 'changed': 1}})
        session.add(run)
        session.flush()
        for start in (0, 4, 8):
            session.add(models.LogChunk(run_id=run.id, start=start,
                                        text=f'ab{start}\n'))
        for number in range(3):
            session.add(models.Event(
                cluster_id=cluster_id, project_id=project, run_id=run.id,
                deployment_id=deployment.id, kind='task', node='head-0',
                level='error' if number == 2 else 'info', element='munge',
                verb='apply', task='install', result='ok', seconds=0.5))
        return run.id


#: A user, as the state has it.
ANN = {'uid': 20001, 'keys': [], 'groups': [], 'shell': '/bin/bash',
       'sudo': False, 'expires_at': None, 'state': 'on'}


def peopled(services, cluster_id):
    """A cluster has what makes accounts, and one of them."""
    with services.database.write() as session:
        cluster = session.get_one(models.Cluster, cluster_id)
        sign(session, services.keys, cluster, wanted(
            cluster, elements=[{
                'name': 'people', 'version': '1.0.0',
                'roles': {'node': ['head', 'compute']}}],
            users={'ann': ANN}))


def wanted(row, **members):
    """What is wanted in a row, with some members of its JSON otherwise."""
    return State.from_json({**row.desired.to_json(), **members})


def sign(session, keys, cluster, desired, generation=None):
    """What is wanted was asked for like this, at a generation or now."""
    number = generation or cluster.generation
    if number == cluster.generation:
        cluster.desired = desired
    session.query(models.Generation).filter_by(
        cluster_id=cluster.id, generation=number).one().desired = desired
    for row in session.query(models.Deployment).filter_by(
            cluster_id=cluster.id, generation=number):
        row.desired_digest = desired.digest
        row.signature = keys.sign(row.signed_part)


def plan(database, cluster_id):
    """A plan that was shown of a cluster; its id."""
    with database.write() as session:
        cluster = session.get_one(models.Cluster, cluster_id)
        row = Plan(
            cluster_id=cluster_id, project_id=cluster.project_id,
            user_id='someone', generation=cluster.generation,
            fingerprint='f', change={'parameters': {}}, shown={
                'refused': False, 'seconds': None, 'changes': [],
                'steps': []})
        session.add(row)
        session.flush()
        return row.id
