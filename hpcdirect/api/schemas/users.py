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
"""The schemas and the view of a cluster's users."""

from __future__ import annotations

import dataclasses

from hpcdirect import sshkeys
from hpcdirect.api.schemas import clusters
from hpcdirect.api.schemas import common
from hpcdirect.jsontypes import Object
from hpcdirect.planning.accounts import Person
from hpcdirect.planning.presence import Presence

_NAME = common.text('Login name.', pattern=clusters.LOGIN_NAME)
_FIELDS = {name: schema for name, schema in clusters.ACCOUNT.items()
           if name not in ('home', 'end_jobs')}

_ENTRY = common.closed({
    'name': _NAME, **_FIELDS,
    'gid': common.number('Id of the group of its own.'),
    'fingerprints': common.items(common.closed({
        'kind': common.text('Type of the key.'),
        'fingerprint': common.text('SHA256:..., as ssh-keygen -l shows it; '
                                   '"" when it is not a key.'),
        'comment': common.text('What stands behind the key.'),
    }), 'Of its keys, in their order.'),
    'nodes': common.closed({
        'wanted': common.number('Nodes on which the account is to be as it '
                                'is shown here; or to be off, or gone.'),
        'done': common.number('Those on which it is known to be.'),
        'changing': common.number('Others of them on which accounts are '
                                  'being changed now.'),
    }, description='Where it is.'),
    'own': {'type': 'boolean', 'description': 'It was made for this cluster, '
            'not by the parameters of its blueprint.'},
})

LIST = common.closed({'users': common.items(_ENTRY, 'By name.')})
LIST_QUERY = common.closed({
    'gone': {'type': 'boolean', 'description': 'Those that were taken off '
             'as well.'}}, ())
SHOW = _ENTRY

_CHANGE = {name: schema for name, schema in _FIELDS.items()
           if name != 'state'} | {
    'state': common.text('off: nobody gets in.', enum=['on', 'off'])}
CREATE = common.closed({'name': _NAME, **_CHANGE}, ('name',),
                       **common.LARGE)
UPDATE = common.closed(_CHANGE, (), minProperties=1, **common.LARGE)
DELETE_QUERY = common.closed({
    name: clusters.ACCOUNT[name] for name in ('home', 'end_jobs')}, ())


def view(person: Person, presence: Presence) -> Object:
    """One user."""
    account = person.account
    return {
        'name': person.name, 'uid': account.uid, 'gid': account.uid,
        'keys': list(account.keys),
        'fingerprints': [_fingerprint(key) for key in account.keys],
        'nodes': dataclasses.asdict(presence),
        'groups': list(account.groups), 'shell': account.shell,
        'sudo': bool(account.sudo), 'expires_at': account.expires_at,
        'state': account.state, 'own': person.own}


def _fingerprint(line: str) -> dict[str, str]:
    try:
        key = sshkeys.parse(line)
    except ValueError:
        # Taken by a release that took more.
        return {'kind': '', 'fingerprint': '', 'comment': ''}
    return {'kind': key.kind, 'fingerprint': key.fingerprint,
            'comment': key.comment}
