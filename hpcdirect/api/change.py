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

from hpcdirect.api import creation
from hpcdirect.api import past
from hpcdirect.api import sealing
from hpcdirect.api.services import Services
from hpcdirect.backends.base import Assessment
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db import runs
from hpcdirect.db.models import Cluster
from hpcdirect.exception import Conflict
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.planning import accounts
from hpcdirect.planning import candidates
from hpcdirect.planning import composition
from hpcdirect.planning import elements
from hpcdirect.planning import revisions
from hpcdirect.planning import sizing
from hpcdirect.planning import users
from hpcdirect.planning.candidates import Candidate
from hpcdirect.planning.differences import Revision
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


def wanted(services: Services, cluster: Cluster, body: Mapping[str, Any]
           ) -> State:
    """The state of a cluster after a change; its own when none is asked.

    :raises Invalid: with all that is wrong.
    """
    made = draft(services, cluster, body)
    if made.findings:
        raise Invalid(made.findings)
    return made.state


def draft(services: Services, cluster: Cluster, body: Mapping[str, Any]
          ) -> Draft:
    """The same, and what is wrong with it.

    :raises Invalid: it cannot be made out.
    """
    if not any(body.get(name) for name in CHANGES):
        return Draft(cluster.desired)
    sealing.refuse(body)
    body = sealing.familiar(services.keys, cluster.desired, body)
    findings: list[Finding] = []
    if 'generation' in body:
        state = _rolled_back(services, cluster, body)
        blueprint = blueprint_at(services, state)
    elif 'version' in body:
        state, findings = _upgraded(services, cluster, body)
        blueprint = blueprint_at(services, state)
    else:
        blueprint = blueprint_of(services, cluster)
        state, findings = _changed(services, cluster, blueprint, body)
    if 'generation' not in body:
        # What was kept of an earlier generation was taken then.
        findings = findings + _wrong_keys(services, cluster, blueprint, state)
    grown = set(sizing.slot_names(state)) - set(
        sizing.slot_names(cluster.desired))
    if findings:
        return Draft(state, findings)
    assessment = creation.assess(
        services, blueprint, cluster, state) if grown else Assessment()
    return Draft(sealing.sealed(services, state, cluster.desired),
                 assessment.findings, assessment)


def operation(services: Services, cluster: Cluster,
              body: Mapping[str, Any], after: State) -> Operation:
    """What a change is in its owner's words: only sizes, or more."""
    if 'generation' in body:
        return Operation.ROLLBACK
    if 'version' in body:
        return Operation.UPGRADE
    before = cluster.desired
    counts = {group.count
              for group in blueprint_of(services, cluster).node_groups}
    changed = {name for name, value in after.parameters.items()
               if before.parameters.get(name) != value}
    scaled = (before.groups != after.groups and changed <= counts
              and before.elements == after.elements
              and before.users == after.users)
    return Operation.SCALE if scaled else Operation.UPDATE


def blueprint_of(services: Services, cluster: Cluster) -> Blueprint:
    """The blueprint of a cluster.

    :raises Conflict: it is not in the catalogue any more.
    """
    ref = f'{cluster.blueprint}@{cluster.blueprint_version}'
    try:
        return services.catalogue.blueprint(ref)
    except NotFound as exc:
        raise Conflict(
            reason=f'Blueprint {ref} is not in the catalogue any more; the '
            'cluster can only be deleted.') from exc


def blueprint_at(services: Services, state: State) -> Blueprint:
    """The blueprint of a state.

    :raises Conflict: it is not in the catalogue any more.
    """
    ref = state.blueprint_ref
    try:
        return services.catalogue.blueprint(ref)
    except NotFound as exc:
        raise Conflict(reason=f'Blueprint {ref} is not in the catalogue any '
                       'more.') from exc


def composed(services: Services, blueprint: Blueprint, state: State
             ) -> Blueprint:
    """A blueprint with just the elements that a cluster is to have.

    :raises Conflict: one is not in the catalogue any more.
    """
    return accounts.all_told(chosen(services, blueprint, state), state)


def revision(services: Services, state: State) -> Revision:
    """A state, with what the catalogue still knows about it."""
    try:
        blueprint = services.catalogue.blueprint(state.blueprint_ref)
        return Revision(state, blueprint, tuple(composition.listing(
            blueprint, state, services.catalogue.element)))
    except NotFound:
        return Revision(state)


def chosen(services: Services, blueprint: Blueprint, state: State
           ) -> Blueprint:
    """The same, before its elements are told of accounts.

    :raises Conflict: one is not in the catalogue any more.
    """
    try:
        return composition.chosen(blueprint, state,
                                  services.catalogue.element)
    except NotFound as exc:
        raise _gone(exc) from exc


def _gone(exc: NotFound) -> Conflict:
    return Conflict(reason=f'{exc} It is on the cluster; bring it back to the '
                    'catalogue, or delete the cluster.')


def candidates_for(services: Services, cluster: Cluster) -> list[Candidate]:
    """Every element of the catalogue, as it would be on a cluster.

    :raises Conflict: what is on it is not in the catalogue any more.
    """
    try:
        return candidates.of(
            cluster.desired, blueprint_of(services, cluster),
            services.catalogue.elements(), services.catalogue.element)
    except NotFound as exc:
        raise _gone(exc) from exc


def _changed(services: Services, cluster: Cluster, blueprint: Blueprint,
             body: Mapping[str, Any]) -> tuple[State, list[Finding]]:
    """The new state, or all that is wrong with what was asked."""
    findings: list[Finding] = []
    state = cluster.desired
    site = site_of(services, cluster, blueprint, bool(body.get('force')))
    try:
        if body.get('elements'):
            state = elements.changed(state, blueprint, body['elements'],
                                     services.catalogue.element)
    except Invalid as exc:
        findings += exc.findings
    # What is on the machines decides what is lost with them.
    present = composed(services, blueprint, cluster.desired)
    try:
        if body.get('parameters'):
            state = sizing.with_parameters(state, present,
                                            body['parameters'], site)
    except Invalid as exc:
        findings += exc.findings
    try:
        state = users.remembered(
            cluster.desired, state,
            chosen(services, blueprint, cluster.desired),
            chosen(services, blueprint, state))
        if body.get('users'):
            there = chosen(services, blueprint, state)
            state = users.changed(
                state, there, body['users'],
                datetime.datetime.now(datetime.UTC),
                _history(services, cluster, there))
    except Invalid as exc:
        findings += exc.findings
    for name, asked in body.get('node_groups', {}).items():
        try:
            state = _resized(state, present, site, name, asked)
        except Invalid as exc:
            findings += exc.findings
    return state, findings


def _wrong_keys(services: Services, cluster: Cluster, blueprint: Blueprint,
                state: State) -> list[Finding]:
    """What is wrong with keys that a change brings."""
    before = blueprint_of(services, cluster)
    return users.wrong_keys(
        accounts.listed(chosen(services, blueprint, state), state),
        accounts.listed(chosen(services, before, cluster.desired),
                        cluster.desired))


def _history(services: Services, cluster: Cluster, blueprint: Blueprint
             ) -> users.History:
    """What the cluster's runs tell of its accounts."""
    with services.database.read() as session:
        unborn = runs.never_reached(
            session, cluster.id,
            [use.element.name for use in accounts.makers(blueprint)],
            users.since(cluster.desired))
    return users.History(cluster.generation + 1, unborn)


def _rolled_back(services: Services, cluster: Cluster,
                 body: Mapping[str, Any]) -> State:
    """All as it was wanted at an earlier generation."""
    if any(body.get(name) for name in CHANGES if name != 'generation'):
        raise Invalid([Finding('goes alone; change the rest afterwards',
                               '$.generation')])
    aim = past.kept(services, cluster, body['generation'])
    blueprint = blueprint_at(services, aim)
    # Every element of then has to be there still.
    after = chosen(services, blueprint, aim)
    state = past.standing(services, cluster)
    present = chosen(services, blueprint_at(services, state), state)
    return revisions.moved(
        state, users.remembered(state, aim, present, after),
        dataclasses.replace(blueprint, elements=present.elements),
        site_of(services, cluster, present, bool(body.get('force'))),
        past.highest(services, cluster, aim))


def _upgraded(services: Services, cluster: Cluster, body: Mapping[str, Any]
              ) -> tuple[State, list[Finding]]:
    """All as it was, of another version; or what stands in the way."""
    if any(body.get(name) for name in ('node_groups', 'elements', 'users')):
        raise Invalid([Finding('goes with parameters only; change the rest '
                               'before or afterwards', '$.version')])
    before = blueprint_of(services, cluster)
    try:
        after = services.catalogue.blueprint(
            f'{cluster.blueprint}@{body["version"]}')
    except NotFound as exc:
        raise Invalid([Finding(str(exc), '$.version')]) from exc
    state = cluster.desired
    aim = revisions.upgraded(state, before, after,
                             body.get('parameters', {}))
    findings = elements.standing(aim, after, services.catalogue.element)
    present = chosen(services, before, state)
    try:
        aim = users.remembered(state, aim, present,
                               chosen(services, after, aim))
        aim = revisions.moved(
            state, aim, dataclasses.replace(after, elements=present.elements),
            site_of(services, cluster, before, bool(body.get('force'))), {})
    except Invalid as exc:
        findings += exc.findings
    return aim, findings


def site_of(services: Services, cluster: Cluster, blueprint: Blueprint,
            force: bool = False) -> Site:
    """What of a cluster's surroundings matters for a change of it."""
    backend = services.backends.get(cluster.backend)
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
