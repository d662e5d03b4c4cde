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
from typing import Any

from hpcdirect.api import creation
from hpcdirect.api.services import Services
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db.models import Cluster
from hpcdirect.exception import Conflict
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.planning import desired
from hpcdirect.planning.desired import State
from hpcdirect.states import Operation


def wanted(services: Services, cluster: Cluster, body: Mapping[str, Any]
           ) -> State:
    """The state of a cluster after a change; its own when none is asked.

    :raises Invalid: with all that is wrong.
    """
    if not body.get('parameters') and not body.get('node_groups'):
        return cluster.desired
    blueprint = _blueprint(services, cluster)
    state, findings = _changed(cluster.desired, blueprint, body)
    grown = set(desired.slot_names(state)) - set(
        desired.slot_names(cluster.desired))
    if not findings and grown:
        findings = creation.validate(services, blueprint, cluster, state)
    if findings:
        raise Invalid(findings)
    return state


def operation(services: Services, cluster: Cluster, after: State
              ) -> Operation:
    """What a change is in its owner's words: only sizes, or more."""
    before = cluster.desired
    counts = {group.count
              for group in _blueprint(services, cluster).node_groups}
    changed = {name for name, value in after['parameters'].items()
               if before['parameters'].get(name) != value}
    scaled = before['groups'] != after['groups'] and changed <= counts
    return Operation.SCALE if scaled else Operation.UPDATE


def _blueprint(services: Services, cluster: Cluster) -> Blueprint:
    ref = f'{cluster.blueprint}@{cluster.blueprint_version}'
    try:
        return services.catalogue.blueprint(ref)
    except NotFound as exc:
        raise Conflict(
            reason=f'Blueprint {ref} is not in the catalogue any more; the '
            'cluster can only be deleted.') from exc


def _changed(state: State, blueprint: Blueprint, body: Mapping[str, Any]
             ) -> tuple[State, list[Finding]]:
    """The new state, or all that is wrong with what was asked."""
    findings: list[Finding] = []
    try:
        if body.get('parameters'):
            state = desired.with_parameters(state, blueprint,
                                            body['parameters'])
    except Invalid as exc:
        findings += exc.findings
    for name, asked in body.get('node_groups', {}).items():
        try:
            state = _resized(state, blueprint, name, asked)
        except Invalid as exc:
            findings += exc.findings
    return state, findings


def _resized(state: State, blueprint: Blueprint, name: str,
             asked: Mapping[str, Any]) -> State:
    if 'count' in asked:
        return desired.with_count(state, blueprint, name, asked['count'])
    return desired.with_slots(state, blueprint, name, asked['slots'])
