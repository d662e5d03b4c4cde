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

"""All of a cluster at once: groups, layers, nodes, networks, volumes.

Small for a large cluster: nodes are columns, and what stands on a node is
told once for all nodes on which the same stands. Nothing outside is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas.common import Schema
from hpcdirect.api.services import Services
from hpcdirect.backends import base
from hpcdirect.backends.base import Slot
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db import topology
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Node
from hpcdirect.db.session import Session
from hpcdirect.db.topology import Stack
from hpcdirect.exception import BackendError
from hpcdirect.exception import Conflict
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unread
from hpcdirect.jsontypes import Object
from hpcdirect.orders import change
from hpcdirect.planning import elements
from hpcdirect.states import ClusterStatus
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus

_GROUP = common.closed({
    'name': common.text('The node group.'),
    'label': common.text('The name for people; may be empty.'),
    'count': common.number('Nodes wanted.'),
    'ready': common.number('Nodes that are up.'),
    'login': {'type': 'boolean',
              'description': 'People log in to its first node.'},
})

_LAYER = common.closed({
    'element': common.text('The element.'),
    'role': common.text('The role.'),
    'version': common.text('Its version.'),
    'wanted': {'type': ['boolean', 'null'], 'description': 'It is to be '
               'there; else it is to go. Null when nobody knows.'},
    'groups': common.words('Node groups on which it is wanted.'),
    'stands_on': common.maybe(common.words(
        'Elements that it needs on the same nodes; null when it is not in '
        'the catalogue any more.')),
})


def _column(description: str, of: Schema) -> Schema:
    return {'type': 'array', 'description': description, 'items': of}


_NODES = common.closed({
    'name': _column('Names, group by group.', {'type': 'string'}),
    'group': _column('Places in groups.', {'type': 'integer'}),
    'wanted': _column('Whether it is to be there; else it is to go.',
                      {'type': 'boolean'}),
    'status': _column(
        'How its machine stands; null when there is none yet.',
        {'enum': [*NodeStatus, None]}),
    'closed': _column('Whether it takes no work, since a change is under way '
                      'for which it was drained.', {'type': 'boolean'}),
    'incarnation': _column('Raised when the machine is replaced.',
                           {'type': 'integer'}),
    'address': _column('Address in the cluster\'s network, or "".',
                       {'type': 'string'}),
    'fault': _column('Why it failed, or "".', {'type': 'string'}),
    'stack': _column('Places in stacks: what stands on it.',
                     {'type': 'integer'}),
}, description='Columns of equal length, one entry for each node.')

_STACK = common.closed({
    'layers': _column('Places in layers, the lowest first.',
                      {'type': 'integer'}),
    'states': _column(
        'How each of them stands; verified when it was applied and verified.',
        {'enum': [*LayerState, 'verified']}),
})

_NETWORK = common.closed({
    'name': common.text('As its cloud calls it.'),
    'cidrs': common.words('Ranges of its addresses; empty when not known.'),
    'groups': common.words('Node groups that are on it.'),
    'own': {'type': 'boolean', 'description': 'Made for this cluster, and '
            'taken away with it.'},
})

_VOLUME = common.closed({
    'name': common.text('The volume.'),
    'mount': common.text('Where nodes see it.'),
    'groups': common.words('Node groups that see it.'),
    'provided': {'type': ['boolean', 'null'], 'description': 'Whether the '
                 'backend provides it; elements do without where it does '
                 'not. Null when the backend is not enabled here.'},
})

SHOW = common.closed({
    'id': common.ID, 'name': common.text('The cluster.'),
    'status': common.text('How it stands at a glance.',
                          enum=list(ClusterStatus)),
    'blueprint': common.text('The blueprint.'),
    'blueprint_version': common.text('Its version.'),
    'generation': common.number('Raised by every change.'),
    'groups': common.items(_GROUP, 'Machines that are alike.'),
    'layers': common.items(_LAYER, 'What is on nodes or is to be, the lowest '
                           'first.'),
    'stacks': common.items(_STACK, 'The different ways in which layers stand '
                           'on nodes.'),
    'nodes': _NODES,
    'networks': {'type': ['array', 'null'], 'items': _NETWORK,
                 'description': 'What the nodes are on, by what was asked '
                 'for; null when nobody knows.'},
    'volumes': {'type': ['array', 'null'], 'items': _VOLUME,
                'description': 'Folders that nodes share and that outlive '
                'machines; null when the blueprint is gone.'},
})


#: Element, role, version.
_Key = tuple[str, str, str]
#: Of a node, in the order that they are sorted by; its number is not told.
_COLUMNS = ('group', '', 'name', 'wanted', 'status', 'closed',
            'incarnation', 'address', 'fault', 'stack')
_TOLD = ('id', 'name', 'status', 'blueprint', 'blueprint_version',
         'generation')


def show(session: Session, services: Services, cluster: Cluster
         ) -> Object:
    """A cluster's topology, as far as it is known."""
    picture = _Picture(
        services, cluster,
        {row.name: row for row in topology.nodes(session, cluster.id)},
        topology.stacks(session, cluster.id),
        {slot.name: slot for slot in base.slots_of(cluster.desired)})
    return {**{name: getattr(cluster, name) for name in _TOLD},
            'groups': picture.groups(), 'layers': picture.layers(),
            'stacks': picture.stacks(), 'nodes': picture.nodes(),
            'networks': picture.networks(), 'volumes': picture.volumes()}


@dataclasses.dataclass
class _Picture:
    """What is known of a cluster, and how it is told.

    :param rows: name of a node -> its row.
    :param standing: name of a node -> what stands on it.
    :param slots: name of a node that is wanted -> its slot.
    """

    services: Services
    cluster: Cluster
    rows: Mapping[str, Node]
    standing: dict[str, Stack]
    slots: dict[str, Slot]

    @functools.cached_property
    def blueprint(self) -> Blueprint | None:
        """None when it is in no source (just now)."""
        try:
            return change.blueprint_of(self.services, self.cluster)
        except (Conflict, Unread):
            return None

    # -- machines ---------------------------------------------------------

    @functools.cached_property
    def _groups(self) -> list[str]:
        return list(dict.fromkeys((
            *self.cluster.desired.groups,
            *sorted(row.group for row in self.rows.values()))))

    def groups(self) -> list[Object]:
        """Those that are wanted, and those that nodes are left of."""
        labels = {one.name: one.label for one in self.blueprint.node_groups
                  } if self.blueprint else {}
        up = [row.group for row in self.rows.values()
              if row.status == NodeStatus.UP]
        wanted = [slot.group for slot in self.slots.values()]
        login = self.blueprint.login if self.blueprint else ''
        return [{'name': name, 'label': labels.get(name, ''),
                 'count': wanted.count(name), 'ready': up.count(name),
                 'login': name == login} for name in self._groups]

    def nodes(self) -> dict[str, list[Any]]:
        """Those that are wanted and those that are there, as columns."""
        places = {name: place for place, name in enumerate(self._groups)}
        found = []
        for name in {**self.slots, **self.rows}:
            row, slot = self.rows.get(name), self.slots.get(name)
            incarnation, group = (row.incarnation, row.group) if row \
                else (self.slots[name].incarnation, self.slots[name].group)
            found.append((
                places[group], *_ordered(name), slot is not None,
                row.status if row else None, bool(row and row.closed),
                incarnation,
                row.address if row else '', row.fault if row else '',
                self._different[self.standing.get(name, ())]))
        found.sort(key=lambda one: one[:3])
        return {column: [one[place] for one in found]
                for place, column in enumerate(_COLUMNS) if column}

    # -- layers -----------------------------------------------------------

    @functools.cached_property
    def _different(self) -> dict[Stack, int]:
        """The different stacks, in the order in which they are told."""
        return {stack: place for place, stack in enumerate(dict.fromkeys(
            self.standing.get(name, ()) for name in {
                **self.slots, **self.rows}))}

    def stacks(self) -> list[Object]:
        """The different ways in which layers stand on nodes."""
        places = {key: place for place, key in enumerate(self._layers)}
        return [{'layers': [places[one.element, one.role, one.version]
                            for one in stack],
                 'states': [one.state for one in stack]}
                for stack in self._different]

    def layers(self) -> list[Object]:
        """Those that are wanted and those that are there, the lowest first."""
        return list(self._layers.values())

    @functools.cached_property
    def _layers(self) -> dict[_Key, Object]:
        found = {key: (position, key, entry)
                 for position, key, entry in self._wanted()}
        places = {key[0]: position for position, key, _ in found.values()}
        for one in {one for stack in self._different for one in stack}:
            key = one.element, one.role, one.version
            found.setdefault(key, (
                places.get(one.element, one.position), key, self._entry(
                    key, False if self._listed is not None else None)))
        return {key: entry for _, key, entry in sorted(
            found.values(), key=lambda one: one[:2])}

    @functools.cached_property
    def _listed(self) -> list[elements.Listed] | None:
        """The elements that are wanted; None when nobody knows (just now)."""
        if self.blueprint is None:
            return None
        if self.cluster.desired.deleted:
            return []
        try:
            return [one for one in elements.listing(
                self.blueprint, self.cluster.desired,
                self.services.catalogue.element) if one.on]
        except (NotFound, Unread):
            return None

    def _wanted(self) -> Iterator[tuple[int, _Key, Object]]:
        for position, one in enumerate(self._listed or ()):
            element = one.use.element
            for role, groups in one.use.roles.items():
                key = element.name, role, element.version
                yield position, key, self._entry(key, True, groups)

    def _entry(self, key: _Key, wanted: bool | None,
               groups: Iterable[str] = ()) -> Object:
        element, role, version = key
        needs: list[str] | None
        try:
            needs = list(self.services.catalogue.element(
                f'{element}@{version}').requires)
        except (NotFound, Unread):
            needs = None
        return {'element': element, 'role': role, 'version': version,
                'wanted': wanted, 'groups': list(groups), 'stands_on': needs}

    # -- infrastructure ---------------------------------------------------

    def networks(self) -> list[Object] | None:
        """What nodes are on, by what was asked for."""
        backend = self.services.backends.get(self.cluster.backend)
        if backend is None or self.blueprint is None:
            return None
        try:
            found = backend.networks(base.request_for(
                self.blueprint, self.cluster.desired, self.cluster.backend,
                self.slots.values(), cluster_id=self.cluster.id,
                cluster_name=self.cluster.name,
                project_id=self.cluster.project_id))
        except (BackendError, Invalid):
            return None
        return None if found is None else [
            {'name': one.name, 'cidrs': list(one.cidrs),
             'groups': list(one.groups), 'own': one.own} for one in found]

    def volumes(self) -> list[Object] | None:
        """Folders that nodes share."""
        if self.blueprint is None:
            return None
        backend = self.services.backends.get(self.cluster.backend)
        return [{'name': one.name, 'mount': one.mount,
                 'groups': list(one.groups),
                 'provided': None if backend is None
                 else backend.offers_volumes}
                for one in self.blueprint.volumes]


def _ordered(name: str) -> tuple[int, str]:
    """By their numbers: compute-2 comes before compute-10."""
    number = name.rpartition('-')[2]
    return int(number) if number.isdigit() else 0, name
