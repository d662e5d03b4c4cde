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


"""From a wish to what it would do, told by the conductor's own planner."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import re
from typing import Any

from hpcdirect import digests
from hpcdirect.backends.base import Assessment
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.context import RequestContext
from hpcdirect.db import clusters
from hpcdirect.db import models
from hpcdirect.db import plans
from hpcdirect.db import recorded
from hpcdirect.db.session import Session
from hpcdirect.exception import ClusterProtected
from hpcdirect.exception import DuplicateName
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.exception import PlanStale
from hpcdirect.orders import change
from hpcdirect.orders import creation
from hpcdirect.orders.parts import Parts
from hpcdirect.planning import accounts
from hpcdirect.planning import preview
from hpcdirect.planning import revisions
from hpcdirect.planning import sizing
from hpcdirect.planning import users
from hpcdirect.planning import wanted as wanting
from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import plan
from hpcdirect.planning.state import State
from hpcdirect.states import StepKind
from hpcdirect.states import Verdict


@dataclasses.dataclass(frozen=True)
class _World:
    """What is recorded of a cluster that matters for a plan."""

    observed: Observed = dataclasses.field(default_factory=Observed)
    members: Mapping[str, wanting.Member] = dataclasses.field(
        default_factory=dict)
    secrets: Mapping[tuple[str, str], int] = dataclasses.field(
        default_factory=dict)
    fingerprint: str = ''


def creation_of(asked: Mapping[str, Any], wrong: Iterable[Finding]
                ) -> tuple[Mapping[str, Any], list[Finding]] | None:
    """The body of a creation that is asked about, and what is wrong with it.

    :param wrong: what is wrong with all that was asked.
    :returns: None when it is not about a creation.
    :raises Invalid: more is wrong than the creation's body.
    """
    found = list(wrong)
    inside = [dataclasses.replace(one, where=f'${place[1] or ""}')
              for one in found if (place := re.fullmatch(
                  r'\$\.create([.\[].*)?', one.where, re.DOTALL))]
    body = asked.get('create')
    if len(inside) < len(found) or (inside and not isinstance(body, dict)):
        raise Invalid(found)
    return None if body is None else (body, inside)


def of_creation(parts: Parts, context: RequestContext,
                body: Mapping[str, Any], wrong: Iterable[Finding] = ()
                ) -> dict[str, Any]:
    """What a POST of this body would do; nothing of it is kept.

    :param wrong: what is wrong with the body itself.
    """
    made = creation.draft(parts, context, body, wrong)
    findings = [*_taken(parts, context, made.cluster.name),
                *made.findings]
    needs = _needs(made.assessment)
    if findings or made.blueprint is None or made.state is None:
        return {**_refused(Invalid(findings)), **needs}
    return {**_shown(parts, str(context.project_id), _Case(
        made.blueprint, made.blueprint, made.state,
        _volumes(parts, made.cluster, made.blueprint)), _World()), **needs}


def _needs(assessment: Assessment) -> dict[str, Any]:
    """What of the cloud would be taken."""
    return {
        'needs': [dataclasses.asdict(one) for one in assessment.needs],
        'quotas': [{**dataclasses.asdict(one.quota), 'wanted': one.wanted,
                    'after': one.after, 'fits': one.fits}
                   for one in assessment.claims]}


def _taken(parts: Parts, context: RequestContext, name: str
           ) -> list[Finding]:
    """That the project has a cluster of this name already."""
    with parts.database.read() as session:
        there = clusters.has_name(session, str(context.project_id), name)
    return [Finding(str(DuplicateName(name=name)), '$.name')] if there else []


def of_deletion(parts: Parts, cluster: models.Cluster
                ) -> dict[str, Any]:
    """What the deletion of a cluster would do; nothing of it is kept."""
    if cluster.protected:
        return _refused(Invalid([Finding(str(ClusterProtected(
            ident=cluster.name)), '$.protected')]))
    with parts.database.read() as session:
        world = _world(session, cluster.id)
    blueprint = change.blueprint_of(parts, cluster)
    return _shown(parts, cluster.project_id, _Case(
        blueprint, blueprint, dataclasses.replace(
            cluster.desired, deleted=True),
        _volumes(parts, cluster, blueprint)), world)


def of_change(parts: Parts, context: RequestContext,
              cluster: models.Cluster, asked: Mapping[str, Any]
              ) -> plans.Plan:
    """What a PATCH of this body would do, kept so that it can be done."""
    with parts.database.read() as session:
        world = _world(session, cluster.id)
    made_from: dict[str, str] = {}
    more: dict[str, Any] = {}
    try:
        made = change.draft(parts, cluster, asked)
        more, state = _needs(made.assessment), made.state
        if made.findings:
            raise Invalid(made.findings)
        world = _foreseen(parts, cluster, world, state)
        blueprint = change.blueprint_of(parts, cluster)
        case = _Case(
            change.composed(parts, blueprint, cluster.desired),
            change.composed(parts, change.blueprint_at(parts, state),
                            state), state,
            _volumes(parts, cluster, blueprint),
            users.purged(cluster.desired, state))
        made_from = _catalogued((case.before, case.after))
        shown = _shown(parts, cluster.project_id, case, world)
        more['differences'] = _differences(parts, cluster.desired, state)
    except Invalid as exc:
        shown = _refused(exc)
    row = plans.Plan(
        id=models.new_id(), cluster_id=cluster.id,
        project_id=cluster.project_id, user_id=context.user_id or '',
        generation=cluster.generation, fingerprint=world.fingerprint,
        change={}, shown={**shown, **more}, created_at=models.now())
    row.change = {digests.SEALED: parts.keys.encrypt_json(
        {'asked': asked, 'made_from': made_from}, row.about())}

    def write(session: Session) -> None:
        plans.add(session, row)
        session.flush()
        session.expunge(row)

    parts.database.change(write)
    return row


def _differences(parts: Parts, before: State, after: State
                 ) -> list[dict[str, Any]]:
    """What is wanted otherwise; nodes stand in the changes already."""
    return [dataclasses.asdict(one) for one in revisions.between(
        change.revision(parts, before), change.revision(parts, after))
        if one.kind != 'node']


def asked_by(parts: Parts, cluster: models.Cluster, ident: str
             ) -> Mapping[str, Any]:
    """The change that a plan was shown of.

    :raises NotFound: the cluster has no such plan.
    :raises PlanStale: something has changed since.
    """
    with parts.database.read() as session:
        row = plans.get(session, cluster.project_id, ident)
        moved = 'it is of another cluster' \
            if row.cluster_id != cluster.id \
            else what_moved(parts, session, row)
    if moved:
        raise PlanStale(ident=ident, what=moved)
    asked: Mapping[str, Any] = _kept_of(parts, row)['asked']
    return asked


def what_moved(parts: Parts, session: Session, row: plans.Plan
               ) -> str:
    """Why a plan does not hold any more; '' while it does."""
    cluster = session.get_one(models.Cluster, row.cluster_id)
    if cluster.deleted:
        return 'the cluster is deleted'
    if cluster.generation != row.generation:
        return (f'the cluster is at generation {cluster.generation}, the '
                f'plan was made at {row.generation}')
    if _world(session, row.cluster_id).fingerprint != row.fingerprint:
        return 'machines or layers are not as they were'
    for ref, before in _kept_of(parts, row)['made_from'].items():
        if _digest_now(parts, ref) != before:
            return f'{ref} is not in the catalogue as it was'
    return ''


def _kept_of(parts: Parts, row: plans.Plan) -> dict[str, Any]:
    """What was asked, and what of the catalogue the plan was made from."""
    if not digests.is_sealed(row.change):
        raise PlanStale(ident=row.id, what='it is not as it was kept')
    kept: dict[str, Any] = parts.keys.decrypt_json(
        str(row.change[digests.SEALED]), row.about())
    # The release before kept no more than what was asked.
    return kept if 'asked' in kept else {'asked': kept, 'made_from': {}}


def _catalogued(blueprints: Iterable[Blueprint]) -> dict[str, str]:
    """What of the catalogue these are made of: its reference -> digest."""
    found = {}
    for blueprint in blueprints:
        found[f'blueprint {blueprint.name}@{blueprint.version}'] = \
            blueprint.digest
        for use in blueprint.elements:
            one = use.element
            found[f'element {one.name}@{one.version}'] = one.digest
    return found


def _digest_now(parts: Parts, ref: str) -> str:
    """The digest of what a reference stands for now, '' for nothing."""
    kind, _, name = ref.partition(' ')
    try:
        return (parts.catalogue.blueprint(name) if kind == 'blueprint'
                else parts.catalogue.element(name)).digest
    except NotFound:
        return ''


@dataclasses.dataclass(frozen=True)
class _Case:
    """What is planned.

    :param before: with the elements that are on the cluster now.
    :param after: with those that are to be.
    :param purged: users whose homes are deleted.
    """

    before: Blueprint
    after: Blueprint
    state: State
    volumes: tuple[VolumeUse, ...]
    purged: Sequence[str] = ()


def _world(session: Session, cluster_id: str) -> _World:
    nodes, layers, secrets = (
        recorded.of_cluster(session, models.Node, cluster_id),
        recorded.of_cluster(session, models.Layer, cluster_id),
        recorded.of_cluster(session, models.Secret, cluster_id))
    return _World(
        recorded.observed(nodes, layers, exists=bool(nodes)),
        recorded.members(nodes),
        recorded.secret_versions(secrets),
        recorded.fingerprint(nodes, layers))


def _foreseen(parts: Parts, cluster: models.Cluster, world: _World,
              state: State) -> _World:
    """What can be said already of machines that will be made again."""
    backend = parts.backends.get(cluster.backend)
    if backend is None or not backend.keeps_addresses:
        return world
    return dataclasses.replace(
        world, members=recorded.expected(world.members, state))


def _volumes(parts: Parts, cluster: models.Cluster,
             blueprint: Blueprint) -> tuple[VolumeUse, ...]:
    return change.site_of(parts, cluster, blueprint).volumes


def _refused(exc: Invalid) -> dict[str, Any]:
    return {'refused': True, 'seconds': None, 'steps': [], 'changes': [
        {'verdict': Verdict.REFUSED, 'subject': finding.where, 'nodes': [],
         'out': 0, 'reason': finding.message, 'lost': [], 'kept': [],
         'seconds': None} for finding in exc.findings]}


def _shown(parts: Parts, project_id: str, case: _Case, world: _World
           ) -> dict[str, Any]:
    """A plan as people see it."""
    wanted = wanting.build(case.after, case.state, world.members,
                           world.secrets)
    steps = plan(wanted, world.observed)
    with parts.database.read() as session:
        usual = plans.usual(session, project_id, [
            (step.kind, step.element) for step in steps])
    known = [usual.get((step.kind, step.element)) for step in steps]
    return {
        'refused': False,
        'seconds': None if None in known else sum(filter(None, known)),
        'steps': [{'kind': step.kind, 'element': step.element,
                   'nodes': list(step.nodes), 'reason': step.reason,
                   'seconds': seconds}
                  for step, seconds in zip(steps, known, strict=True)],
        'changes': [{
            'verdict': one.verdict, 'subject': one.subject,
            'nodes': list(one.nodes), 'out': one.out, 'reason': one.reason,
            'lost': _lost(one, case), 'kept': _kept(one, case),
            'seconds': usual.get((_KINDS[one.verdict], one.subject))}
            for one in preview.changes(steps, wanted, world.observed)]}


_KINDS = {
    Verdict.ADD_NODE: StepKind.PROVISION,
    Verdict.REPLACE_NODE: StepKind.PROVISION,
    Verdict.REMOVE_NODE: StepKind.RELEASE, Verdict.PUT_ON: StepKind.APPLY,
    Verdict.IN_PLACE: StepKind.APPLY, Verdict.AGAIN: StepKind.APPLY,
    Verdict.REVERT_AND_APPLY: StepKind.APPLY,
    Verdict.TAKE_OFF: StepKind.REVERT,
}


def _lost(one: preview.Change, case: _Case) -> list[str]:
    """Data that is on these machines only, and homes that are purged."""
    if case.purged and one.subject in {
            use.element.name for use in accounts.makers(case.after)}:
        return [f'{path}/{name}' for path in _data(one, case.after)
                for name in case.purged]
    if one.verdict not in (Verdict.REPLACE_NODE, Verdict.REMOVE_NODE):
        return []
    groups = {name.rpartition('-')[0] for name in one.nodes}
    return list(dict.fromkeys(
        path for group in case.before.node_groups if group.name in groups
        for path in sizing.data_of(case.before, group, case.volumes)))


def _kept(one: preview.Change, case: _Case) -> list[str]:
    """Data of an element that stays when it is taken off."""
    if one.verdict != Verdict.TAKE_OFF:
        return []
    return _data(one, case.before)


def _data(one: preview.Change, blueprint: Blueprint) -> list[str]:
    return [path for use in blueprint.elements
            if use.element.name == one.subject for path in use.element.data]
