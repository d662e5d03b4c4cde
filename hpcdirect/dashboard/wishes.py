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

"""What a button or a form of a cluster wishes, and the command that does it.

A wish is a change as the API takes it. It is shown as a plan before anything
is done; whoever agrees sends the plan's id.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any

from hpcdirect.dashboard import commands
from hpcdirect.dashboard import schema_forms

Form = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Wish:
    """A change.

    :ivar change: the body of a PATCH of the cluster.
    :ivar words: of the command.
    """

    change: dict[str, Any]
    words: list[str]


def add_element(cluster: str, form: Form) -> Wish:
    """Put an element on."""
    name = form['element']
    return Wish({'elements': {name: {}}},
                commands.of('cluster element add', cluster, name))


def remove_element(cluster: str, form: Form) -> Wish:
    """Take an element off, and what stands on it."""
    name = form['element']
    return Wish({'elements': {name: None}},
                commands.of('cluster element remove', cluster, name))


def replace_node(cluster: str, form: Form) -> Wish:
    """Have another machine in the place of one."""
    name = form['node']
    return Wish({'node_groups': {form['group']: {'replace': [name]}}},
                commands.of('node replace', cluster, name))


def set_user(cluster: str, form: Form) -> Wish:
    """Have an account, with these keys."""
    name = form['name'].strip()
    keys = [line.strip() for line in form.get('keys', '').splitlines()
            if line.strip()]
    account: dict[str, Any] = {'keys': keys}
    if form.get('sudo'):
        account['sudo'] = True
    return Wish({'users': {name: account}}, commands.of(
        'user create', cluster, name,
        *(f'--public-key={key}' for key in keys),
        *(['--sudo'] if form.get('sudo') else [])))


def add_users(cluster: str, users: Mapping[str, Any], file: str) -> Wish:
    """Have the accounts of a table.

    :param file: what the command calls it.
    """
    return Wish({'users': users}, commands.add_users(cluster, file))


def switch_user(cluster: str, form: Form) -> Wish:
    """Let nobody in by an account, or again."""
    name, state = form['name'], form['state']
    return Wish({'users': {name: {'state': state}}},
                commands.of('user set', cluster, name, f'--{state}'))


def remove_user(cluster: str, form: Form) -> Wish:
    """Take an account off; the home stays unless that is said."""
    name, home = form['name'], form.get('home') or 'keep'
    return Wish(
        {'users': {name: {'state': 'gone', 'home': home, 'end_jobs': bool(
            form.get('end_jobs'))}}},
        commands.of('user delete', cluster, name, f'--home={home}',
                    *(['--end-jobs'] if form.get('end_jobs') else [])))


def roll_back(cluster: str, form: Form) -> Wish:
    """What was wanted once."""
    number = form['generation']
    return Wish({'generation': int(number)},
                commands.of('cluster rollback', cluster, number))


KINDS: Mapping[str, Callable[[str, Form], Wish]] = {
    'add-element': add_element, 'remove-element': remove_element,
    'replace-node': replace_node, 'set-user': set_user,
    'switch-user': switch_user, 'remove-user': remove_user,
    'roll-back': roll_back}


def of(cluster: str, form: Form) -> Wish | None:
    """What a form wishes; None when it is not one of ours."""
    try:
        return KINDS[form['wish']](cluster, form)
    except (KeyError, ValueError):
        return None


def parameters(cluster: Mapping[str, Any], schema: Mapping[str, Any],
               values: Mapping[str, Any]) -> Wish:
    """What of a cluster's parameters is to be otherwise.

    :param values: those that are not as by default, as a form gives them.
    """
    now = cluster['parameters']
    found = {}
    for name, inner in schema.get('properties', {}).items():
        wanted = values.get(name, inner.get('default')) if isinstance(
            inner, Mapping) else values.get(name)
        secret = isinstance(inner, Mapping) and inner.get('x-secret') is True
        if (secret and name not in values) or schema_forms.canonical(
                wanted) == schema_forms.canonical(now.get(name)):
            continue
        if wanted is not None or name in now:
            found[name] = wanted
    return Wish({'parameters': found},
                commands.update(cluster['name'], found, schema))
