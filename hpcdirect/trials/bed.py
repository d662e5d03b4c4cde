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

"""Throw-away nodes of the local backend, and a way to them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import contextlib
import pathlib
import time
import types
import uuid

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect import owned
from hpcdirect.backends import base
from hpcdirect.backends.local import LocalBackend
from hpcdirect.backends.local import checks
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.db import models
from hpcdirect.exception import BackendError
from hpcdirect.states import NodeStatus
from hpcdirect.trials.layout import COMPUTE
from hpcdirect.trials.layout import GROUPS
from hpcdirect.trials.layout import HEAD

#: Disks of machines lie on a real file system, keys in memory.
_DISKS, _KEYS = pathlib.Path('/var/tmp'), pathlib.Path('/dev/shm')  # noqa: S108
_NAME = 'hpc-trial-'
_POLL = 0.05

Say = Callable[[str], None]


class Bed:
    """Some nodes that are gone when the block is left, whatever happens.

    What one that was killed has left is taken away by the next one.

    :param compute: compute nodes besides the one head.
    """

    def __init__(self, compute: int, say: Say) -> None:
        self.compute = compute
        self.cluster_id = str(uuid.uuid4())
        self.nodes: list[models.Node] = []
        self._say = say
        self._left = contextlib.ExitStack()

    def __enter__(self) -> Bed:
        lacking = checks.lacking()
        if lacking:
            raise BackendError(plugin='local', reason=' '.join(lacking))
        sweep()
        with contextlib.ExitStack() as left:
            keys = owned.make(_KEYS, _NAME)
            left.callback(keys.remove)
            state = owned.make(_DISKS, _NAME)
            left.callback(state.remove)
            self.conf = configuration(str(state.path), str(keys.path))
            self._backend = LocalBackend(self.conf)
            left.callback(self._backend.close)
            left.callback(self._backend.clear)
            self._left = left.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 exc: BaseException | None,
                 trace: types.TracebackType | None) -> None:
        self._say('taking the nodes away')
        self._left.close()

    def boot(self, public_key: str, volumes: Iterable[VolumeUse]) -> None:
        """Have the nodes up.

        :raises BackendError: a node does not come up; which, and why.
        """
        slots = [base.Slot(f'{HEAD}-0', HEAD), *(
            base.Slot(f'{COMPUTE}-{number}', COMPUTE)
            for number in range(self.compute))]
        self._say(f'booting {", ".join(slot.name for slot in slots)}')
        request = base.InfraRequest(
            self.cluster_id, 'trial', 'none', tuple(slots),
            {group: {} for group in GROUPS},
            tuple(volumes), public_key)
        found = self._backend.validate(request)
        if found:
            raise BackendError(plugin='local',
                               reason=' '.join(map(str, found)))
        self._backend.ensure(request)
        self.nodes = [models.Node(
            name=machine.slot, group=machine.slot.rpartition('-')[0],
            incarnation=1, status=NodeStatus.UP, address=machine.address,
            ssh={'host': ssh.host, 'port': ssh.port, 'user': ssh.user,
                 'via': ssh.via, 'host_key': ssh.host_key})
            for machine in self._up() if (ssh := machine.ssh) is not None]

    def _up(self) -> tuple[base.Machine, ...]:
        said = ''
        while True:
            infra = self._backend.observe(self.cluster_id)
            if infra.reason and infra.reason != said:
                said = infra.reason
                self._say(said)
            faults = [f'{machine.slot}: {machine.fault}'
                      for machine in infra.machines if machine.fault]
            if faults:
                raise BackendError(plugin='local', reason='; '.join(faults))
            if infra.status == base.InfraStatus.READY:
                return infra.machines
            time.sleep(_POLL)


def configuration(state: str, keys: str) -> cfg.ConfigOpts:
    """What the local backend and the ansible runner are to know."""
    conf = cfg.ConfigOpts()
    options.register_group(conf, 'local')
    options.register_group(conf, 'ansible')
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('state_path', state, 'local')
    conf.set_override('work_path', keys, 'ansible')
    return conf


def sweep() -> None:
    """Take away what trials have left whose process has died."""
    for path in owned.orphans(_DISKS, _NAME):
        backend = LocalBackend(configuration(str(path), str(_KEYS)))
        backend.clear()
        backend.close()
    for _ in owned.orphans(_KEYS, _NAME):
        pass
