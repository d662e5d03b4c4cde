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
import functools
import re
from typing import Any

from hpcdirect import signing
from hpcdirect.api import expiry
from hpcdirect.api import past
from hpcdirect.api import payload
from hpcdirect.api import sealing
from hpcdirect.api.services import Services
from hpcdirect.backends import request
from hpcdirect.backends.base import Assessment
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.context import RequestContext
from hpcdirect.db import clusters
from hpcdirect.db import idempotency
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import new_id
from hpcdirect.digests import digest
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unavailable
from hpcdirect.planning import composition
from hpcdirect.planning import revisions
from hpcdirect.planning import sizing
from hpcdirect.planning import users
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


def create(services: Services, context: RequestContext,
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
    with services.database.read() as session:
        earlier = None if wrong else idempotency.answered(session, key)
    if earlier:
        return earlier
    made = draft(services, context, body, wrong)
    if made.findings or made.state is None:
        raise Invalid(made.findings)
    state = sealing.sealed(services, dataclasses.replace(
        made.state, name=body['name']))
    order = clusters.Order(context, signing.Pen(services.keys),
                           Operation.CREATE, services.pins.pinned(state))
    return str(idempotency.once(
        services.database, key, made.cluster,
        functools.partial(clusters.create, order=order,
                          tags=body.get('tags', ()))))


def draft(services: Services, context: RequestContext,
          body: Mapping[str, Any], wrong: Iterable[Finding] = ()) -> Draft:
    """All that a cluster is made of, checked and not written.

    :param wrong: what is wrong with members of the body; the others are
        looked at all the same, so that everything is told at once.
    """
    sealing.refuse(body)
    findings = list(wrong)
    body = _without(body, findings)
    cluster = _row(context, body)
    try:
        for name, value in expiry.columns(services, context, cluster, body
                                          ).items():
            setattr(cluster, name, value)
    except Invalid as exc:
        findings += exc.findings
    try:
        blueprint, state, more = _modelled(services, context, cluster, body)
        findings += more
    except Invalid as exc:
        return Draft(cluster, None, None, [*findings, *exc.findings],
                     Assessment())
    assessment = Assessment()
    if state:
        clashes = users.clashes(blueprint, state)
        findings += clashes
        if cluster.backend and not clashes:
            assessment = assess(services, blueprint, cluster, state)
            findings += assessment.findings
    return Draft(cluster, blueprint, state, findings, assessment)


def _without(body: Mapping[str, Any], wrong: Iterable[Finding]
             ) -> dict[str, Any]:
    """A body without the members that something is wrong with."""
    names = {re.sub(r'[.\[].*', '', finding.where.removeprefix('$.'))
             for finding in wrong}
    return {name: value for name, value in body.items() if name not in names}


def _modelled(services: Services, context: RequestContext, cluster: Cluster,
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
        found, kept = past.model(services, context, body['clone'])
        blueprint = _composed(services, kept)
        asked = asked or found.backend
        state, wrong = _checked(revisions.cloned, kept, blueprint, given)
    else:
        blueprint = _blueprint(services, body['blueprint'])
        state, wrong = _checked(sizing.first, blueprint, given)
    cluster.blueprint = blueprint.name
    cluster.blueprint_version = blueprint.version
    cluster.backend, findings = _backend(services, blueprint, asked)
    return blueprint, state, findings + wrong


def assess(services: Services, blueprint: Blueprint, cluster: Cluster,
           state: State) -> Assessment:
    """What a cluster's machines meet, says its backend.

    :raises Unavailable: the backend does not answer.
    """
    backend = services.backends.get(cluster.backend)
    if backend is None:
        return Assessment((Finding(
            f'backend {cluster.backend} is not enabled here', '$.backend'),))
    wanted = request.build(
        blueprint, state, cluster.backend, request.slots_of(state),
        cluster_id=cluster.id, cluster_name=cluster.name,
        project_id=cluster.project_id, public_key='')
    try:
        return backend.assess(wanted)
    except BackendError as exc:
        raise Unavailable(reason=str(exc)) from exc


def rendered(services: Services, context: RequestContext, ref: str,
             asked: str | None, parameters: str) -> tuple[str, str]:
    """What a backend would ask its cloud for.

    :param parameters: a JSON object of the blueprint's parameters.
    :returns: the backend's name, and text in its cloud's language.
    :raises Invalid: with all that is wrong.
    """
    blueprint = services.catalogue.blueprint(ref)
    backend, findings = _backend(services, blueprint, asked)
    try:
        given = payload.value(parameters)
    except ValueError as exc:
        given = str(exc)
    if not isinstance(given, dict):
        reason = f': {given}' if isinstance(given, str) else ''
        raise Invalid([*findings, Finding(f'it is no JSON object{reason}',
                                          '$.parameters')])
    state, wrong = _checked(sizing.first, blueprint, given)
    if findings or state is None:
        raise Invalid([*findings, *wrong])
    return backend, services.backends[backend].render(request.build(
        blueprint, state, backend, request.slots_of(state),
        cluster_id=_NO_ID, cluster_name=blueprint.name,
        project_id=str(context.project_id), public_key=''))


def _key(context: RequestContext, body: Mapping[str, Any], text: str | None
         ) -> idempotency.Key:
    if text is not None and not re.fullmatch(KEY_PATTERN, text):
        raise Invalid([Finding(
            'it takes 1 to 255 visible ASCII characters', 'Idempotency-Key')])
    return idempotency.Key(str(context.project_id), text or '',
                           digest(body))


def _blueprint(services: Services, ref: str) -> Blueprint:
    try:
        return services.catalogue.blueprint(ref)
    except NotFound as exc:
        raise Invalid([Finding(str(exc), '$.blueprint')]) from exc


def _backend(services: Services, blueprint: Blueprint, asked: str | None
             ) -> tuple[str, list[Finding]]:
    """The backend for a cluster, or why there is none."""
    able = [name for name in services.backends
            if name in blueprint.infrastructure]
    if asked is None and able:
        return able[0], []
    if asked in able:
        return str(asked), []
    said = ', '.join(able) or 'none'
    return '', [Finding(
        f'{blueprint.ref} can be built on these backends that are enabled '
        f'here: {said}', '$.backend')]


def _composed(services: Services, state: State) -> Blueprint:
    """The blueprint of a state, with the elements that it says."""
    try:
        return composition.composed(
            services.catalogue.blueprint(state.blueprint_ref), state,
            services.catalogue.element)
    except NotFound as exc:
        raise Invalid([Finding(str(exc), '$.clone')]) from exc


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
        name=body.get('name', ''), description=body.get('description', ''),
        protected=body.get('protected', False))
