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

"""The schema and the view of elements that a cluster could have."""

from __future__ import annotations

import dataclasses

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import elements
from hpcdirect.db.experience import Typical
from hpcdirect.jsontypes import Object
from hpcdirect.planning.candidates import Candidate

_BRIEF = ('name', 'version', 'label', 'description', 'grade', 'requires',
          'conflicts')
_KINDS = ('present', 'missing', 'nodes', 'conflict', 'role', 'account')

_ENTRY = common.closed({
    **{name: common.properties(elements.SHOW)[name] for name in _BRIEF},
    'fits': {'type': 'boolean', 'description': 'It can be put on now.'},
    'reasons': common.items(common.closed({
        'kind': common.text(
            'present: it is on already; missing: it needs an element that is '
            'not on; nodes: that one is not on all of its nodes; conflict: '
            'with an element that is on; role: the cluster has no node group '
            'for it; account: it brings a user or group that somebody has.',
            enum=list(_KINDS)),
        'element': common.text('The other element, or "".'),
        'message': common.text('A sentence.'),
    }), 'Why it does not fit; empty when it does.'),
    'roles': common.anything('Role, and the node groups that would play it '
                             'if nobody says otherwise.'),
    'asks': common.words('Its parameters that have to be given.'),
    'typical': common.typical(
        'How the latest steps that put it on went', 'Seconds of one',
        'Steps'),
})

LIST = common.closed({'candidates': common.items(
    _ENTRY, 'Every element there is, by name.')})
QUERY = common.closed({'fits': {
    'type': 'boolean', 'description': 'Only those that fit, or only those '
    'that do not.'}}, ())


def view(one: Candidate, typical: Typical | None) -> Object:
    """One line."""
    told = elements.entry(one.element)
    return {
        **{name: told[name] for name in _BRIEF}, 'fits': one.fits,
        'reasons': [{'kind': reason.kind, 'element': reason.other,
                     'message': reason.message} for reason in one.reasons],
        'roles': {role: list(groups) for role, groups in one.roles.items()},
        'asks': list(one.asks),
        'typical': None if typical is None else dataclasses.asdict(typical)}
