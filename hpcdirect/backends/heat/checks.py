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


"""What can be known to go wrong before Heat is asked for anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from hpcdirect.backends.base import Assessment
from hpcdirect.backends.base import Claim
from hpcdirect.backends.base import InfraRequest
from hpcdirect.backends.base import Need
from hpcdirect.backends.base import NodeType
from hpcdirect.backends.heat import template
from hpcdirect.backends.heat.cloud import Cloud
from hpcdirect.backends.heat.cloud import classes_of
from hpcdirect.backends.heat.metal import Metal
from hpcdirect.backends.heat.metal import placement_name
from hpcdirect.backends.heat.stacks import Stacks
from hpcdirect.blueprints import hot
from hpcdirect.blueprints.hot import Template
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import entries
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import text

#: Type of resource -> the quota it counts against.
_COUNTED = {hot.SERVER: 'instances', 'OS::Neutron::Port': 'ports',
            'OS::Neutron::Net': 'networks', 'OS::Neutron::Subnet': 'subnets'}


class Checks:
    """The checks of one request.

    :param stored: the template of the stack that is there, if any.
    """

    def __init__(self, request: InfraRequest, stored: Mapping[str, Any],
                 cloud: Cloud, stacks: Stacks, metal: Metal) -> None:
        self._request = request
        self._there = (stored.get('resources') or {})
        self._cloud = cloud
        self._stacks = stacks
        self._metal = metal

    def assessment(self) -> Assessment:
        """All of them, and what of the cloud the request takes.

        :raises BackendError: the cloud does not answer.
        """
        try:
            wanted = template.build(self._request, self._request.slots)
        except Invalid as exc:
            return Assessment(exc.findings)
        new = {name: resource for name, resource
               in Template.of(wanted.template).resources.items()
               if name not in self._there}
        found = []
        if not self._there:
            said = self._stacks.check(wanted.template, wanted.parameters)
            found += [Finding(f'Heat: {said}', 'template')] if said else []
        found += self._images(new)
        found += self._networks(new, wanted.parameters)
        flavors = self._flavors(new)
        found += self._missing_flavors(flavors)
        needs = self._needs(flavors)
        found += [Finding(
            f'{one.wanted} more machines of class {kind} are wanted, '
            f'{one.free} are free', '$.node_groups')
            for kind, one in needs.items() if one.fits is False]
        claims = tuple(self._claims(new, flavors))
        found += [Finding(
            f'{one.wanted} more {one.quota.name} are wanted; the quota is '
            f'{one.quota.limit}, {one.quota.used} in use',
            f'quota.{one.quota.name}') for one in claims if not one.fits]
        return Assessment(tuple(found), tuple(needs.values()), claims)

    def _servers(self, new: Mapping[str, Object]) -> Iterator[Object]:
        for resource in new.values():
            if resource.get('type') == hot.SERVER:
                yield hot.properties(resource)

    def _images(self, new: Mapping[str, Object]) -> Iterator[Finding]:
        for name in sorted({str(said['image']) for said in self._servers(new)
                            if isinstance(said.get('image'), str)}):
            image = self._cloud.image(name)
            if image is None:
                yield Finding(f'there is no image "{name}" that this project '
                              'may use', self._where(name))
            elif image.status != 'active':
                yield Finding(f'image "{name}" is {image.status}',
                              self._where(name))

    def _networks(self, new: Mapping[str, Object],
                  parameters: Mapping[str, Any]) -> Iterator[Finding]:
        places = [hot.properties(resource) for resource in new.values()
                  if resource.get('type') == 'OS::Neutron::Port']
        for server in self._servers(new):
            places += map(members, entries(server.get('networks')))
        names = set()
        for place in places:
            said = place.get('network')
            if isinstance(said, dict):
                said = parameters.get(str(said.get('get_param')))
            if isinstance(said, str):
                names.add(said)
        for name in sorted(names):
            if self._cloud.network(name) is None:
                yield Finding(f'there is no network "{name}" that this '
                              'project may use', self._where(name))

    def _flavors(self, new: Mapping[str, Object]
                 ) -> dict[str, tuple[Any | None, int]]:
        """Name -> flavor, and how many machines of it are new."""
        counts = Counter(str(said['flavor']) for said in self._servers(new)
                         if isinstance(said.get('flavor'), str))
        return {name: (self._cloud.flavor(name), count)
                for name, count in sorted(counts.items())}

    def _missing_flavors(self, flavors: Mapping[str, tuple[Any | None, int]]
                         ) -> Iterator[Finding]:
        for name, (flavor, _) in flavors.items():
            if flavor is None:
                yield Finding(f'there is no flavor "{name}" that this '
                              'project may use', self._where(name))

    def _needs(self, flavors: Mapping[str, tuple[Any | None, int]]
               ) -> dict[str, Need]:
        """Machines by their class, as Placement calls it.

        Those of flavors that ask for no class go by the flavor's name; how
        many there could be nobody knows before they are made.
        """
        wanted: Counter[str] = Counter()
        metal = set()
        for name, (flavor, count) in flavors.items():
            kinds = classes_of(flavor) if flavor else set()
            metal |= kinds
            for kind in kinds or {name}:
                wanted[kind] += count
        try:
            types = {placement_name(kind.name): kind
                     for kind in (self._metal.types() if metal else ())}
        except BackendError:
            # A cloud may hide its Ironic; Placement has the last word.
            metal = set()
        found = {}
        for kind, count in wanted.items():
            if kind in metal:
                there = types.get(kind, NodeType(kind))
                free = there.free or 0
                found[kind] = Need(there.name, count, free, count <= free)
            else:
                found[kind] = Need(kind, count)
        return found

    def _claims(self, new: Mapping[str, Object],
                flavors: Mapping[str, tuple[Any | None, int]]
                ) -> Iterator[Claim]:
        """What of each quota."""
        kinds = (text(resource.get('type')) for resource in new.values())
        wanted = Counter(_COUNTED[kind] for kind in kinds if kind in _COUNTED)
        for flavor, count in flavors.values():
            if flavor is not None:
                wanted['cores'] += flavor.vcpus * count
                wanted['ram'] += flavor.ram * count
        for quota in self._cloud.quotas():
            yield Claim(quota, wanted[quota.name])

    def _where(self, value: str) -> str:
        """The parameter that a value came from, as a place."""
        for name, given in members(
                self._request.settings.get('parameters')).items():
            if given == value:
                return f'$.parameters.{name}'
        return 'template'
