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
"""Ways to change who has an account on a cluster; see :mod:`accounts`."""

from __future__ import annotations

import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import copy
import dataclasses
import datetime
from typing import Any

from hpcdirect import sshkeys
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.planning import accounts
from hpcdirect.planning import reserved
from hpcdirect.planning.accounts import GONE
from hpcdirect.planning.accounts import ON
from hpcdirect.planning.accounts import Account
from hpcdirect.planning.desired import State


@dataclasses.dataclass(frozen=True)
class History:
    """What is known of a cluster's accounts besides its state.

    :param generation: the one that a change makes.
    :param unborn: users who were on no node ever: nothing of theirs is there.
    """

    generation: int = 0
    unborn: Collection[str] = ()


def since(state: State) -> dict[str, int]:
    """User -> the generation that the account came with, where it is kept."""
    return {name: entry['since']
            for name, entry in state.get('users', {}).items()
            if entry.get('since')}


def changed(state: State, blueprint: Blueprint,
            asked: Mapping[str, Mapping[str, Any] | None],
            at: datetime.datetime, history: History = History()) -> State:
    """The state with some accounts made, changed or taken off.

    :param blueprint: with just the elements the cluster has.
    :param asked: name -> fields, of which those that are not said stay;
        None takes the account off and keeps the home.
    :param at: the time, with a zone. One whose time is over is on again
        when it is given more.
    :raises Invalid: with every finding.
    """
    there = {one.name: one for one in accounts.listed(blueprint, state)}
    if not accounts.makers(blueprint):
        raise Invalid([Finding(
            'nothing on this cluster makes accounts; put on what does: '
            'openstack hpc cluster element add CLUSTER users', '$.users')])
    new = copy.deepcopy(state)
    users = new.setdefault('users', {})
    findings: list[Finding] = []
    for name, said in asked.items():
        known = there.get(name)
        said = {'state': GONE} if said is None else dict(said)
        if said.get('state') == GONE and known is None:
            findings.append(Finding('there is no such user',
                                    f'$.users.{name}'))
            continue
        if said.get('state') == GONE and name in history.unborn:
            del users[name], there[name]
            continue
        # The name and the id of one who never was bind nobody.
        fixed = None if name in history.unborn else known
        others = [one for one in there.values() if one.name != name]
        uid = said.get('uid') or (known.uid if known else _free(
            name, {**_ids(others), **_gids(said.get('groups', ()))}))
        entry = _gone(uid, said) if said.get('state') == GONE \
            else _entry(uid, said, known)
        came = history.generation if fixed is None \
            else fixed.said.get('since')
        if came and entry['state'] != GONE:
            entry['since'] = came
        findings += _about_ids(name, entry, fixed, others)
        findings += _about_names(name, entry, fixed, blueprint)
        findings += _about_time(name, entry, said, known, at)
        users[name] = entry
        there[name] = Account(name, uid, True, entry)
    if findings:
        raise Invalid(findings)
    return new


def remembered(old: State, new: State, before: Blueprint, after: Blueprint
               ) -> State:
    """The new state, in which nobody is forgotten who had an account.

    Who is no longer listed is gone, so that the id is not given to somebody
    else. Whom a blueprint's parameters list anew is there again. What is to
    be done to a home is asked for, and never comes of going back to where
    somebody was gone.

    :param before: the old state's blueprint, with just its elements;
    :param after: the new one's. Neither has been told of accounts.
    :raises Invalid: somebody would get another id.
    """
    # Without an element that makes accounts a blueprint's are not seen, and
    # are neither gone nor there again.
    seen = bool(accounts.makers(before) and accounts.makers(after))
    users = copy.deepcopy(new.get('users', {}))
    was = {one.name: one for one in accounts.listed(before, old)
           if seen or one.own}
    for name in _names(after, new) - _names(before, old) if seen else ():
        if users.get(name, {}).get('state') == GONE:
            del users[name]
    now = {one.name: one for one in accounts.listed(
        after, {**new, 'users': users}) if seen or one.own}
    findings = _doubles(after, new)
    for name, one in was.items():
        if name not in now:
            users[name] = _gone(one.uid, {})
        elif now[name].uid != one.uid:
            findings.append(_stays(name, one.uid))
        elif now[name].state == GONE != one.state:
            users[name] = _gone(one.uid, {})
    now |= {name: Account(name, entry['uid'], True, entry)
            for name, entry in users.items()}
    for name in sorted(now.keys() - was.keys()):
        findings += _about_ids(name, now[name].said, None, [
            one for one in now.values() if one.name != name])
        findings += _about_names(name, now[name].said, None, after)
    brought = reserved.of(before)
    for name in sorted(now.keys() & reserved.of(after).keys()):
        if name in was and name not in brought and now[name].state != GONE:
            findings += _about_names(name, now[name].said, None, after)
    if findings:
        raise Invalid(findings)
    rest = {key: value for key, value in new.items() if key != 'users'}
    return {**rest, 'users': users} if users else rest


def clashes(blueprint: Blueprint, state: State) -> list[Finding]:
    """Why a new cluster's users cannot all have their ids and keys."""
    there = accounts.listed(blueprint, state)
    findings = _doubles(blueprint, state) + wrong_keys(there)
    before: list[Account] = []
    for one in there:
        if one.state != GONE:
            findings += _about_ids(one.name, one.said, None, before)
            findings += _about_names(one.name, one.said, None, blueprint)
        before.append(one)
    return findings


def wrong_keys(accounts_now: Iterable[Account],
               accounts_before: Iterable[Account] = ()) -> list[Finding]:
    """What is wrong with the keys of users.

    :param accounts_before: the cluster's accounts before the change. A key
        that its user had already is not looked at: what is stored stays
        usable until somebody changes it.
    """
    before = {one.name: set(one.said.get('keys') or ())
              for one in accounts_before}
    return [
        Finding(problem, f'$.users.{one.name}.keys[{place}]')
        for one in accounts_now
        for place, key in enumerate(one.said.get('keys') or ())
        if isinstance(key, str) and key not in before.get(one.name, ())
        and (problem := sshkeys.problem(key))]


def purged(old: State, new: State) -> list[str]:
    """Users whose homes are lost by a change."""
    before = old.get('users', {})
    return sorted(
        name for name, entry in new.get('users', {}).items()
        if entry.get('home') == 'purge'
        and before.get(name, {}).get('state') != GONE)


def _gone(uid: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of one who is gone."""
    return {'uid': uid, 'state': GONE, 'home': said.get('home', 'keep'),
            'end_jobs': bool(said.get('end_jobs'))}


def _entry(uid: int, said: Mapping[str, Any], known: Account | None
           ) -> dict[str, Any]:
    """What is kept of one who is there."""
    kept = known.said if known and known.state != GONE else {}
    fields = {'keys': [], 'groups': [], 'shell': '/bin/bash', 'sudo': False,
              'expires_at': None, 'state': ON}
    return {**{name: said.get(name, kept.get(name, usual))
               for name, usual in fields.items()}, 'uid': uid}


def _about_ids(name: str, entry: Mapping[str, Any], known: Account | None,
               others: Iterable[Account]) -> list[Finding]:
    """Why an account and its groups cannot have their ids."""
    others = list(others)
    uid, taken = accounts.uid_of(name, entry), _ids(others)
    where = f'$.users.{name}'
    if known is not None and uid != known.uid:
        return [_stays(name, known.uid)]
    findings = []
    if known is None and uid in taken:
        findings.append(Finding(f'{uid} is, or was, the id of {taken[uid]}',
                                f'{where}.uid'))
    fresh = known is None or known.state == GONE
    if fresh and entry.get('state') != GONE and name in _groups(others):
        findings.append(Finding('a group has that name', where))
    there = {one.name for one in others if one.state != GONE} | {name}
    for gid, group in _gids(set(entry.get('groups', ())) - there).items():
        owner = name if gid == uid else taken.get(gid, group)
        if owner != group:
            findings.append(Finding(f'{group} would have the id of {owner}; '
                                    'name it otherwise', f'{where}.groups'))
    return findings


def _about_names(name: str, entry: Mapping[str, Any], known: Account | None,
                 blueprint: Blueprint) -> list[Finding]:
    """Why one who is not there yet cannot have a name or an id.

    The machine has them already.
    """
    if entry.get('state') == GONE or (known and known.state != GONE):
        return []
    where = f'$.users.{name}'
    return [Finding(problem, place) for problem, place in (
        (reserved.name_problem(name, reserved.of(blueprint)), where),
        (reserved.id_problem(accounts.uid_of(name, entry)), f'{where}.uid'),
    ) if problem]


def _stays(name: str, uid: int) -> Finding:
    return Finding(f'is {uid} and stays so: files belong to it',
                   f'$.users.{name}.uid')


def _about_time(name: str, entry: dict[str, Any], said: Mapping[str, Any],
                known: Account | None, at: datetime.datetime
                ) -> list[Finding]:
    """Write the end of an account as UTC; what is wrong with it."""
    where = f'$.users.{name}.expires_at'
    ended = known is not None and _ended(known.said, at)
    if entry['state'] == GONE:
        return []
    if 'expires_at' not in said:
        return [Finding('its time is over; say until when, or null', where)
                ] if ended and said.get('state') == ON else []
    if ended and 'state' not in said:
        entry['state'] = ON
    if said['expires_at'] is None:
        return []
    try:
        moment = datetime.datetime.fromisoformat(said['expires_at'])
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        entry['expires_at'] = moment.astimezone(datetime.UTC).isoformat()
    except (ValueError, OverflowError):
        return [Finding('is no time; write it like 2027-01-31T12:00:00Z',
                        where)]
    return [Finding('that time is past', where)] if moment <= at else []


def _ended(entry: Mapping[str, Any], at: datetime.datetime) -> bool:
    end = str(entry.get('expires_at') or '')
    return end != '' and datetime.datetime.fromisoformat(end) <= at


def _free(name: str, taken: Mapping[int, str]) -> int:
    """An id made from the name, or the next one that nobody has."""
    uid = accounts.number('user', name)
    while uid in taken:
        uid = accounts.FIRST + (uid + 1 - accounts.FIRST) % accounts.SPAN
    return uid


def _gids(groups: Iterable[str]) -> dict[int, str]:
    return {accounts.number('group', name): f'group {name}'
            for name in groups}


def _groups(rows: Iterable[Account]) -> set[str]:
    """Further groups of those that are there."""
    rows = [one for one in rows if one.state != GONE]
    return {group for one in rows for group in one.said.get('groups', ())
            } - {one.name for one in rows}


def _ids(rows: Iterable[Account]) -> dict[int, str]:
    """Id -> who has it, or had it."""
    rows = list(rows)
    return _gids(_groups(rows)) | {one.uid: one.name for one in rows}


def _doubles(blueprint: Blueprint, state: State) -> list[Finding]:
    """Users whom a blueprint's parameters list twice."""
    return [Finding('is listed twice', f'$.users.{name}')
            for use in accounts.makers(blueprint)
            for name, count in collections.Counter(
                entry['name'] for entry in accounts.from_blueprint(
                    use, state)).items() if count > 1]


def _names(blueprint: Blueprint, state: State) -> set[str]:
    """Whom the blueprint's own parameters list."""
    return {entry['name'] for use in accounts.makers(blueprint)
            for entry in accounts.from_blueprint(use, state)}
