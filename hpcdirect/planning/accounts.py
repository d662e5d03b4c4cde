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

import collections
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import hashlib

from hpcdirect import sshkeys
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.exception import Finding
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import entries
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
        for name, said in from_blueprint(use, state):
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
    rows = [entry for name, entry in from_blueprint(use, state)
            if name not in own]
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


def _row(account: Account, fields: Object) -> dict[str, JSON]:
    """An account as an element takes it; what is usual is left out."""
    entry = account.to_json()
    if account.state == GONE:
        return {key: entry[key] for key in ('uid', 'state', 'home',
                                            'end_jobs') if key in fields}
    row = {key: entry[key] for key in _TOLD if key in fields}
    return row | ({'state': OFF} if account.state == OFF else {})


def _state(said: str, use: ElementUse) -> str:
    """An account's state as an element is told of it; '' for not at all."""
    known = _fields(use).get('state', {'enum': (ON,)})
    if isinstance(known, Mapping) and said in entries(
            known.get('enum', (ON, OFF, GONE))):
        return said
    return ON if said == OFF and not _makes(use) else ''


def _fields(use: ElementUse) -> Object:
    """The fields that an element knows of an account."""
    said = parameters.properties(use.element.parameters).get(
        use.element.accounts)
    return parameters.properties(said.get('items')) \
        if isinstance(said, Mapping) else {}


def from_blueprint(use: ElementUse, state: State
                   ) -> list[tuple[str, Object]]:
    """The accounts that the blueprint's own parameters give an element.

    :returns: name and entry of each.
    """
    found = parameters.resolved(use.variables.get(use.element.accounts),
                               state.parameters, {})
    return [(str(entry['name']), entry)
            for entry in (found if isinstance(found, list) else ())
            if isinstance(entry, Mapping) and 'name' in entry]


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


def clashes(blueprint: Blueprint, state: State) -> list[Finding]:
    """Why a new cluster's users cannot all have their ids and keys."""
    there = listed(blueprint, state)
    findings = doubles(blueprint, state) + wrong_keys(there)
    for place, one in enumerate(there):
        if one.there:
            findings += id_problems(one, None, there[:place])
            findings += name_problems(one, None, blueprint)
    return findings


def wrong_keys(users: Iterable[Person], users_before: Iterable[Person] = ()
               ) -> list[Finding]:
    """What is wrong with the keys of users.

    :param users_before: those before the change. A key that its user had
        already is not looked at: what is stored stays usable until somebody
        changes it.
    """
    before = {one.name: set(one.account.keys) for one in users_before}
    return [
        Finding(problem, f'$.users.{one.name}.keys[{place}]')
        for one in users for place, key in enumerate(one.account.keys)
        if isinstance(key, str) and key not in before.get(one.name, ())
        and (problem := sshkeys.problem(key))]


def id_problems(person: Person, known: Person | None,
               others: Iterable[Person]) -> list[Finding]:
    """Why an account and its groups cannot have their ids."""
    others = list(others)
    name, account = person.name, person.account
    uid, taken = account.uid, ids(others)
    where = f'$.users.{name}'
    if known is not None and uid != known.account.uid:
        return [stays(name, known.account.uid)]
    findings = []
    if known is None and uid in taken:
        findings.append(Finding(f'{uid} is, or was, the id of {taken[uid]}',
                                f'{where}.uid'))
    fresh = known is None or not known.there
    if fresh and person.there and name in _groups(others):
        findings.append(Finding('a group has that name', where))
    there = {one.name for one in others if one.there} | {name}
    for gid, group in gids(set(account.groups) - there).items():
        owner = name if gid == uid else taken.get(gid, group)
        if owner != group:
            findings.append(Finding(f'{group} would have the id of {owner}; '
                                    'name it otherwise', f'{where}.groups'))
    return findings


def name_problems(person: Person, known: Person | None, blueprint: Blueprint
                 ) -> list[Finding]:
    """Why one who is not there yet cannot have a name or an id.

    The machine has them already.
    """
    if not person.there or (known and known.there):
        return []
    name = person.name
    where = f'$.users.{name}'
    return [Finding(problem, place) for problem, place in (
        (name_problem(name, reserved(blueprint)), where),
        (id_problem(person.account.uid), f'{where}.uid'),
    ) if problem]


def stays(name: str, uid: int) -> Finding:
    """That a user's id cannot be another one."""
    return Finding(f'is {uid} and stays so: files belong to it',
                   f'$.users.{name}.uid')


def gids(groups: Iterable[str]) -> dict[int, str]:
    """Id -> the group that has it, of groups by name."""
    return {number('group', name): f'group {name}' for name in groups}


def _groups(people: Iterable[Person]) -> set[str]:
    """Further groups of those that are there."""
    people = [one for one in people if one.there]
    return {group for one in people for group in one.account.groups
            } - {one.name for one in people}


def ids(people: Iterable[Person]) -> dict[int, str]:
    """Id -> who has it, or had it."""
    people = list(people)
    return gids(_groups(people)) | {
        one.account.uid: one.name for one in people}


def doubles(blueprint: Blueprint, state: State) -> list[Finding]:
    """Users whom a blueprint's parameters list twice."""
    return [Finding('is listed twice', f'$.users.{name}')
            for use in makers(blueprint)
            for name, count in collections.Counter(
                name for name, _ in from_blueprint(
                    use, state)).items() if count > 1]


# -- names and ids that a machine has of its own, before any of ours --------
#
# The image declares its own here; what the packages of an element bring, the
# element declares (``system_accounts`` in ``element.yaml``).

#: Users and groups of a Debian image and of its cloud variant. Whatever begins
#: with "_" or "systemd-" is the system's as well, by Debian's policy.
IMAGE_ACCOUNTS = frozenset((
    'adm', 'audio', 'avahi', 'backup', 'bin', 'bluetooth', 'cdrom',
    'crontab', 'daemon', 'debian', 'dialout', 'dip', 'disk', 'dnsmasq',
    'fax', 'floppy', 'fwupd-refresh', 'games', 'geoclue', 'gnats', 'input',
    'irc', 'kmem', 'kvm', 'landscape', 'list', 'lp', 'lxd', 'mail', 'man',
    'messagebus', 'netdev', 'news', 'nobody', 'nogroup', 'ntp', 'operator',
    'plugdev', 'polkitd', 'pollinate', 'postfix', 'proxy', 'render',
    'root', 'rtkit', 'sasl', 'sgx', 'shadow', 'src', 'ssh', 'sshd',
    'ssl-cert', 'staff', 'sudo', 'sync', 'sys', 'syslog', 'tape',
    'tcpdump', 'tss', 'tty', 'users', 'utmp', 'uucp', 'uuidd', 'video',
    'voice', 'wheel', 'www-data'))
_BEGINNINGS = ('_', 'systemd-')
#: Debian gives out 60000 to 64999, systemd 61184 to 65519; then there is
#: nobody, and what means "no id" in 16 bits.
SYSTEM_IDS = range(60000, 65536)


def reserved(blueprint: Blueprint) -> dict[str, str]:
    """Name -> what brings it: the accounts that a blueprint's elements bring.

    :param blueprint: with just the elements the cluster has.
    """
    return {name: f'element {use.element.name}'
            for use in blueprint.elements
            for name in use.element.system_accounts}


def name_problem(name: str, brought: Mapping[str, str]) -> str:
    """Why a user cannot have a name; '' when nothing is in the way.

    :param brought: what :func:`reserved` gives.
    """
    owner = brought.get(name) or (
        'the system' if name in IMAGE_ACCOUNTS
        or name.startswith(_BEGINNINGS) else '')
    return f'{owner} has a user or a group of that name on every node; ' \
           'choose another name' if owner else ''


def id_problem(uid: int) -> str:
    """Why a user cannot have an id; '' when nothing is in the way."""
    return (f'{SYSTEM_IDS.start} to {SYSTEM_IDS.stop - 1} are the system\'s; '
            'leave it out, or take 1000 to 59999' if uid in SYSTEM_IDS
            else '')
