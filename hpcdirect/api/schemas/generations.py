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


"""The schemas and the views of generations."""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
from typing import Any

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments
from hpcdirect.jsontypes import Object
from hpcdirect.planning.revisions import Difference
from hpcdirect.planning.revisions import Revision
from hpcdirect.states import DeploymentStatus

_BRIEF = {
    'id': common.ID,
    'generation': common.number('Its number.'),
    'operation': deployments.OPERATION,
    'user_id': common.text('Who asked.'), 'user_name': common.USER_NAME,
    'status': common.maybe(common.text(
        'How the latest attempt to reach it stands.',
        enum=[*DeploymentStatus, None])),
    'deployment_id': common.maybe(common.text(
        'That attempt; null when none was kept.')),
    'blueprint': common.text('The blueprint.'),
    'blueprint_version': common.text('Its version.'),
    'created_at': common.MOMENT,
    'allowed': common.closed({'clone': common.text(
        'Why no cluster may be made like it, a sentence; or "".')},
        description='What the caller may do with it.'),
}
_ANY = {'description': 'How it was or is; null when it is not there.'}
#: One thing that is otherwise.
DIFFERENCE = common.closed({
    'kind': common.text(
        'blueprint, cluster, parameter, element, node, users.'),
    'subject': common.text('Its name.'), 'before': _ANY, 'after': _ANY})

SHOW = common.closed({
    **_BRIEF,
    'deleted': {'type': 'boolean', 'description': 'It was to go.'},
    'parameters': common.anything('Parameters; secrets are hidden.'),
    'node_groups': common.items(common.closed({
        'name': common.text('The node group.'),
        'slots': common.items(common.closed({
            'name': common.text('The node.'),
            'incarnation': common.number(
                'Raised when it gets another machine.')}), 'Its nodes.'),
    }), 'Machines that are alike.'),
    'elements': common.items(common.closed({
        'name': common.text('The element.'),
        'version': common.text('Its version.'),
        'on': {'type': 'boolean', 'description': 'It was to be there.'},
    }), 'Elements; none when the catalogue knows the blueprint no more.'),
    'differences': {'type': ['array', 'null'], 'description':
                    'From the generation of the query to this one; null '
                    'when none was asked for.', 'items': DIFFERENCE},
})

_ENTRY = common.closed(_BRIEF)
LIST = common.listed('generations', _ENTRY, 'Generations.')
FILTERS = {'operation': deployments.OPERATION}
LIST_QUERY = common.query(_ENTRY, FILTERS, ('generation', 'created_at'))
QUERY = common.closed({'against': common.number(
    'A generation that this one is compared with.', minimum=1,
    maximum=2**31 - 1)}, ())


@dataclasses.dataclass(frozen=True)
class Around:
    """What a line of the list shows beside its row.

    :param attempt: the latest one to reach it.
    :param clone: why no cluster may be made like it, or ''.
    """

    attempt: Any = None
    clone: str = ''


#: Of one line of the list; each is given the row and what is around it.
FIELDS = common.Fields({
    **{name: common.column(name) for name in (
        'id', 'generation', 'operation', 'user_id', 'user_name')},
    'status': common.Field(
        lambda row, around: around.attempt and around.attempt.status,
        ('generation',), ('attempt',)),
    'deployment_id': common.Field(
        lambda row, around: around.attempt and around.attempt.id,
        ('generation',), ('attempt',)),
    'blueprint': common.Field(
        lambda row, around: row.desired.blueprint, ('desired',)),
    'blueprint_version': common.Field(
        lambda row, around: row.desired.version, ('desired',)),
    'created_at': common.moment('created_at'),
    'allowed': common.Field(lambda row, around: {'clone': around.clone},
                            ('desired',), ('clone',)),
})


def view(row: Any, around: Around, revision: Revision,
         differences: Iterable[Difference] | None) -> Object:
    """All of a generation."""
    return {
        **FIELDS.view(row, around), 'deleted': row.desired.deleted,
        'parameters': revision.parameters,
        'node_groups': [
            {'name': name, 'slots': [
                {'name': slot.name, 'incarnation': slot.incarnation}
                for slot in slots]}
            for name, slots in row.desired.groups.items()],
        'elements': [{'name': one.use.element.name,
                      'version': one.use.element.version, 'on': one.on}
                     for one in revision.elements],
        'differences': None if differences is None else [
            dataclasses.asdict(one) for one in differences]}
