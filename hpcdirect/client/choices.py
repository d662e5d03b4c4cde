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

"""What a cloud offers for a parameter, and the user's own key pairs.

It is read with the user's own token. The service is not asked: it keeps
nobody's token, and key pairs are people's, not projects'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Choice:
    """Something that a parameter can be.

    :param value: what the parameter is set to.
    :param label: what it is, for people.
    """

    value: str
    label: str


@dataclasses.dataclass(frozen=True)
class Source:
    """Where choices come from.

    :param service: of the cloud, as openstacksdk calls it.
    :param choices: those that the service's proxy knows.
    """

    service: str
    choices: Callable[[Any], Iterator[Choice]]


def _images(image: Any) -> Iterator[Choice]:
    # A kernel or a ramdisk is a part of an image that nodes boot.
    found = [one for one in image.images(status='active')
             if one.disk_format not in ('aki', 'ari')]
    yield from _named(found, lambda one: one.name)


def _networks(network: Any) -> Iterator[Choice]:
    found = [one for one in network.networks() if not one.is_router_external]
    yield from _named(found, lambda one: one.name)


def _node_types(compute: Any) -> Iterator[Choice]:
    yield from _named(list(compute.flavors()), lambda one: (
        f'{one.name}: {one.vcpus} CPUs, {one.ram / 1024:.3g} GiB, '
        f'{one.disk} GB'))


def _keypairs(compute: Any) -> Iterator[Choice]:
    for one in compute.keypairs():
        yield Choice(str(one.public_key).strip(), str(one.name))


def _named(found: list[Any], label: Callable[[Any], str]
           ) -> Iterator[Choice]:
    """By name; by id where a name means several."""
    count = Counter(one.name for one in found)
    for one in found:
        alone = one.name and count[one.name] == 1
        yield Choice(one.name if alone else one.id, label(one) if alone
                     else f'{label(one)} ({one.id})')


#: What ``x-source`` of a blueprint's parameter may be.
SOURCES: Mapping[str, Source] = {
    'images': Source('image', _images),
    'keypairs': Source('compute', _keypairs),
    'networks': Source('network', _networks),
    'node-types': Source('compute', _node_types),
}


def offered(connection: Any, source: str) -> list[Choice]:
    """What a cloud offers, in the order of what people read.

    :param connection: of openstacksdk.
    :param source: one of :data:`SOURCES`.
    :raises openstack.exceptions.SDKException: it does not say.
    """
    found = SOURCES[source]
    return sorted(found.choices(getattr(connection, found.service)),
                  key=lambda one: one.label.casefold())


def public_key(connection: Any, name: str) -> str | None:
    """The public key of a key pair of the user's own, or None.

    :raises openstack.exceptions.SDKException: the cloud does not say.
    """
    found = connection.compute.find_keypair(name)
    return None if found is None else str(found.public_key).strip()
