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

"""From a PATCH to what is wanted of a cluster from now on."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
from typing import Any

from hpcdirect.backends.base import Assessment
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db import runs
from hpcdirect.db.models import Cluster
from hpcdirect.exception import Conflict
from hpcdirect.exception import Finding
from hpcdirect.exception import Findings
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.exception import found_at
from hpcdirect.orders import creation
from hpcdirect.orders import past
from hpcdirect.orders.parts import Parts
from hpcdirect.planning import accounts
from hpcdirect.planning import candidates
from hpcdirect.planning import elements
from hpcdirect.planning import revisions
from hpcdirect.planning import sizing
from hpcdirect.planning import users
from hpcdirect.planning.candidates import Candidate
from hpcdirect.planning.revisions import Revision
from hpcdirect.planning.state import State
from hpcdirect.planning.updates import Site
from hpcdirect.states import Operation

#: Members of a PATCH that change what is wanted.
CHANGES = ('parameters', 'node_groups', 'elements', 'users', 'generation',
           'version')


@dataclasses.dataclass(frozen=True)
class Draft:
    """What a cluster would be after a change.

    :ivar findings: all that is wrong with it.
    :ivar assessment: what its backend says of machines that would come.
    """

    state: State
    findings: Sequence[Finding] = ()
    assessment: Assessment = dataclasses.field(default_factory=Assessment)


def wanted(parts: Parts, cluster: Cluster, body: Mapping[str, Any]
           ) -> State:
    """The state of a cluster after a change; its own when none is asked.

    :raises Invalid: with all that is wrong.
    """
    made = draft(parts, cluster, body)
    Findings(made.findings).check()
    return made.state


def draft(parts: Parts, cluster: Cluster, body: Mapping[str, Any]
          ) -> Draft:
    """The same, and what is wrong with it.

    :raises Invalid: it cannot be made out.
    """
    if not any(body.get(name) for name in CHANGES):
        return Draft(cluster.desired)
    body = parts.with_known_seals(cluster.desired, body)
    findings = Findings()
    if 'generation' in body:
        state = _rolled_back(parts, cluster, body)
        blueprint = blueprint_at(parts, state)
    elif 'version' in body:
        state, findings = _upgraded(parts, cluster, body)
        blueprint = blueprint_at(parts, state)
    else:
        blueprint = blueprint_of(parts, cluster)
        state, findings = _changed(parts, cluster, blueprint, body)
    if 'generation' not in body:
        # What was kept of an earlier generation was taken then.
        findings += _wrong_keys(parts, cluster, blueprint, state)
    grown = set(sizing.slot_names(state)) - set(
        sizing.slot_names(cluster.desired))
    if findings:
        return Draft(state, findings)
    assessment = creation.assess(
        parts, blueprint, cluster, state) if grown else Assessment()
    return Draft(parts.sealed(state, cluster.desired),
                 assessment.findings, assessment)


def operation(parts: Parts, cluster: Cluster,
              body: Mapping[str, Any], after: State) -> Operation:
    """What a change is in its owner's words: only sizes, or more."""
    if 'generation' in body:
        return Operation.ROLLBACK
    if 'version' in body:
        return Operation.UPGRADE
    before = cluster.desired
    counts = {group.count
              for group in blueprint_of(parts, cluster).node_groups}
    changed = {name for name, value in after.parameters.items()
               if before.parameters.get(name) != value}
    scaled = (before.groups != after.groups and changed <= counts
              and before.elements == after.elements
              and before.users == after.users)
    return Operation.SCALE if scaled else Operation.UPDATE


def blueprint_of(parts: Parts, cluster: Cluster) -> Blueprint:
    """The blueprint of a cluster.

    :raises Conflict: it is not in the catalogue any more.
    """
    ref = f'{cluster.blueprint}@{cluster.blueprint_version}'
    try:
        return parts.catalogue.blueprint(ref)
    except NotFound as exc:
        raise Conflict(
            reason=f'Blueprint {ref} is not in the catalogue any more; the '
            'cluster can only be deleted.') from exc


def blueprint_at(parts: Parts, state: State) -> Blueprint:
    """The blueprint of a state.

    :raises Conflict: it is not in the catalogue any more.
    """
    ref = state.blueprint_ref
    try:
        return parts.catalogue.blueprint(ref)
    except NotFound as exc:
        raise Conflict(reason=f'Blueprint {ref} is not in the catalogue any '
                       'more.') from exc


def composed(parts: Parts, blueprint: Blueprint, state: State
             ) -> Blueprint:
    """A blueprint with just the elements that a cluster is to have.

    :raises Conflict: one is not in the catalogue any more.
    """
    return accounts.all_told(chosen(parts, blueprint, state), state)


def revision(parts: Parts, state: State) -> Revision:
    """A state, with what the catalogue still knows about it."""
    try:
        blueprint = parts.catalogue.blueprint(state.blueprint_ref)
        return Revision(state, blueprint, tuple(elements.listing(
            blueprint, state, parts.catalogue.element)))
    except NotFound:
        return Revision(state)


def chosen(parts: Parts, blueprint: Blueprint, state: State
           ) -> Blueprint:
    """The same, before its elements are told of accounts.

    :raises Conflict: one is not in the catalogue any more.
    """
    try:
        return elements.chosen(blueprint, state,
                                  parts.catalogue.element)
    except NotFound as exc:
        raise _gone(exc) from exc


def _gone(exc: NotFound) -> Conflict:
    return Conflict(reason=f'{exc} It is on the cluster; bring it back to the '
                    'catalogue, or delete the cluster.')


def candidates_for(parts: Parts, cluster: Cluster) -> list[Candidate]:
    """Every element of the catalogue, as it would be on a cluster.

    :raises Conflict: what is on it is not in the catalogue any more.
    """
    try:
        return candidates.of(
            cluster.desired, blueprint_of(parts, cluster),
            parts.catalogue.elements(), parts.catalogue.element)
    except NotFound as exc:
        raise _gone(exc) from exc


def _changed(parts: Parts, cluster: Cluster, blueprint: Blueprint,
             body: Mapping[str, Any]) -> tuple[State, Findings]:
    """The new state, or all that is wrong with what was asked."""
    findings = Findings()
    state = cluster.desired
    site = site_of(parts, cluster, blueprint, bool(body.get('force')))
    with findings.gather():
        if body.get('elements'):
            state = elements.changed(state, blueprint, body['elements'],
                                     parts.catalogue.element)
    # What is on the machines decides what is lost with them.
    present = composed(parts, blueprint, cluster.desired)
    with findings.gather():
        if body.get('parameters'):
            state = sizing.with_parameters(state, present,
                                            body['parameters'], site)
    with findings.gather():
        state = users.remembered(
            cluster.desired, state,
            chosen(parts, blueprint, cluster.desired),
            chosen(parts, blueprint, state))
        if body.get('users'):
            there = chosen(parts, blueprint, state)
            state = users.changed(
                state, there, body['users'],
                datetime.datetime.now(datetime.UTC),
                _history(parts, cluster, there))
    for name, asked in body.get('node_groups', {}).items():
        with findings.gather():
            state = _resized(state, present, site, name, asked)
    return state, findings


def _wrong_keys(parts: Parts, cluster: Cluster, blueprint: Blueprint,
                state: State) -> list[Finding]:
    """What is wrong with keys that a change brings."""
    before = blueprint_of(parts, cluster)
    return accounts.wrong_keys(
        accounts.listed(chosen(parts, blueprint, state), state),
        accounts.listed(chosen(parts, before, cluster.desired),
                        cluster.desired))


def _history(parts: Parts, cluster: Cluster, blueprint: Blueprint
             ) -> users.History:
    """What the cluster's runs tell of its accounts."""
    with parts.database.read() as session:
        unborn = runs.never_reached(
            session, cluster.id,
            [use.element.name for use in accounts.makers(blueprint)],
            users.since(cluster.desired))
    return users.History(cluster.generation + 1, unborn)


def _rolled_back(parts: Parts, cluster: Cluster,
                 body: Mapping[str, Any]) -> State:
    """All as it was wanted at an earlier generation."""
    if any(body.get(name) for name in CHANGES if name != 'generation'):
        raise Invalid([Finding('goes alone; change the rest afterwards',
                               '$.generation')])
    aim = past.kept(parts, cluster, body['generation'])
    blueprint = blueprint_at(parts, aim)
    # Every element of then has to be there still.
    after = chosen(parts, blueprint, aim)
    state = past.standing(parts, cluster)
    present = chosen(parts, blueprint_at(parts, state), state)
    return revisions.moved(
        state, users.remembered(state, aim, present, after),
        dataclasses.replace(blueprint, elements=present.elements),
        site_of(parts, cluster, present, bool(body.get('force'))),
        past.highest(parts, cluster, aim))


def _upgraded(parts: Parts, cluster: Cluster, body: Mapping[str, Any]
              ) -> tuple[State, Findings]:
    """All as it was, of another version; or what stands in the way."""
    if any(body.get(name) for name in ('node_groups', 'elements', 'users')):
        raise Invalid([Finding('goes with parameters only; change the rest '
                               'before or afterwards', '$.version')])
    before = blueprint_of(parts, cluster)
    with found_at('$.version'):
        after = parts.catalogue.blueprint(
            f'{cluster.blueprint}@{body["version"]}')
    state = cluster.desired
    aim = revisions.upgraded(state, before, after,
                             body.get('parameters', {}))
    findings = elements.standing(aim, after, parts.catalogue.element)
    present = chosen(parts, before, state)
    with findings.gather():
        aim = users.remembered(state, aim, present,
                               chosen(parts, after, aim))
        aim = revisions.moved(
            state, aim, dataclasses.replace(after, elements=present.elements),
            site_of(parts, cluster, before, bool(body.get('force'))), {})
    return aim, findings


def site_of(parts: Parts, cluster: Cluster, blueprint: Blueprint,
            force: bool = False) -> Site:
    """What of a cluster's surroundings matters for a change of it."""
    backend = parts.backends.get(cluster.backend)
    return Site(cluster.backend, blueprint.volumes if backend is not None
                and backend.offers_volumes else (), force)


def _resized(state: State, blueprint: Blueprint, site: Site, name: str,
             asked: Mapping[str, Any]) -> State:
    if 'count' in asked:
        return sizing.with_count(state, blueprint, name, asked['count'])
    if 'replace' in asked:
        return sizing.with_replaced(
            state, blueprint, name, asked['replace'], dataclasses.replace(
                site, force=site.force or asked.get('force', False)))
    return sizing.with_slots(state, blueprint, name, asked['slots'])
