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

"""The schemas and the view of clusters."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments
from hpcdirect.api.schemas.common import Field
from hpcdirect.api.schemas.common import when
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Output
from hpcdirect.db.models import Cluster
from hpcdirect.db.surroundings import Found
from hpcdirect.jsontypes import Object
from hpcdirect.states import STANDING
from hpcdirect.states import ClusterStatus
from hpcdirect.states import ErrorKind
from hpcdirect.states import phase_of

_NAME = common.text('The name, unique among the project\'s clusters.',
                    pattern=common.NAME_PATTERN, examples=['demo'])
_DESCRIPTION = common.text('A note for people.', maxLength=1000)
_PROTECTED: common.Schema = {
    'type': 'boolean', 'description': 'It cannot be deleted.'}
TAG = '[A-Za-z0-9][A-Za-z0-9._:=-]{0,63}'
_TAGS: common.Schema = {
         'type': 'array', 'description': 'Words to find it by.',
         'maxItems': 50, 'uniqueItems': True, 'items': common.text(
             'A word.', pattern=f'^{TAG}$', examples=['course'])}
_EXPIRES: common.Schema = common.maybe(common.text(
    'When it goes by itself, ISO 8601, UTC unless it says otherwise; null is '
    'never.', format='date-time'))
_STATUS = common.text('How it stands at a glance.', enum=list(ClusterStatus))

_CLONE = common.closed({
    'cluster': common.text('Id or name of the cluster it is to be like; '
                           'of one that is gone the id, with a generation.',
                           minLength=1, maxLength=255),
    'generation': common.number('As it was wanted then; now, when not given.',
                                minimum=1, maximum=2**31 - 1),
}, ('cluster',), description='A cluster to be like; instead of a blueprint.')

CREATE = common.closed({
    'name': _NAME, 'clone': _CLONE,
    'blueprint': common.text('Name, or name@version.', minLength=1,
                             maxLength=255, examples=['slurm']),
    'parameters': common.anything('What the blueprint asks for.'),
    'backend': common.text(
        'The backend; the first enabled that the blueprint supports when '
        'not given.', minLength=1, maxLength=64),
    'description': _DESCRIPTION, 'protected': _PROTECTED, 'tags': _TAGS,
    'expires_at': _EXPIRES,
}, ('name',), oneOf=[{'required': ['blueprint']}, {'required': ['clone']}],
    **common.LARGE)

_GROUP_CHANGE: common.Schema = {
    'description': 'How many nodes, which slots, or which of them get '
                   'another machine.',
    'oneOf': [
        common.closed({'count': common.number('Nodes wanted.', minimum=0,
                                              maximum=100000)}),
        common.closed({'slots': {
            **common.words('Names of just the slots wanted.'),
            'maxItems': 10000, 'uniqueItems': True}}),
        common.closed({
            'replace': {
                **common.words('Names of the nodes to get a new machine.'),
                'minItems': 1, 'maxItems': 10000, 'uniqueItems': True},
            'force': {'type': 'boolean', 'description': 'Although data on '
                      'the old machines is lost.'},
        }, ('replace',)),
    ],
}

_ELEMENT_CHANGE = common.maybe(common.closed({
    'parameters': common.anything(
        'Parameters of the element itself; others stay, null is the default '
        'again.'),
    'version': common.text('The version; the highest there is when it is '
                           'put on and none is said.', maxLength=64),
    'roles': {
        'type': 'object', 'description': 'Role, and the node groups that '
        'play it.', 'additionalProperties': common.words('Node groups.')},
}, (), description='How it is to be; null takes it off.'))

LOGIN_NAME = '^[a-z_][a-z0-9_-]{0,30}$'
ACCOUNT: Mapping[str, common.Schema] = {
    'keys': {**common.words('Public ssh keys, one OpenSSH line each.'),
             'maxItems': 100, 'items': {
                 'type': 'string', 'pattern': r'^[^\r\n]+$',
                 'maxLength': 16384}},
    'uid': common.number('User id; made from the name when not given, and '
                         'never another one afterwards.', minimum=1000,
                         maximum=2000000000),
    'groups': {**common.words('Further groups.'), 'maxItems': 100,
               'items': {'type': 'string', 'pattern': LOGIN_NAME}},
    'shell': common.text('Login shell.', pattern='^/[A-Za-z0-9/._-]+$',
                         maxLength=255),
    'sudo': {'type': 'boolean', 'description': 'Whether it may become root.'},
    'expires_at': common.maybe(common.text(
        'When it is switched off, ISO 8601; null is never.',
        format='date-time', maxLength=40)),
    'state': common.text('on; off: nobody gets in; gone: taken off.',
                         enum=['on', 'off', 'gone']),
    'home': common.text('What becomes of the home of one that is gone.',
                        enum=['keep', 'archive', 'purge']),
    'end_jobs': {'type': 'boolean', 'description': 'Whether the jobs of one '
                 'that is gone are ended.'},
}

#: What can be wanted otherwise of a cluster.
CHANGE: Mapping[str, common.Schema] = {
    'parameters': common.anything('Parameters to change; others stay.'),
    'node_groups': {
        'type': 'object', 'description': 'Node group, and what it is to be.',
        'additionalProperties': _GROUP_CHANGE},
    'elements': {
        'type': 'object', 'description': 'Element, and how it is to be; '
        'null takes it off, and what stands on it with it.',
        'additionalProperties': _ELEMENT_CHANGE},
    'users': {
        'type': 'object', 'description': 'User, and how the account is to '
        'be; what is not said stays, null takes it off.',
        'maxProperties': 1000,
        'propertyNames': {'pattern': LOGIN_NAME},
        'additionalProperties': common.maybe(common.closed(
            ACCOUNT, (), description='How it is to be; null takes it off.'))},
    'generation': common.number(
        'All as it was wanted then; goes alone, but for force.', minimum=1,
        maximum=2**31 - 1),
    'version': common.text(
        'Another version of the blueprint; goes with parameters and force '
        'only. A parameter that is null goes.', minLength=1, maxLength=64),
    'force': {'type': 'boolean', 'description': 'Although data that is on '
              'the machines only is lost.'},
}

UPDATE = common.closed({
    **CHANGE,
    'name': _NAME, 'description': _DESCRIPTION, 'protected': _PROTECTED,
    'tags': _TAGS, 'expires_at': _EXPIRES,
    'plan': common.text(
        'Id of a plan that was shown: just that is done, unless something '
        'has changed since. Goes alone.', maxLength=36),
}, (), minProperties=1, **common.LARGE)

_LOGIN = common.maybe(common.closed({
    'node': common.text('The node.'), 'group': common.text('Its group.'),
    'address': common.text('Where ssh goes to.'),
    'port': common.number('Where ssh listens.'),
    'via': common.text('Jump host user@host[:port], or "".'),
    'host_key': common.text('The OpenSSH host key it shows.'),
}, description='Where people log in; null until it is up.'))

_DEPLOYMENT = common.maybe(common.closed({
    'id': common.ID, 'operation': deployments.OPERATION,
    'status': deployments.STATUS, 'phase': deployments.PHASE,
    'generation': common.number('The generation it converges to.'),
    'progress': deployments.PROGRESS,
    'created_at': common.MOMENT,
    'started_at': common.maybe(common.MOMENT),
    'finished_at': common.maybe(common.MOMENT),
}, description='The latest deployment.'))

_ALLOWED = common.closed({
    word: common.text('Why it would be refused, a sentence; or "".')
    for word in ('update', 'retry', 'check', 'repair', 'cancel', 'label',
                 'protect', 'expire', 'delete', 'clone')
}, description='What the caller may do with it now. label stands for name, '
   'description and tags, protect for its protection, expire for expires_at, '
   'clone for another cluster like it, '
   'update for all other changes, users too.')

SHOW = common.closed({
    'id': common.ID, 'name': _NAME, 'description': _DESCRIPTION,
    'protected': _PROTECTED, 'tags': _TAGS, 'expires_at': _EXPIRES,
    'project_id': common.text('Whose it is.'),
    'project_name': common.text('The name that project had when the cluster '
                                'was made; "" when it was not kept.'),
    'user_id': common.text('Who made it.'), 'user_name': common.USER_NAME,
    'status': _STATUS,
    'status_reason': common.text('Why, a sentence; may be empty.'),
    'error': common.maybe(common.text(
        'What an ERROR is: failed, a change did; cancelled, its owner ended '
        'one; disagrees, a check found it otherwise than it is wanted. Null '
        'for all other statuses, and where an earlier release did not note '
        'it.', enum=[*ErrorKind, None])),
    'blueprint': common.text('The blueprint.'),
    'blueprint_version': common.text('Its version.'),
    'backend': common.text('What makes its machines.'),
    'parameters': common.anything('Parameters, with defaults.'),
    'generation': common.number('Raised by every change.'),
    'node_groups': common.items(common.closed({
        'name': common.text('The node group.'),
        'count': common.number('Nodes wanted.'),
        'ready': common.number('Nodes that are up.'),
        'slots': common.words('Names of the nodes wanted.'),
    }), 'Machines that are alike.'),
    'outputs': common.anything('What its elements tell.'),
    'titled_outputs': common.items(common.closed({
        **common.OUTPUT, 'value': common.text('The text itself.'),
    }), 'What its blueprint names of that for people, as far as it is '
        'known.'),
    'login': _LOGIN, 'deployment': _DEPLOYMENT,
    'failures': deployments.FAILURES, 'allowed': _ALLOWED,
    'created_at': common.MOMENT, 'updated_at': common.MOMENT,
    'links': common.LINKS,
})

LIST = common.listed('clusters', SHOW, 'Clusters.', counted=True,
                     allowed=common.ALLOWED)

#: What is equal to a column.
FILTERS: Mapping[str, common.Schema] = {
    'name': _NAME,
    'blueprint': common.text('The blueprint.', maxLength=255),
    'backend': common.text('The backend.', maxLength=64),
}
LIST_QUERY = common.query(SHOW, {
    **FILTERS, **common.BACKWARDS,
    'q': common.text('Part of the name, in any case.', minLength=1,
                     maxLength=63),
    'status': common.text(
        'How it stands; several, with commas between, for any of them.',
        pattern=common.sequence(list(ClusterStatus))),
    'user': common.text('Id of who made it; "me" for who asks.',
                        minLength=1, maxLength=255),
    'expires_before': common.text('A moment before which it goes by itself, '
                                  'ISO 8601.', format='date-time',
                                  maxLength=40),
    'tags': common.text('All of which it carries, with commas between.',
                        pattern=f'^{TAG}(,{TAG}){{0,49}}$'),
    'all_projects': {'type': 'boolean',
                     'description': 'Every project\'s; for the operator.'},
}, ('created_at', 'updated_at', 'name', 'status', 'blueprint', 'backend',
    'expires_at'))


@dataclasses.dataclass(frozen=True)
class Around:
    """What is shown of a cluster and lies elsewhere.

    :param found: in other tables.
    :param allowed: what the caller may do; {} when nobody wants to know.
    :param group: the node group people log in to.
    :param outputs: what its blueprint names for people.
    :param mask: hides the secret ones of its parameters; None when nobody
        knows any more which those are.
    """

    found: Found
    allowed: Mapping[str, str]
    group: str = ''
    outputs: tuple[Output, ...] = ()
    mask: parameters.Mask | None = None


def _parameters(row: Cluster, around: Around, base: str) -> Object:
    """Values as they are shown; all are hidden when nobody knows which."""
    values = row.desired.parameters
    if around.mask is None:
        return dict.fromkeys(values, parameters.HIDDEN)
    return dict(around.mask.hide(values))


def _titled_outputs(row: Cluster, around: Around, base: str
                    ) -> list[dict[str, str]]:
    return parameters.told(around.outputs, row.desired.parameters,
                        row.outputs)


def _node_groups(row: Cluster, around: Around, base: str) -> list[Object]:
    return [{'name': name, 'count': len(slots),
             'ready': around.found.ready.get(name, 0),
             'slots': [slot.name for slot in slots]}
            for name, slots in row.desired.groups.items()]


def _login(row: Cluster, around: Around, base: str) -> Object | None:
    node = around.found.login
    return None if node is None else {
        'node': node.name, 'group': around.group,
        'address': node.ssh.get('host') or node.address,
        'port': node.ssh.get('port', 22), 'via': node.ssh.get('via', ''),
        'host_key': node.ssh.get('host_key', '')}


def _deployment(row: Cluster, around: Around, base: str) -> Object | None:
    latest = around.found.deployment
    return None if latest is None else {
        'id': latest.id, 'operation': latest.operation,
        'status': latest.status,
        'phase': phase_of(latest.status, bool(latest.failures)),
        'generation': latest.generation,
        'progress': deployments.progress(latest, around.found.progress),
        'created_at': when(latest.created_at),
        'started_at': when(latest.started_at),
        'finished_at': when(latest.finished_at)}


def _failures(row: Cluster, around: Around, base: str) -> Any:
    latest = around.found.deployment
    return deployments.failures(latest.failures, latest.operation) \
        if latest else []


_BLUEPRINT = ('blueprint', 'blueprint_version')
#: Each is given the row, an :class:`Around`, and the base of links.
FIELDS = common.Fields({
    **{name: common.column(name) for name in (
        'id', 'name', 'description', 'protected')},
    'tags': Field(lambda row, around, base: around.found.tags,
                  around=('tags',)),
    'expires_at': common.moment('expires_at'),
    **{name: common.column(name) for name in (
        'project_id', 'project_name', 'user_id', 'user_name', 'status',
        'status_reason')},
    'error': Field(lambda row, around, base: (
        row.error or None) if row.status == ClusterStatus.ERROR else None,
        ('status', 'error')),
    **{name: common.column(name) for name in (
        'blueprint', 'blueprint_version', 'backend')},
    'parameters': Field(_parameters, (*_BLUEPRINT, 'desired'), ('mask',)),
    'generation': common.column('generation'),
    'node_groups': Field(_node_groups, ('desired',), ('ready',)),
    'outputs': common.column('outputs'),
    'titled_outputs': Field(_titled_outputs, (
        *_BLUEPRINT, 'desired', 'outputs'), ('titled',)),
    'login': Field(_login, (*_BLUEPRINT, 'desired'), ('login',)),
    'deployment': Field(_deployment, (), ('deployment', 'progress')),
    'failures': Field(_failures, (), ('deployment',)),
    'allowed': Field(lambda row, around, base: around.allowed,
                     ('project_id', *STANDING), ('allowed',)),
    'created_at': common.moment('created_at'),
    'updated_at': common.moment('updated_at'),
    'links': Field(lambda row, around, base: [
        {'rel': 'self', 'href': f'{base}/v1/clusters/{row.id}'}], ('id',)),
})
