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


"""/v1/plans"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpcdirect.api import request
from hpcdirect.api.request import Body
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters
from hpcdirect.api.schemas import common
from hpcdirect.api.schemas.common import when
from hpcdirect.api.schemas.generations import DIFFERENCE
from hpcdirect.api.services import Services
from hpcdirect.db import plans as stored
from hpcdirect.jsontypes import Object
from hpcdirect.orders import plans
from hpcdirect.policies import plans as policies
from hpcdirect.states import StepKind
from hpcdirect.states import Verdict

_CLUSTER = common.text('Id or name of the cluster.', minLength=1,
                       maxLength=255)

CREATE = common.closed({
    'create': {**clusters.CREATE, 'description': 'What a new cluster would '
               'be; goes alone.'},
    'cluster': _CLUSTER,
    'change': common.closed(clusters.CHANGE, (), description='What is wanted '
                            'otherwise of it; empty: what a retry or a '
                            'repair would do.'),
    'delete': {'type': 'boolean', 'const': True,
               'description': 'It is to go.'},
}, (), oneOf=[
    {'required': ['create'], 'maxProperties': 1},
    {'required': ['cluster', 'change'], 'maxProperties': 2},
    {'required': ['cluster', 'delete'], 'maxProperties': 2},
], **common.LARGE)

_SECONDS = common.maybe({
    'type': 'number', 'description': 'What it took before, the median of '
    'the project\'s; null when it was never done.'})

SHOW = common.closed({
    'id': common.maybe(common.text(
        'By which just this can be asked for; null when it is not kept.')),
    'cluster_id': common.maybe(common.ID),
    'generation': common.maybe(common.number(
        'The generation of the cluster it was made at.')),
    'refused': {'type': 'boolean', 'description': 'It cannot be done.'},
    'stale': common.text('Why it does not hold any more, or "".'),
    'seconds': _SECONDS,
    'differences': common.items(
        DIFFERENCE, 'What is wanted otherwise than now, but for nodes; none '
        'of a new cluster, and of one that is to go.'),
    'changes': common.items(common.closed({
        'verdict': common.text('What becomes of it.', enum=list(Verdict)),
        'subject': common.text(
            'The element; "" for machines; a JSON path when refused.'),
        'nodes': common.words('The nodes it touches.'),
        'out': common.number('Nodes that do no work at one time.'),
        'reason': common.text('Why.'),
        'lost': common.words('Paths whose data goes with the machines.'),
        'kept': common.words('Paths whose data stays.'),
        'seconds': _SECONDS,
    }), 'What becomes of what is there.'),
    'steps': common.items(common.closed({
        'kind': common.text('What is done.', enum=list(StepKind)),
        'element': common.text('The element, or "".'),
        'nodes': common.words('The nodes.'),
        'reason': common.text('Why.'), 'seconds': _SECONDS,
    }), 'What would be done, in order.'),
    'needs': common.items(common.closed({
        'type': common.text('Machines that are alike, as capacity calls '
                            'them.'),
        'wanted': common.number('How many it takes.'),
        'free': common.maybe(common.number(
            'How many could be had now; null when there is no limit, or '
            'nobody says.')),
        'fits': {'type': ['boolean', 'null'], 'description':
                 'Whether so many can be had; null when nobody can tell.'},
    }), 'Machines that it takes besides those there are.'),
    'quotas': common.items(common.closed({
        **common.QUOTA,
        'wanted': common.number('How much of it this takes.'),
        'after': common.number('How much the project would have.'),
        'fits': {'type': 'boolean', 'description': 'Whether it may.'},
    }), 'What the cloud lets the project have, before and after.'),
    'created_at': common.maybe(common.MOMENT),
})

#: What a plan says by which no machine comes, and nothing is otherwise.
_NOTHING_NEW: Object = {'differences': [], 'needs': [], 'quotas': []}


def passing(shown: Mapping[str, Any]) -> Object:
    """A plan that is not kept."""
    return {'id': None, 'cluster_id': None, 'generation': None, 'stale': '',
            'created_at': None, **_NOTHING_NEW, **shown}


def view(row: stored.Plan, stale: str) -> Object:
    """A plan that is kept.

    :param stale: why it does not hold any more.
    """
    return {'id': row.id, 'cluster_id': row.cluster_id,
            'generation': row.generation, 'stale': stale,
            'created_at': when(row.created_at), **_NOTHING_NEW,
            **row.shown}


class Plans(Resource):
    """What would be done."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Plan(services))

    @request.schemas(body=CREATE, response=SHOW)
    def post(self, body: Body) -> Object:
        """Show what a wish would do; nothing is done.

        A plan of a change is kept, and can be asked for by its id: PATCH
        the cluster with it.
        """
        # Only it says whose leave is needed.
        asked, wrong = body.looked_at()
        created = plans.creation_of(asked, wrong)
        if created is not None:
            self.authorize(policies.CREATE)
            return passing(plans.of_creation(
                self.services, self.context, *created))
        found = self.cluster(asked['cluster'], policies.CREATE)
        if 'delete' in asked:
            return passing(plans.of_deletion(self.services, found))
        return view(plans.of_change(
            self.services, self.context, found, asked['change']), '')


class Plan(Resource):
    """One plan."""

    param = 'plan'

    @request.schemas(response=SHOW)
    def get(self, plan: str) -> Object:
        """Show a plan again, and whether it still holds."""
        self.authorize(policies.SHOW)
        with self.services.database.read() as session:
            row = stored.get(session, self.reach, plan)
            return view(row, plans.what_moved(
                self.services, session, row))
