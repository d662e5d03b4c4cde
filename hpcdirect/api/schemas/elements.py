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

"""The schemas and the views of elements."""

from __future__ import annotations

from hpcdirect.api.schemas import common
from hpcdirect.blueprints import grading
from hpcdirect.blueprints.model import Element
from hpcdirect.jsontypes import Object
from hpcdirect.states import StepKind

_VERBS = (StepKind.APPLY, StepKind.REVERT, StepKind.VERIFY, StepKind.DRAIN,
          StepKind.RESUME)

_BRIEF = {
    'name': common.text('The name, unique.'),
    'version': common.text('The version.'),
    'label': common.text('The name for people.'),
    'description': common.text('What it is, one sentence.'),
    'runner': common.text('The runner that carries it out.'),
    'requires': common.words('Elements it stands on.'),
    'conflicts': common.words('Elements it cannot be with.'),
    'needs': common.text('node or cluster: what has to answer first.'),
    'roles': common.words('The parts nodes play in it.'),
    'verbs': common.words('What can be done with it.'),
    'digest': common.text('sha256 of all that it is made of, hexadecimal.'),
    'grade': common.text(
        'What a revert leaves, as a trial of these very files found: A '
        'nothing, C some things, D it fails; "" when nobody tried.',
        enum=['', 'A', 'C', 'D']),
}

_TRIAL = common.maybe(common.closed({
    'left': common.anything('Role, and what stays on its nodes.'),
    'data': common.words('Paths under its data that stayed.'),
    'nodes': common.anything('Node group, and how many nodes there were.'),
    'elements': common.words('What it stood on, name@version.'),
    'parameters': common.anything('The parameters it was given.'),
    'seconds': common.anything('Verb, and the seconds it took.'),
    'packages': common.number('Debian packages that its nodes fetched.'),
    'mib': {'type': 'number', 'description': 'How much, in MiB.'},
    'operating_system': common.text('What the nodes ran.'),
    'tested_at': common.text('When, ISO 8601, UTC.'),
}, description='What that trial found; null when nobody tried.'))

_ENTRY = common.closed(_BRIEF)

LIST = common.listed('elements', _ENTRY, 'The highest version of each.')
LIST_QUERY = common.query(_ENTRY, common.MARKER,
                          ('name', 'version', 'label', 'runner', 'grade'))

SHOW = common.closed({
    **_BRIEF,
    'parameters': common.anything('JSON Schema (2020-12) of parameters.'),
    'readme': common.text('What the author says, reStructuredText.'),
    'data': common.words('Paths that survive a revert.'),
    'secrets': common.words('Names of what is generated for it.'),
    'outputs': common.anything('What others can be wired to.'),
    'exporters': common.items(common.closed({
        'name': common.text('The exporter.'),
        'port': common.number('TCP port of the nodes\' address.'),
        'roles': common.words('Roles whose nodes have it.'),
    }), 'Where it gives numbers to Prometheus.'),
    'trial': _TRIAL,
})


def entry(element: Element) -> Object:
    """One line of the list."""
    return {
        'name': element.name, 'version': element.version,
        'label': element.label, 'description': element.description,
        'runner': element.runner, 'requires': list(element.requires),
        'conflicts': list(element.conflicts), 'needs': element.needs,
        'roles': [role.name for role in element.roles],
        'verbs': [verb.value for verb in _VERBS if element.can(verb)],
        'digest': element.digest,
        'grade': element.grade.grade if element.grade else '',
    }


def view(element: Element) -> Object:
    """All of an element."""
    return {**entry(element), 'parameters': dict(element.parameters),
            'readme': element.readme, 'data': list(element.data),
            'secrets': [secret.name for secret in element.secrets],
            'outputs': dict(element.outputs),
            'exporters': [{'name': one.name, 'port': one.port,
                           'roles': list(one.roles)}
                          for one in element.exporters],
            'trial': _trial(element)}


def _trial(element: Element) -> Object | None:
    if element.grade is None:
        return None
    return {name: value for name, value
            in grading.plain(element.grade).items()
            if name not in ('grade', 'digest')}
