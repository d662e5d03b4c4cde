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

from collections.abc import Mapping
import functools
import re
from typing import Any

from hpcdirect.api.services import Services
from hpcdirect.backends import request
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
from hpcdirect.planning import desired
from hpcdirect.planning.desired import State
from hpcdirect.states import Operation

KEY_PATTERN = '^[!-~]{1,255}$'


def create(services: Services, context: RequestContext,
           body: Mapping[str, Any], key_text: str | None) -> str:
    """Make a cluster, or find the one that this very request made.

    :param key_text: the Idempotency-Key, None without one.
    :returns: its id.
    :raises Invalid: with all that is wrong; nothing was made then.
    """
    key = _key(context, body, key_text)
    with services.database.read() as session:
        earlier = idempotency.answered(session, key)
    if earlier:
        return earlier
    blueprint = _blueprint(services, body['blueprint'])
    backend, findings = _backend(services, blueprint, body.get('backend'))
    state, wrong = _state(blueprint, body.get('parameters', {}))
    cluster = _row(context, body, blueprint, backend)
    findings += wrong
    if not findings:
        findings += validate(services, blueprint, cluster, state)
    if findings:
        raise Invalid(findings)
    order = clusters.Order(context, services.keys.sign, Operation.CREATE,
                           state)
    return str(idempotency.once(
        services.database, key, cluster,
        functools.partial(clusters.create, order=order)))


def validate(services: Services, blueprint: Blueprint, cluster: Cluster,
             state: State) -> list[Finding]:
    """What stands in the way of a cluster's machines, says its backend.

    :raises Unavailable: the backend does not answer.
    """
    backend = services.backends.get(cluster.backend)
    if backend is None:
        return [Finding(f'backend {cluster.backend} is not enabled here',
                        '$.backend')]
    wanted = request.build(
        blueprint, state, cluster.backend, request.slots_of(state),
        cluster_id=cluster.id, cluster_name=cluster.name,
        project_id=cluster.project_id, public_key='')
    try:
        return list(backend.validate(wanted))
    except BackendError as exc:
        raise Unavailable(reason=str(exc)) from exc


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


def _state(blueprint: Blueprint, given: Mapping[str, Any]
           ) -> tuple[State, list[Finding]]:
    try:
        return desired.first(blueprint, given), []
    except Invalid as exc:
        return {}, list(exc.findings)


def _row(context: RequestContext, body: Mapping[str, Any],
         blueprint: Blueprint, backend: str) -> Cluster:
    return Cluster(
        id=new_id(), project_id=str(context.project_id),
        user_id=context.user_id or '', name=body['name'],
        description=body.get('description', ''), blueprint=blueprint.name,
        blueprint_version=blueprint.version, backend=backend)
