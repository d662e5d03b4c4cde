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

"""What is wanted of a cluster.

It is kept in the cluster's row as JSON, and signed by its digest with each
deployment::

    {"blueprint": "slurm", "version": "1.0.0", "digest": "<sha256>",
     "name": "the name that the nodes know",
     "parameters": {"compute_count": 2, ...},
     "groups": {"head": [{"name": "head-0", "incarnation": 1}], ...},
     "elements": [{"name": "hpcc", "version": "1.0.0", "parameters": {...},
                   "roles": {"node": ["compute"]}},
                  {"name": "slurm", "off": true}],
     "digests": {"hpcc@1.0.0": "<sha256>"},
     "users": {"ann": {"uid": 20117, "keys": ["ssh-ed25519 ..."],
                       "groups": ["lab"], "shell": "/bin/bash",
                       "sudo": false, "state": "on",
                       "expires_at": "2027-01-01T00:00:00+00:00"},
               "bob": {"uid": 31845, "state": "gone", "home": "archive",
                       "end_jobs": true}},
     "deleted": false}

Members that this release does not know are kept as they are: a service of
the next release may have written them, and they are signed as well.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any
from typing import Self

from hpcdirect import digests
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object

#: States of an account. ``off`` is one that nobody gets in with.
ON, OFF, GONE = 'on', 'off', 'gone'


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """A place in a node group.

    :param incarnation: which machine is to be in it: another one when it is
        raised.
    """

    name: str
    incarnation: int = 1


@dataclasses.dataclass(frozen=True)
class ElementChoice:
    """What a cluster's owner said of one element.

    :param version: '' when it is the blueprint's.
    :param parameters: values that the owner gave.
    :param roles: role -> node groups; None when they are the blueprint's.
    :param off: it was taken off, although the blueprint has it.
    :param on: it was put on although a parameter that it shares with others
        switches it off.
    :param others: members that this release does not know.
    """

    name: str
    version: str = ''
    parameters: Object = dataclasses.field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] | None = None
    off: bool = False
    on: bool = False
    others: Object = dataclasses.field(default_factory=dict)

    @property
    def ref(self) -> str:
        """``name@version``, or the name alone."""
        return f'{self.name}@{self.version}' if self.version else self.name

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` wrote."""
        rest = dict(value)
        roles = rest.pop('roles', None)
        return cls(
            rest.pop('name'), rest.pop('version', ''),
            rest.pop('parameters', {}),
            None if roles is None else {
                role: tuple(groups) for role, groups in roles.items()},
            rest.pop('off', False), rest.pop('on', False), rest)

    def to_json(self) -> dict[str, JSON]:
        """What is kept of it."""
        return {'name': self.name, **_filled(
            version=self.version, parameters=self.parameters, off=self.off,
            on=self.on), **({} if self.roles is None else {
                'roles': {role: list(groups)
                          for role, groups in self.roles.items()}}),
            **self.others}


@dataclasses.dataclass(frozen=True)
class Account:
    """What a cluster's owner said of one user.

    One that is gone is still remembered: so its uid is not given to somebody
    else, and every node, also one that was away, learns what becomes of the
    home.

    :param keys: OpenSSH public keys, a line each.
    :param groups: further groups.
    :param expires_at: ISO 8601; None when it does not end.
    :param since: the generation that it came with; 0 when that is not kept.
    :param home: of one that is gone: keep, archive or purge.
    :param end_jobs: of one that is gone: its jobs are ended.
    :param others: members that this release does not know.
    """

    uid: int
    state: str = ON
    keys: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    shell: str = '/bin/bash'
    sudo: bool = False
    expires_at: str | None = None
    since: int = 0
    home: str = 'keep'
    end_jobs: bool = False
    others: Object = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` wrote, or a blueprint's parameters say."""
        rest = dict(value)
        known = {name: rest.pop(name) for name in _ACCOUNT if name in rest}
        for name in ('keys', 'groups'):
            known[name] = tuple(known.get(name) or ())
        return cls(**known, others=rest)

    def to_json(self) -> dict[str, JSON]:
        """What is kept of it."""
        if self.state == GONE:
            said: Object = {'home': self.home, 'end_jobs': self.end_jobs}
        else:
            said = {'keys': list(self.keys), 'groups': list(self.groups),
                    'shell': self.shell, 'sudo': self.sudo,
                    'expires_at': self.expires_at,
                    **_filled(since=self.since)}
        return {'uid': self.uid, 'state': self.state, **said, **self.others}


_ACCOUNT = tuple(field.name for field in dataclasses.fields(Account)
                 if field.name != 'others')


@dataclasses.dataclass(frozen=True)
class State:
    """What is wanted of a cluster.

    :param blueprint: its name.
    :param blueprint_digest: what of the catalogue it was ordered from; '' of
        old ones.
    :param parameters: every parameter with its value.
    :param groups: node group -> its slots.
    :param elements: what the owner said of elements, in the order in which
        that was said first.
    :param element_digests: the same as *blueprint_digest* for elements that
        *elements* names a version of: ``name@version`` -> sha256.
    :param users: those that the owner made, by name.
    :param name: the one that the nodes know the cluster by. It is given
        once, since Slurm and its accounting keep their state under it.
    :param deleted: it is to go.
    :param others: members that this release does not know.
    """

    blueprint: str = ''
    version: str = ''
    blueprint_digest: str = ''
    parameters: Object = dataclasses.field(default_factory=dict)
    groups: Mapping[str, tuple[Slot, ...]] = dataclasses.field(
        default_factory=dict)
    elements: tuple[ElementChoice, ...] = ()
    element_digests: Mapping[str, str] = dataclasses.field(
        default_factory=dict)
    users: Mapping[str, Account] = dataclasses.field(default_factory=dict)
    name: str = ''
    deleted: bool = False
    others: Object = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """What :meth:`to_json` wrote.

        Whatever else stands there is kept whole, and nobody signed that.
        """
        try:
            return cls._read(dict(value))
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls(others={'unreadable': value})

    @classmethod
    def _read(cls, rest: dict[str, Any]) -> Self:
        return cls(
            blueprint=rest.pop('blueprint'), version=rest.pop('version'),
            blueprint_digest=rest.pop('digest', ''),
            parameters=dict(rest.pop('parameters')),
            groups={group: tuple([Slot(**slot) for slot in slots])
                    for group, slots in rest.pop('groups').items()},
            elements=tuple(map(ElementChoice.from_json,
                               rest.pop('elements', ()))),
            element_digests=dict(rest.pop('digests', {})),
            users={name: Account.from_json(one)
                   for name, one in rest.pop('users', {}).items()},
            name=rest.pop('name', ''), deleted=rest.pop('deleted'),
            others=rest)

    def to_json(self) -> dict[str, JSON]:
        """What is kept of it."""
        return {
            **_filled(name=self.name),
            'blueprint': self.blueprint, 'version': self.version,
            'digest': self.blueprint_digest,
            'parameters': dict(self.parameters),
            'groups': {group: [{'name': slot.name,
                                'incarnation': slot.incarnation}
                               for slot in slots]
                       for group, slots in self.groups.items()},
            'deleted': self.deleted,
            **_filled(
                elements=[one.to_json() for one in self.elements],
                digests=dict(self.element_digests),
                users={name: one.to_json()
                       for name, one in self.users.items()}),
            **self.others}

    @property
    def digest(self) -> str:
        """sha256 of all of it, hexadecimal; what a deployment is signed for.

        It stays the same when the secrets in it are sealed anew.
        """
        return digests.digest_of(self.to_json())

    @property
    def blueprint_ref(self) -> str:
        """``name@version`` of the blueprint."""
        return f'{self.blueprint}@{self.version}'

    @property
    def slots(self) -> dict[str, tuple[str, Slot]]:
        """Slot's name -> its node group and the slot, group by group."""
        return {slot.name: (group, slot)
                for group, slots in self.groups.items() for slot in slots}

    def choice(self, name: str) -> ElementChoice:
        """What the owner said of an element; empty when nothing was said."""
        return next((one for one in self.elements if one.name == name),
                    ElementChoice(name))


#: Where it does not matter what is wanted.
NOTHING = State()


def _filled(**members: JSON) -> dict[str, JSON]:
    """Those members that say something."""
    return {name: value for name, value in members.items() if value}


# -- what a state is made from ---------------------------------------------
#
# A version of a blueprint or an element should never change; nothing enforces
# that, and what elements share changes with a release. So an order names what
# it was made from. Who gives one takes what is in the catalogue then, which is
# what a plan shows; who carries it out does so with just that, or not at all.

@dataclasses.dataclass(frozen=True)
class Pins:
    """Names and compares what states are made from.

    :param blueprint_of: ``name@version`` -> blueprint; raises NotFound.
    """

    blueprint_of: Callable[[str], Blueprint]
    element_of: Callable[[str], Element]

    def pinned(self, state: State) -> State:
        """The state, made from what is in the catalogue now.

        It is as it was where that is not all there; whoever carries it out
        will say so.
        """
        if state.deleted:
            return state
        try:
            return dataclasses.replace(
                state, blueprint_digest=self.blueprint_of(
                    state.blueprint_ref).digest,
                element_digests={one.ref: self.element_of(one.ref).digest
                                 for one in state.elements if one.version})
        except NotFound:
            return state

    def moved(self, state: State, blueprint: Blueprint) -> str:
        """What is not as it was ordered, a clause; '' when all is.

        :param blueprint: the one of the state as it is here.
        :raises NotFound: an element is not here at all.
        """
        found = [] if state.blueprint_digest in ('', blueprint.digest) \
            else [f'blueprint {state.blueprint_ref}']
        found += [f'element {ref}' for ref, digest
                  in state.element_digests.items()
                  if self.element_of(ref).digest != digest]
        return f'{" and ".join(found)} ' + (
            'is not what it was' if len(found) == 1
            else 'are not what they were') if found else ''
