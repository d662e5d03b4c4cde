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

"""What an element may know of its cluster, as its playbook sees it."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from typing import Any

from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.conductor.vault import Vault
from hpcdirect.db import models
from hpcdirect.db import recorded
from hpcdirect.planning.plan import SeenLayer
from hpcdirect.planning.wanted import Member
from hpcdirect.planning.wanted import Wanted
from hpcdirect.runners.base import Host
from hpcdirect.runners.base import jump


def _seen(item: Member) -> dict[str, str]:
    return {'name': item.name, 'address': item.address, 'group': item.group,
            'host_key': item.host_key}


def of_element(cluster: models.Cluster, volumes: Iterable[VolumeUse],
               wanted: Wanted, element: str, layers: Iterable[SeenLayer],
               leaving: Iterable[Member], staying: bool = False
               ) -> dict[str, Any]:
    """``hpc``: the cluster, who plays which role, who leaves.

    An element that is no longer wanted is told of those that have it.

    :param leaving: nodes that are drained, or that work again.
    :param staying: they are drained only to be changed.
    :param volumes: the shared folders that the machines really have.
    """
    there = wanted.element(element)
    if there is not None:
        roles = {role: [_seen(item) for item in members]
                 for role, members in there.members.items()}
    else:
        roles = {}
        for layer in sorted(layers, key=lambda layer: layer.key):
            if layer.element == element and layer.node in wanted.members:
                roles.setdefault(layer.role, []).append(
                    _seen(wanted.members[layer.node]))
    # Not what it is called today: the nodes keep state under this name.
    name = cluster.desired.name or cluster.name
    return {
        'cluster': {'id': cluster.id, 'name': name,
                    'domain': f'{name.lower()}.hpc'},
        'roles': roles,
        'members': [_seen(item) for item in wanted.members.values()],
        'volumes': [{'name': volume.name, 'mount': volume.mount,
                     'groups': list(volume.groups)}
                    for volume in volumes],
        'leaving': [_seen(item) for item in leaving],
        'staying': staying,
    }


def hosts(nodes: Iterable[models.Node], names: Collection[str],
          blueprint: Blueprint, vault: Vault) -> tuple[Host, ...]:
    """How the runner reaches these nodes, and what each knows of itself."""
    found = []
    every = list(nodes)
    keys = {(node.ssh['host'], node.ssh['port']): node.ssh['host_key']
            for node in every if node.ssh}
    for node in every:
        if node.name not in names:
            continue
        known = recorded.member(node)
        certificates: dict[str, str] = {}
        for use in blueprint.elements:
            certificates |= vault.certificates(use.element, known)
        found.append(Host(
            name=node.name, group=node.group, address=node.address,
            ssh_host=node.ssh['host'], ssh_port=node.ssh['port'],
            ssh_user=node.ssh['user'], ssh_via=node.ssh['via'],
            host_key=node.ssh['host_key'],
            via_key=keys.get(jump(node.ssh['via'])[1:], '')
            if node.ssh['via'] else '',
            variables={'certificates': certificates}))
    return tuple(found)
