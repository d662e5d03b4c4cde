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

"""Enrols machines in Ironic and waits until Nova may use them."""

from __future__ import annotations

from concurrent import futures
import datetime
import time
from typing import Any

from bedlib import cloud
from bedlib import settings
from bedlib.processes import BedError

_PATIENCE = 300


def enrol(bed: settings.Bed) -> int:
    """Make the nodes that are missing available; how many were."""
    metal = cloud.connect(bed).baremetal
    there = {node.name for node in metal.nodes()}
    wanted = [(_local, f'lm-{number:02d}', number)
              for number in range(1, bed.nodes + 1)] + [
        (_fake, f'fk-{number:03d}', number)
        for number in range(1, bed.fake_nodes + 1)]
    missing = [entry for entry in wanted if entry[1] not in there]
    with futures.ThreadPoolExecutor(4) as pool:
        nodes = list(pool.map(
            lambda entry: entry[0](metal, entry[1], entry[2]), missing))
    if nodes:
        metal.wait_for_nodes_provision_state(nodes, 'available',
                                             timeout=_PATIENCE)
    return len(nodes)


def wait_for_nova(bed: settings.Bed) -> None:
    """Return when Nova's services are up and know every node.

    :raises BedError: they do not for too long.
    """
    compute = cloud.connect(bed).compute
    end = time.monotonic() + _PATIENCE
    began = datetime.datetime.fromtimestamp(
        bed.began, datetime.UTC).replace(tzinfo=None).isoformat()
    while True:
        # A service counts as up for a while after it was stopped.
        down = [service.binary for service in compute.services()
                if service.state != 'up' or service.updated_at < began]
        known = sum(1 for _ in compute.hypervisors())
        if not down and known >= bed.nodes + bed.fake_nodes:
            return
        if time.monotonic() > end:
            raise BedError(f'Nova knows {known} machines, and these of its '
                           f'services are down: {down}')
        time.sleep(0.5)


def _local(metal: Any, name: str, number: int) -> Any:
    """One local-metal machine with a card for each of two networks."""
    node = metal.create_node(
        name=name, driver='local-metal', resource_class='localmetal',
        network_interface='neutron', deploy_interface='local-metal',
        boot_interface='fake', management_interface='noop',
        power_interface='local-metal', provision_state='enroll',
        driver_info={'local_name': name.replace('-', '')},
        properties=_properties())
    for card in range(2):
        # A card can only be described before the node is available.
        metal.create_port(
            node_id=node.id, address=f'52:54:01:00:{number:02x}:{card:02x}',
            is_pxe_enabled=card == 0, physical_network=f'physnet{card + 1}',
            local_link_connection={
                'switch_id': '52:54:01:ff:ff:ff', 'switch_info': 'bed',
                'port_id': f'{name}.{card}'})
    return _provide(metal, node)


def _fake(metal: Any, name: str, number: int) -> Any:
    """A node that is nothing but Ironic's own fake."""
    node = metal.create_node(
        name=name, driver='fake-hardware', resource_class='fake',
        network_interface='noop', deploy_interface='fake',
        boot_interface='fake', management_interface='fake',
        power_interface='fake', provision_state='enroll',
        properties=_properties())
    metal.create_port(
        node_id=node.id, is_pxe_enabled=True,
        address=f'52:54:02:00:{number >> 8:02x}:{number & 255:02x}')
    # Nova takes a node of unknown power for a broken one.
    return _provide(metal, node, power='power on')


def _properties() -> dict[str, Any]:
    return {'cpus': 1, 'memory_mb': 1024, 'local_gb': 10,
            'cpu_arch': 'x86_64'}


def _provide(metal: Any, node: Any, power: str = '') -> Any:
    metal.set_node_provision_state(node, 'manage')
    metal.wait_for_nodes_provision_state([node], 'manageable',
                                         timeout=_PATIENCE)
    if power:
        metal.set_node_power_state(node, power, wait=True, timeout=_PATIENCE)
    metal.set_node_provision_state(node, 'provide')
    return node
