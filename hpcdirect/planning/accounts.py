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
"""People's accounts on a cluster, apart from what the blueprint says.

They stand in the state beside the parameters, by name::

    "users": {"ann": {"uid": 20117, "keys": ["ssh-ed25519 ..."],
                      "groups": ["lab"], "shell": "/bin/bash", "sudo": false,
                      "expires_at": "2027-01-01T00:00:00+00:00",
                      "state": "on"},
              "bob": {"uid": 31845, "state": "gone", "home": "archive",
                      "end_jobs": true}}

``off`` is an account that nobody gets in with. One that is gone is still
remembered: so its uid is not given to somebody else, and every node, also one
that was away, learns what becomes of the home.

An element says which of its parameters takes accounts (``accounts: NAME``);
it is given those of the blueprint and these, which count where both have a
name. One that takes ``keys`` makes them. Each is told of the states that its
schema knows: who is off is left out where people would get in, and is like
everybody else where not.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import datetime
import hashlib
from typing import Any

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.planning.desired import State

ON, OFF, GONE = 'on', 'off', 'gone'
#: The same that element users makes ids of names with.
FIRST, SPAN = 20000, 40000
#: Fields of an entry that an element is told.
_TOLD = ('uid', 'keys', 'groups', 'shell', 'sudo')


@dataclasses.dataclass(frozen=True)
class Account:
    """A user of a cluster.

    :param own: it was made for this cluster, not by its blueprint's
        parameters.
    :param said: the fields of its entry.
    """

    name: str
    uid: int
    own: bool
    said: Mapping[str, Any]

    @property
    def state(self) -> str:
        """on, off or gone."""
        return str(self.said.get('state', ON))


def listed(blueprint: Blueprint, state: State) -> list[Account]:
    """Every account of a cluster, by name; those that are gone as well."""
    found: dict[str, Account] = {}
    for use in makers(blueprint):
        for said in from_blueprint(use, state):
            found.setdefault(said['name'], Account(
                said['name'], uid_of(said['name'], said), False, said))
    found |= {name: Account(name, entry['uid'], True, entry)
              for name, entry in state.get('users', {}).items()}
    return [found[name] for name in sorted(found)]


def all_told(blueprint: Blueprint, state: Mapping[str, Any]) -> Blueprint:
    """A blueprint, each of its elements given the accounts it takes."""
    return dataclasses.replace(blueprint, elements=tuple(
        told(use, state) for use in blueprint.elements))


def told(use: ElementUse, state: Mapping[str, Any]) -> ElementUse:
    """An element of a cluster, given the accounts that are its own."""
    own = state.get('users')
    if not use.element.accounts or not own:
        return use
    rows = [{**entry, 'name': entry['name']}
            for entry in from_blueprint(use, state)
            if entry['name'] not in own]
    fields = _fields(use)
    for name, entry in own.items():
        known_as = _state(entry['state'], use)
        if known_as:
            rows.append({'name': name, **_row(
                {**entry, 'state': known_as}, fields)})
    return dataclasses.replace(use, variables={
        **use.variables, use.element.accounts: rows})


def expired(state: State, now: datetime.datetime) -> list[str]:
    """Accounts whose time is over and that are still on."""
    return [name for name, moment in _ends(state).items() if moment <= now]


def next_end(state: State) -> datetime.datetime | None:
    """When the next account's time is over; None when none ends."""
    return min(_ends(state).values(), default=None)


def _ends(state: State) -> dict[str, datetime.datetime]:
    """Accounts that are on until some time -> that time."""
    return {name: datetime.datetime.fromisoformat(entry['expires_at'])
            for name, entry in state.get('users', {}).items()
            if entry['state'] == ON and entry.get('expires_at')}


def _row(entry: Mapping[str, Any], fields: Mapping[str, Any]
         ) -> dict[str, Any]:
    """An entry as an element takes it; what is usual is left out."""
    if entry['state'] == GONE:
        return {key: entry[key] for key in ('uid', 'state', 'home',
                                            'end_jobs') if key in fields}
    row = {key: entry[key] for key in _TOLD if key in fields and key in entry}
    return row | ({'state': OFF} if entry['state'] == OFF else {})


def _state(said: str, use: ElementUse) -> str:
    """An account's state as an element is told of it; '' for not at all."""
    schema = _fields(use).get('state', {'enum': (ON,)})
    if said in schema.get('enum', (ON, OFF, GONE)):
        return said
    return ON if said == OFF and not _makes(use) else ''


def _fields(use: ElementUse) -> Mapping[str, Any]:
    """The fields that an element knows of an account."""
    schema = use.element.parameters.get('properties', {}).get(
        use.element.accounts, {})
    found: Mapping[str, Any] = schema.get('items', {}).get('properties', {})
    return found


def from_blueprint(use: ElementUse, state: Mapping[str, Any]
                   ) -> list[dict[str, Any]]:
    """The accounts that the blueprint's own parameters give an element."""
    found = parameters.resolve(use.variables.get(use.element.accounts),
                               state['parameters'], {})
    return [entry for entry in found or ()
            if isinstance(entry, dict) and 'name' in entry]


def makers(blueprint: Blueprint) -> list[ElementUse]:
    """Elements that make accounts by which people get in."""
    return [use for use in blueprint.elements if _makes(use)]


def _makes(use: ElementUse) -> bool:
    """Whether people get in by the accounts that an element makes."""
    return bool(use.element.accounts) and 'keys' in _fields(use)


def number(kind: str, name: str) -> int:
    """The id that element users makes of a name."""
    text = hashlib.sha256(f'{kind}:{name}'.encode()).digest()
    return FIRST + int.from_bytes(text[:8], 'big') % SPAN


def uid_of(name: str, entry: Mapping[str, Any]) -> int:
    """The id of an entry, be it said or not."""
    return int(entry.get('uid') or number('user', name))
