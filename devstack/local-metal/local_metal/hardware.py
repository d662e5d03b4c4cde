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

"""Ironic's side: the hardware type ``local-metal``, its power and its disk.

A machine is a set of namespaces on the conductor's host, run by the script
``localnode``. Nothing about it is kept here: whether it is on is asked of the
kernel, so a conductor may come and go while machines run.
"""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

from ironic.common import exception
from ironic.common import neutron
from ironic.common import states
from ironic.conductor import task_manager
from ironic.conductor import utils as manager_utils
from ironic.conf import CONF
from ironic.drivers import base
from ironic.drivers import generic
from ironic.drivers.modules import fake
from ironic.drivers.modules import noop_mgmt
from oslo_concurrency import processutils
from oslo_config import cfg

from local_metal import drive

Task = task_manager.TaskManager

CONF.register_opts([
    cfg.StrOpt('command', default='localnode',
               help='The script that runs the machines.'),
    cfg.StrOpt('settings', default='/etc/ironic/local-metal.conf',
               help='The file that tells the script where things are.'),
], group='local_metal')

_PROPERTIES = {
    'local_name': 'Name of the machine on this host, at most 10 letters and '
                  'digits, since links are named after it. Required.'}


def _name(task: Task) -> str:
    name = task.node.driver_info.get('local_name')
    if not name:
        raise exception.MissingParameterValue(
            'driver_info/local_name is missing')
    return str(name)


def _run(verb: str, task: Task, *arguments: str) -> str:
    """What the script printed; IronicException with what went wrong."""
    try:
        printed, _ = processutils.execute(
            CONF.local_metal.command, CONF.local_metal.settings, verb,
            _name(task), *arguments)
    except (processutils.ProcessExecutionError, OSError) as exc:
        raise exception.IronicException(
            f'{verb} of {_name(task)} failed: {exc}') from exc
    return str(printed).strip()


def _cables(task: Task) -> list[str]:
    """Each connected card: its MAC, network and physical network.

    Asked of Neutron and not of the config drive, or a tenant could move a
    cable by what it writes there.
    """
    client: Any = None
    found = []
    for card in task.ports:
        vif = card.internal_info.get('tenant_vif_port_id')
        if not vif:
            continue
        client = client or neutron.get_client(
            context=task.context, auth_from_config=True)
        network = client.get_network(client.get_port(vif).network_id)
        found.append(f'{card.address},{network.id},'
                     f'{network.provider_physical_network or ""}')
    return found


class LocalPower(base.PowerInterface):
    """On is a control group with processes in it, off one without."""

    def get_properties(self) -> dict[str, str]:
        """What driver_info may hold."""
        return _PROPERTIES

    def validate(self, task: Task) -> None:
        """Refuse a node that does not say which machine it is."""
        _name(task)

    def get_power_state(self, task: Task) -> str:
        """Power on or power off."""
        on = _run('status', task) == 'on'
        return str(states.POWER_ON if on else states.POWER_OFF)

    @task_manager.require_exclusive_lock
    def set_power_state(self, task: Task, power_state: str,
                        timeout: int | None = None) -> None:
        """Switch it; asking for what is so already is well."""
        if power_state in (states.REBOOT, states.SOFT_REBOOT):
            self.reboot(task)
        elif power_state == states.POWER_ON:
            _run('on', task, *_cables(task))
        elif power_state in (states.POWER_OFF, states.SOFT_POWER_OFF):
            _run('off', task)
        else:
            raise exception.InvalidParameterValue(
                f'There is no power state {power_state} here.')

    @task_manager.require_exclusive_lock
    def reboot(self, task: Task, timeout: int | None = None) -> None:
        """Off and on; the disk stays."""
        _run('off', task)
        _run('on', task, *_cables(task))

    def get_supported_power_states(self, task: Task) -> list[str]:
        """What set_power_state() takes."""
        return [states.POWER_ON, states.POWER_OFF, states.REBOOT,
                states.SOFT_REBOOT, states.SOFT_POWER_OFF]


class LocalDeploy(base.DeployInterface):
    """A fresh disk with the config drive on it, and the way back."""

    def get_properties(self) -> dict[str, str]:
        """What driver_info may hold."""
        return _PROPERTIES

    def validate(self, task: Task) -> None:
        """Refuse a node that does not say which machine it is."""
        _name(task)

    def prepare(self, task: Task) -> None:
        """Find out early that the network cannot be had."""
        if task.node.provision_state == states.DEPLOYING:
            task.driver.network.validate(task)

    @base.deploy_step(priority=100)
    @task_manager.require_exclusive_lock
    def deploy(self, task: Task) -> None:
        """Write the disk, plug the cables in, switch on."""
        manager_utils.node_power_action(task, states.POWER_OFF)
        folder = tempfile.mkdtemp(prefix='local-metal-')
        try:
            drive.unpack(task.node, folder)
            _run('write', task, folder)
        finally:
            shutil.rmtree(folder)
        with manager_utils.power_state_for_network_configuration(task):
            task.driver.network.configure_tenant_networks(task)
        manager_utils.node_power_action(task, states.POWER_ON)

    @task_manager.require_exclusive_lock
    def tear_down(self, task: Task) -> str:
        """Switch off and pull the cables; cleaning wipes the disk."""
        manager_utils.node_power_action(task, states.POWER_OFF)
        task.driver.network.unconfigure_tenant_networks(task)
        return str(states.DELETED)

    def clean_up(self, task: Task) -> None:
        """Nothing was made outside the disk."""

    def take_over(self, task: Task) -> None:
        """Another conductor of this host finds all it needs."""

    @base.clean_step(priority=10, requires_ramdisk=False)
    @task_manager.require_exclusive_lock
    def erase_devices(self, task: Task) -> None:
        """Nothing of a disk outlives its tenant."""
        manager_utils.node_power_action(task, states.POWER_OFF)
        _run('wipe', task)


class LocalMetal(generic.GenericHardware):
    """Power and disk are ours; networks and the rest are Ironic's own."""

    @property
    def supported_power_interfaces(self) -> list[type]:
        """Namespaces have no BMC."""
        return [LocalPower]

    @property
    def supported_deploy_interfaces(self) -> list[type]:
        """There is no ramdisk and no image to write."""
        return [LocalDeploy]

    @property
    def supported_boot_interfaces(self) -> list[type]:
        """Nothing is booted over the network."""
        return [fake.FakeBoot]

    @property
    def supported_management_interfaces(self) -> list[type]:
        """There is no boot order either."""
        return [noop_mgmt.NoopManagement]
