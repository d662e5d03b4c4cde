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

from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
import datetime

from oslo_utils import timeutils

from hpcdirect.blueprints.model import Blueprint
from hpcdirect.exception import Finding
from hpcdirect.exception import Findings
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import texts
from hpcdirect.jsontypes import whole
from hpcdirect.planning import accounts
from hpcdirect.planning.accounts import Person
from hpcdirect.planning.state import GONE
from hpcdirect.planning.state import ON
from hpcdirect.planning.state import Account
from hpcdirect.planning.state import State


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
    return {name: account.since for name, account in state.users.items()
            if account.since}


def changed(state: State, blueprint: Blueprint,
            asked: Mapping[str, Object | None],
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
    users = dict(state.users)
    findings = Findings()
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
        uid = whole(said.get('uid')) or (known.account.uid if known else _free(
            name, {**accounts.ids(others),
                   **accounts.gids(texts(said.get('groups')))}))
        account, wrong = _timed(name, _gone(uid, said) if said.get(
            'state') == GONE else _there(uid, said, known), said, known, at)
        if account.state != GONE:
            account = dataclasses.replace(
                account, since=history.generation if fixed is None
                else fixed.account.since)
        users[name], there[name] = account, Person(name, account, True)
        findings += [*accounts.id_problems(there[name], fixed, others),
                     *accounts.name_problems(there[name], fixed, blueprint),
                     *wrong]
    findings.check()
    return dataclasses.replace(state, users=users)


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
    users = dict(new.users)
    was = {one.name: one for one in accounts.listed(before, old)
           if seen or one.own}
    for name in _names(after, new) - _names(before, old) if seen else ():
        if name in users and users[name].state == GONE:
            del users[name]
    now = {one.name: one for one in accounts.listed(
        after, dataclasses.replace(new, users=users)) if seen or one.own}
    findings = Findings(accounts.doubles(after, new))
    for name, one in was.items():
        if name in now and now[name].account.uid != one.account.uid:
            findings.append(accounts.stays(name, one.account.uid))
        elif name not in now or (one.there and not now[name].there):
            users[name] = _gone(one.account.uid, {})
    now |= {name: Person(name, account, True)
            for name, account in users.items()}
    for name in sorted(now.keys() - was.keys()):
        findings += accounts.id_problems(now[name], None, [
            one for one in now.values() if one.name != name])
        findings += accounts.name_problems(now[name], None, after)
    brought = accounts.reserved(before)
    for name in sorted(now.keys() & accounts.reserved(after).keys()):
        if name in was and name not in brought and now[name].there:
            findings += accounts.name_problems(now[name], None, after)
    findings.check()
    return dataclasses.replace(new, users=users)


def purged(old: State, new: State) -> list[str]:
    """Users whose homes are lost by a change."""
    return sorted(
        name for name, account in new.users.items()
        if account.state == GONE and account.home == 'purge' and (
            name not in old.users or old.users[name].state != GONE))


def _gone(uid: int, said: Object) -> Account:
    """What is kept of one who is gone."""
    return Account(uid, GONE, home=text(said.get('home'), 'keep'),
                   end_jobs=bool(said.get('end_jobs')))


def _there(uid: int, said: Object, known: Person | None
           ) -> Account:
    """What is kept of one who is there."""
    kept = known.account if known and known.there else Account(uid)
    return Account.from_json({**kept.to_json(), **{
        name: said[name] for name in _SAID if name in said}, 'uid': uid})


#: What a change may say of one who is there.
_SAID = ('keys', 'groups', 'shell', 'sudo', 'expires_at', 'state')


def _timed(name: str, account: Account, said: Object,
           known: Person | None, at: datetime.datetime
           ) -> tuple[Account, list[Finding]]:
    """An account with its end as UTC, and what is wrong with that end."""
    where = f'$.users.{name}.expires_at'
    ended = known is not None and _ended(known.account, at)
    if account.state == GONE:
        return account, []
    if 'expires_at' not in said:
        return account, [Finding(
            'its time is over; say until when, or null', where)
            ] if ended and said.get('state') == ON else []
    if ended and 'state' not in said:
        account = dataclasses.replace(account, state=ON)
    if said['expires_at'] is None:
        return account, []
    try:
        moment = timeutils.normalize_time(datetime.datetime.fromisoformat(
            text(said['expires_at']))).replace(tzinfo=datetime.UTC)
    except (ValueError, OverflowError):
        return account, [Finding(
            'is not a time; write it like 2027-01-31T12:00:00Z', where)]
    account = dataclasses.replace(account, expires_at=moment.isoformat())
    return account, [Finding('that time is past', where)] if moment <= at \
        else []


def _ended(account: Account, at: datetime.datetime) -> bool:
    return bool(account.expires_at) and datetime.datetime.fromisoformat(
        str(account.expires_at)) <= at


def _free(name: str, taken: Mapping[int, str]) -> int:
    """An id made from the name, or the next one that nobody has."""
    uid = accounts.number('user', name)
    while uid in taken:
        uid = accounts.FIRST + (uid + 1 - accounts.FIRST) % accounts.SPAN
    return uid


def _names(blueprint: Blueprint, state: State) -> set[str]:
    """Whom the blueprint's own parameters list."""
    return {name for use in accounts.makers(blueprint)
            for name, _ in accounts.from_blueprint(use, state)}
