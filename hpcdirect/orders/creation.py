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

"""From a POST to a cluster: everything is checked, then it is written."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import re
from typing import Any

from hpcdirect.backends import base
from hpcdirect.backends.base import Assessment
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.context import Asker
from hpcdirect.context import RequestContext
from hpcdirect.db import orders
from hpcdirect.db.models import LABELS
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import new_id
from hpcdirect.db.session import Session
from hpcdirect.digests import digest
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.exception import Findings
from hpcdirect.exception import Invalid
from hpcdirect.exception import Unavailable
from hpcdirect.exception import found_at
from hpcdirect.orders import past
from hpcdirect.orders.parts import Parts
from hpcdirect.orders.parts import refuse_seals
from hpcdirect.planning import accounts
from hpcdirect.planning import elements
from hpcdirect.planning import revisions
from hpcdirect.planning import sizing
from hpcdirect.planning.state import State
from hpcdirect.states import Operation

#: Stands for the cluster's id where there is no cluster.
_NO_ID = '00000000-0000-0000-0000-000000000000'
KEY_PATTERN = '^[!-~]{1,255}$'


@dataclasses.dataclass(frozen=True)
class Draft:
    """A cluster that is asked for, as far as it can be made out.

    :ivar blueprint: with the elements it is to have; None when there is no
        such blueprint.
    :ivar state: what is wanted of it; None when that cannot be.
    :ivar findings: all that is wrong.
    :ivar assessment: what the backend says, if it could be asked.
    """

    cluster: Cluster
    blueprint: Blueprint | None
    state: State | None
    findings: list[Finding]
    assessment: Assessment


def create(parts: Parts, context: RequestContext,
           asked: tuple[Mapping[str, Any], list[Finding]],
           key_text: str | None) -> str:
    """Make a cluster, or find the one that this very request made.

    :param asked: the body, and what is wrong with it already.
    :param key_text: the Idempotency-Key, None without one.
    :returns: its id.
    :raises Invalid: with all that is wrong; nothing was made then.
    """
    body, wrong = asked
    key = _key(context, body, key_text)
    with parts.database.read() as session:
        earlier = None if wrong else orders.answered(session, key)
    if earlier:
        return earlier
    made = draft(parts, context, body, wrong)
    if made.findings or made.state is None:
        raise Invalid(made.findings)
    cluster = made.cluster
    order = parts.order(Asker.of(context), Operation.CREATE, parts.sealed(
        dataclasses.replace(made.state, name=body['name'])))

    def write(session: Session) -> str:
        orders.take_key(session, key, cluster.id)
        orders.create(session, cluster, order, body.get('tags', ()))
        return cluster.id

    return orders.once(parts.database, key, write)


def draft(parts: Parts, context: RequestContext,
          body: Mapping[str, Any], wrong: Iterable[Finding] = ()) -> Draft:
    """All that a cluster is made of, checked and not written.

    :param wrong: what is wrong with members of the body; the others are
        looked at all the same, so that everything is told at once.
    """
    refuse_seals(body)
    findings = Findings(wrong)
    body = _without(body, findings)
    cluster = _row(context, body)
    with findings.gather():
        for name, value in parts.expiry(context, cluster, body).items():
            setattr(cluster, name, value)
    try:
        blueprint, state, more = _modelled(parts, context, cluster, body)
        findings += more
    except Invalid as exc:
        return Draft(cluster, None, None, [*findings, *exc.findings],
                     Assessment())
    assessment = Assessment()
    if state:
        clashes = accounts.clashes(blueprint, state)
        findings += clashes
        if cluster.backend and not clashes:
            assessment = assess(parts, blueprint, cluster, state)
            findings += assessment.findings
    return Draft(cluster, blueprint, state, findings, assessment)


def _without(body: Mapping[str, Any], wrong: Iterable[Finding]
             ) -> dict[str, Any]:
    """A body without the members that something is wrong with."""
    names = {re.sub(r'[.\[].*', '', finding.where.removeprefix('$.'))
             for finding in wrong}
    return {name: value for name, value in body.items() if name not in names}


def _modelled(parts: Parts, context: RequestContext, cluster: Cluster,
              body: Mapping[str, Any]
              ) -> tuple[Blueprint, State | None, list[Finding]]:
    """Fill in what a cluster is made from.

    :returns: its blueprint, what is wanted of it, None when that cannot be,
        and why not.
    :raises Invalid: it has no blueprint.
    """
    asked, given = body.get('backend'), body.get('parameters', {})
    if ('clone' in body) == ('blueprint' in body):
        raise Invalid()
    if 'clone' in body:
        found, kept = past.model(parts, context, body['clone'])
        blueprint = _composed(parts, kept)
        asked = asked or found.backend
        state, wrong = _checked(revisions.cloned, kept, blueprint, given)
    else:
        with found_at('$.blueprint'):
            blueprint = parts.catalogue.blueprint(body['blueprint'])
        state, wrong = _checked(sizing.first, blueprint, given)
    cluster.blueprint = blueprint.name
    cluster.blueprint_version = blueprint.version
    cluster.backend, findings = _backend(parts, blueprint, asked)
    return blueprint, state, findings + wrong


def assess(parts: Parts, blueprint: Blueprint, cluster: Cluster,
           state: State) -> Assessment:
    """What a cluster's machines meet, says its backend.

    :raises Unavailable: the backend does not answer.
    """
    backend = parts.backends.get(cluster.backend)
    if backend is None:
        return Assessment((Finding(
            f'backend {cluster.backend} is not enabled here', '$.backend'),))
    wanted = base.request_for(
        blueprint, state, cluster.backend, base.slots_of(state),
        cluster_id=cluster.id, cluster_name=cluster.name,
        project_id=cluster.project_id, public_key='')
    try:
        return backend.assess(wanted)
    except BackendError as exc:
        raise Unavailable(reason=str(exc)) from exc


def rendered(parts: Parts, context: RequestContext, ref: str,
             asked: str | None,
             parameters: tuple[Mapping[str, Any], list[Finding]]
             ) -> tuple[str, str]:
    """What a backend would ask its cloud for.

    :param parameters: of the blueprint, and what is wrong with them already.
    :returns: the backend's name, and text in its cloud's language.
    :raises Invalid: with all that is wrong.
    """
    blueprint = parts.catalogue.blueprint(ref)
    backend, findings = _backend(parts, blueprint, asked)
    given, unread = parameters
    if unread:
        raise Invalid([*findings, *unread])
    state, wrong = _checked(sizing.first, blueprint, given)
    if findings or state is None:
        raise Invalid([*findings, *wrong])
    return backend, parts.backends[backend].render(base.request_for(
        blueprint, state, backend, base.slots_of(state),
        cluster_id=_NO_ID, cluster_name=blueprint.name,
        project_id=str(context.project_id), public_key=''))


def _key(context: RequestContext, body: Mapping[str, Any], text: str | None
         ) -> orders.RequestKey:
    if text is not None and not re.fullmatch(KEY_PATTERN, text):
        raise Invalid([Finding(
            'it takes 1 to 255 visible ASCII characters', 'Idempotency-Key')])
    return orders.RequestKey(str(context.project_id), text or '',
                           digest(body))


def _backend(parts: Parts, blueprint: Blueprint, asked: str | None
             ) -> tuple[str, list[Finding]]:
    """The backend for a cluster, or why there is none."""
    able = [name for name in parts.backends
            if name in blueprint.infrastructure]
    if asked is None and able:
        return able[0], []
    if asked in able:
        return str(asked), []
    said = ', '.join(able) or 'none'
    return '', [Finding(
        f'{blueprint.ref} can be built on these backends that are enabled '
        f'here: {said}', '$.backend')]


def _composed(parts: Parts, state: State) -> Blueprint:
    """The blueprint of a state, with the elements that it says."""
    with found_at('$.clone'):
        return elements.composed(
            parts.catalogue.blueprint(state.blueprint_ref), state,
            parts.catalogue.element)


def _checked(make: Callable[..., State], *given: Any
             ) -> tuple[State | None, list[Finding]]:
    try:
        return make(*given), []
    except Invalid as exc:
        return None, list(exc.findings)


def _row(context: RequestContext, body: Mapping[str, Any]) -> Cluster:
    return Cluster(
        id=new_id(), project_id=str(context.project_id),
        project_name=context.project_name or '',
        user_id=context.user_id or '', user_name=context.user_name or '',
        **{'name': '', **{name: body[name] for name in LABELS
                          if name in body}})
