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

"""What a cluster's template says of networks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

from hpcdirect.backends.base import InfraRequest
from hpcdirect.backends.base import Network
from hpcdirect.backends.heat import template
from hpcdirect.blueprints import hot
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members

_SUBNET = 'OS::Neutron::Subnet'
#: What a place in a network may name: a network, or what leads to one.
_NETWORKS, _LEADING = ('network', 'network_id', 'uuid'), ('port', 'subnet',
                                                         'subnet_id')


def of(request: InfraRequest) -> tuple[Network, ...]:
    """The networks that the machines of a request are on.

    Machines of one group are alike: the first of each is looked at.

    :raises Invalid: the template cannot be read.
    """
    firsts = {slot.group: slot for slot in reversed(request.slots)}
    flat = template.flattened(request, firsts.values())
    values = {**{name: hot.default(said, said['default'])
                 for name, said in flat.parameters.items()
                 if 'default' in said},
              **members(request.settings.get('parameters'))}
    resources = {name: members(hot.with_values(said, values))
                 for name, said in flat.resources.items()}
    groups: dict[str, list[str]] = {}
    for group in request.groups:
        if group in firsts:
            for key in _reached(hot.properties(
                    resources.get(firsts[group].name, {})).get('networks'),
                    resources):
                groups.setdefault(key, []).append(group)
    return tuple(_network(key, tuple(dict.fromkeys(those)), resources,
                          request) for key, those in groups.items())


def _network(key: str, groups: tuple[str, ...],
             resources: Mapping[str, Object], request: InfraRequest
             ) -> Network:
    """A network by its resource's name; by the cloud's for one outside."""
    if key not in resources:
        return Network(key, groups, own=False)
    said = hot.properties(resources[key]).get('name')
    name = template.network_of(request) \
        if key == request.settings.get('network') \
        else said if isinstance(said, str) else key
    cidrs = [hot.properties(one).get('cidr') for one in resources.values()
             if one.get('type') == _SUBNET
             and key in _reached([hot.properties(one)], resources)]
    return Network(name, groups, tuple(
        cidr for cidr in cidrs if isinstance(cidr, str)))


def _reached(places: JSON, resources: Mapping[str, Object]) -> Iterator[str]:
    """The networks that some places are in, as far as they say."""
    for place in places if isinstance(places, list) else ():
        if not isinstance(place, dict):
            continue
        for word in (*_NETWORKS, *_LEADING):
            said = place.get(word)
            _, name = hot.named(said) if isinstance(said, dict) else ('', '')
            if name in resources and word in _LEADING:
                yield from _reached([hot.properties(resources[name])],
                                    resources)
            elif name in resources:
                yield name
            elif isinstance(said, str) and said and word in _NETWORKS:
                yield said
        yield from _reached(place.get('fixed_ips'), resources)
