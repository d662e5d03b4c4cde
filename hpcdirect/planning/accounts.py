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
from hpcdirect.planning.state import GONE
from hpcdirect.planning.state import OFF
from hpcdirect.planning.state import ON
from hpcdirect.planning.state import Account
from hpcdirect.planning.state import State

#: The same that element users makes ids of names with.
FIRST, SPAN = 20000, 40000
#: What a blueprint's parameters may say of one.
_SAID = ('keys', 'groups', 'shell', 'sudo', 'expires_at', 'state', 'home',
         'end_jobs')
#: Fields of an entry that an element is told.
_TOLD = ('uid', 'keys', 'groups', 'shell', 'sudo')


@dataclasses.dataclass(frozen=True)
class Person:
    """A user of a cluster.

    :param own: the account was made for this cluster, not by its blueprint's
        parameters.
    """

    name: str
    account: Account
    own: bool

    @property
    def there(self) -> bool:
        """Whether the account is one now; those that are gone were one."""
        return self.account.state != GONE


def listed(blueprint: Blueprint, state: State) -> list[Person]:
    """Every user of a cluster, by name; those that are gone as well."""
    found: dict[str, Person] = {}
    for use in makers(blueprint):
        for said in from_blueprint(use, state):
            name = said['name']
            found.setdefault(name, Person(name, Account.from_json({
                **{field: said[field] for field in _SAID if field in said},
                'uid': said.get('uid') or number('user', name)}), False))
    found |= {name: Person(name, account, True)
              for name, account in state.users.items()}
    return [found[name] for name in sorted(found)]


def all_told(blueprint: Blueprint, state: State) -> Blueprint:
    """A blueprint, each of its elements given the accounts it takes."""
    return dataclasses.replace(blueprint, elements=tuple(
        told(use, state) for use in blueprint.elements))


def told(use: ElementUse, state: State) -> ElementUse:
    """An element of a cluster, given the accounts that are its own."""
    own = state.users
    if not use.element.accounts or not own:
        return use
    rows = [entry for entry in from_blueprint(use, state)
            if entry['name'] not in own]
    fields = _fields(use)
    for name, account in own.items():
        known_as = _state(account.state, use)
        if known_as:
            rows.append({'name': name, **_row(
                dataclasses.replace(account, state=known_as), fields)})
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
    return {name: datetime.datetime.fromisoformat(account.expires_at)
            for name, account in state.users.items()
            if account.state == ON and account.expires_at}


def _row(account: Account, fields: Mapping[str, Any]) -> dict[str, Any]:
    """An account as an element takes it; what is usual is left out."""
    entry = account.to_json()
    if account.state == GONE:
        return {key: entry[key] for key in ('uid', 'state', 'home',
                                            'end_jobs') if key in fields}
    row = {key: entry[key] for key in _TOLD if key in fields}
    return row | ({'state': OFF} if account.state == OFF else {})


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


def from_blueprint(use: ElementUse, state: State) -> list[dict[str, Any]]:
    """The accounts that the blueprint's own parameters give an element."""
    found = parameters.resolve(use.variables.get(use.element.accounts),
                               state.parameters, {})
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
