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

"""Machines on this machine, for demonstrations and for the tests.

Each is a root file system of its own, booted with systemd as its PID 1, in
namespaces of its own, with its own address, reached by ssh. They are no
children of the service: they live on when it ends, and are found again.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent import futures
import logging
import pathlib
import subprocess
import threading
import time

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.backends import base
from hpcdirect.backends.local import alone
from hpcdirect.backends.local import cgroups
from hpcdirect.backends.local import checks
from hpcdirect.backends.local import mounts
from hpcdirect.backends.local import network
from hpcdirect.backends.local.images import Images
from hpcdirect.backends.local.machines import LocalMachine
from hpcdirect.backends.local.machines import Machines
from hpcdirect.backends.local.machines import Roll
from hpcdirect.backends.local.mirror import Mirror
from hpcdirect.backends.local.records import Record
from hpcdirect.backends.local.records import Records
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.wishes import Wish

LOG = logging.getLogger(__name__)

# Machines that are waited for, and that are started, at one time: a start is
# a few short processes one after the other.
_TOGETHER = 32
_STARTS = 4


class LocalBackend(base.Backend):
    """Makes machines out of namespaces; see the module.

    :param conf: its group is ``[local]``.
    :raises BackendError: people of a cloud use this service.
    """

    name = 'local'
    keeps_addresses = True

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register_group(conf, 'local')
        self._conf = conf.local
        if checks.of_a_cloud(conf) and not self._conf.allow_with_keystone:
            raise BackendError(plugin='local', reason=(
                'Machines of the local backend are no security boundary; '
                'with [api] auth_strategy = keystone it is only used when '
                '[local] allow_with_keystone is set.'))
        self._records = Records(pathlib.Path(self._conf.state_path))
        cache = pathlib.Path(self._conf.cache_path)
        self._mirror = Mirror(cache / 'packages')
        self._images = Images(cache, self._mirror)
        self._machines = Machines(self._records, self._conf)
        self._roll = Roll()
        self._starting = threading.BoundedSemaphore(_STARTS)
        self._workers: dict[str, threading.Thread] = {}
        self._guard = threading.Lock()

    def reference(self, cluster_id: str, project_id: str) -> str:
        """The cluster's id itself."""
        return cluster_id

    # -- checks -----------------------------------------------------------

    def validate(self, request: base.InfraRequest) -> list[Finding]:
        """What this machine lacks, and what it cannot give."""
        return list(self.assess(request).findings)

    def assess(self, request: base.InfraRequest) -> base.Assessment:
        """What of this machine it would take: places, memory, addresses."""
        return self._room(request.cluster_id).assess(request)

    def capacity(self, project_id: str) -> base.Capacity:
        """Machines that ``[local] max_nodes`` and free memory leave."""
        return base.Capacity((base.NodeType(
            'local', self._room('').spare, int(self._conf.max_nodes)),))

    def networks(self, request: base.InfraRequest) -> base.Networks:
        """One bridge; its range once there is one."""
        return network.of(request, self._records.read(request.cluster_id))

    def _room(self, cluster_id: str) -> checks.Room:
        """What there is for that cluster, and for others."""
        own = len(self._machines.there(cluster_id))
        return checks.Room(self._conf, own, sum(
            len(record.wanted()) for record in self._records.all()
            if record.cluster_id != cluster_id))

    # -- changes ----------------------------------------------------------

    def ensure(self, request: base.InfraRequest) -> str:
        """Write down what is wanted and let a thread make it so."""
        wrong = [*checks.lacking(), *map(str, checks.unfit(request))]
        if wrong:
            raise BackendError(plugin='local', reason=' '.join(wrong))
        with network.choosing(), self._records.lock('subnets'):
            record = self._records.read(request.cluster_id) or Record(
                request.cluster_id, network.free_subnet(
                    self._conf.network,
                    [other.subnet for other in self._records.all()]))
            record.serial += 1
            record.deleted = False
            record.slots = [vars(slot) for slot in request.slots]
            record.groups = {name: dict(values) for name, values
                             in request.groups.items()}
            record.volumes = [
                {'name': volume.name, 'mount': volume.mount,
                 'groups': list(volume.groups)} for volume in request.volumes]
            record.public_key = request.public_key
            record.wish = str(request.wish)
            record.faults = {}
            record.give_addresses()
            self._records.write(record)
            # Now, while no other service can choose the same subnet.
            network.up(record.cluster_id, record.subnet,
                       self._conf.mirror_port, self._conf.state_path)
        self._work(request.cluster_id)
        return request.cluster_id

    def delete(self, ref: str) -> None:
        """Write down that all is to go and let a thread see to it."""
        with self._records.lock('subnets'):
            record = self._records.read(ref)
            if record is None:
                if checks.known(ref):
                    self._records.remove(ref)
                return
            if not record.deleted:
                record.deleted = True
                record.serial += 1
                self._records.write(record)
        self._work(ref)

    # -- looking ----------------------------------------------------------

    def observe(self, ref: str) -> base.Infra:
        """What is there of a cluster."""
        record = self._records.read(ref)
        if record is None:
            return base.Infra(base.InfraStatus.GONE)
        if not record.deleted:
            # After a restart nobody else has thought of it.
            self._mirror.serve(network.MIRROR, self._conf.mirror_port)
        working = self._mine(ref) or self._records.locked(ref)
        if record.deleted and not working:
            # Whoever was taking it down has died: that goes on.
            self._work(ref)
        wanted = record.wanted()
        machines = tuple(self._seen(record, name, wanted.get(name), working)
                         for name in sorted(
                             {*wanted, *self._machines.there(ref)}))
        if record.deleted:
            return base.Infra(base.InfraStatus.DELETING, machines=machines)
        ready = all(machine.status == base.MachineStatus.UP
                    for machine in machines)
        return base.Infra(
            base.InfraStatus.READY if ready else base.InfraStatus.CHANGING,
            reason=record.note, machines=machines,
            wish=Wish.read(record.wish))

    def leftovers(self) -> Iterable[base.Leftover]:
        """Machines, processes, networks and mounts, wanted or not."""
        tagged = network.tagged(self._conf.state_path)
        for cluster_id in sorted({*self._records.clusters(), *tagged}):
            for name in self._machines.there(cluster_id):
                yield base.Leftover(cluster_id, 'machine', name)
            for key in cgroups.keys(cluster_id):
                yield base.Leftover(cluster_id, 'process', key)
            for kind, ref in network.parts(cluster_id):
                yield base.Leftover(cluster_id, kind, ref)
            for point in mounts.below(self._records.folder(cluster_id)):
                yield base.Leftover(cluster_id, 'mount', point)

    def _seen(self, record: Record, name: str, slot: base.Slot | None,
              working: bool) -> base.Machine:
        machine = self._machines.one(record, name, slot)
        made = machine.stamp()
        status, fault = base.MachineStatus.ABSENT, ''
        if slot is None:
            status = base.MachineStatus.LEAVING
        elif made and made != slot.incarnation:
            # The old one is what is there until the new one is made.
            status = (base.MachineStatus.LEAVING if working
                      else base.MachineStatus.ABSENT)
        elif name in record.faults:
            status, fault = base.MachineStatus.FAILED, record.faults[name]
        elif machine.alive():
            # Whoever starts machines asks them already, and often.
            often = 1.0 if self._mine(record.cluster_id) else 0.0
            status = (base.MachineStatus.UP
                      if self._roll.answered(machine, 0.5, often)
                      else base.MachineStatus.BUILDING)
        elif working:
            status = base.MachineStatus.BUILDING
        elif made:
            status, fault = base.MachineStatus.FAILED, (
                f'Its init process ended. {machine.last_words()}'.strip())
        return base.Machine(
            name, made or (slot.incarnation if slot else 1), status,
            ref=machine.ref(), address=machine.address, fault=fault,
            ssh=base.Ssh(machine.address, host_key=machine.host_key()))

    # -- the worker -------------------------------------------------------

    def _work(self, cluster_id: str) -> None:
        """Let a thread bring the machines to what is wanted."""
        with self._guard:
            for done in [name for name, thread in self._workers.items()
                         if not thread.is_alive()]:
                del self._workers[done]
            thread = threading.Thread(
                target=self._settle, args=(cluster_id,),
                name=f'local-{cluster_id[:8]}', daemon=True)
            self._workers[cluster_id] = thread
            thread.start()

    def _mine(self, cluster_id: str) -> bool:
        """Whether a thread of this process is at work on it."""
        with self._guard:
            worker = self._workers.get(cluster_id)
        return worker is not None and worker.is_alive()

    def _settle(self, cluster_id: str) -> None:
        """Until nothing newer is wanted; one at a time for each cluster."""
        done = -1
        with self._records.lock(cluster_id):
            while True:
                record = self._records.read(cluster_id)
                if record is None or record.serial == done:
                    return
                done = record.serial
                try:
                    self._bring_about(record)
                except Exception as exc:
                    LOG.exception('Cluster %s', cluster_id)
                    self._fault(cluster_id, done, dict.fromkeys(
                        record.wanted(), str(exc)))

    def _bring_about(self, record: Record) -> None:
        wanted = record.wanted()
        old = self._machines.there(record.cluster_id)
        with futures.ThreadPoolExecutor(_TOGETHER) as pool:
            alone.each(pool, lambda name: self._machines.one(
                record, name).remove(), [
                    name for name in old if name not in wanted])
            if record.deleted:
                self._forget(record)
                return
            lower = self._lower(record)
            self._mirror.serve(network.MIRROR, self._conf.mirror_port)
            faults = dict(alone.each(
                pool, lambda slot: self._boot(
                    record, slot, lower[slot.group]), wanted.values()))
        self._fault(record.cluster_id, record.serial, {
            name: fault for name, fault in faults.items() if fault})

    def _forget(self, record: Record) -> None:
        """Take away what machines shared, unless they are wanted again."""
        folder = self._records.folder(record.cluster_id)
        mounts.remove(folder / 'volumes')
        cgroups.tidy(record.cluster_id)
        with network.choosing(), self._records.lock('subnets'):
            now = self._records.read(record.cluster_id)
            if now is not None and now.serial == record.serial:
                network.down(record.cluster_id)
                self._records.remove(record.cluster_id)

    def _lower(self, record: Record) -> dict[str, str]:
        """Node group -> the lower folders of its machines."""
        lower = {}
        for group in {slot.group for slot in record.wanted().values()}:
            packages = record.groups.get(group, {}).get('packages', ())
            note = self._images.missing(packages)
            if note:
                self._note(record, note)
            lower[group] = self._images.lower(packages)
        self._note(record, '')
        return lower

    def _boot(self, record: Record, slot: base.Slot, lower: str
              ) -> tuple[str, str]:
        """Start one machine unless it runs; its name and what went wrong."""
        machine = self._machines.one(record, slot.name, slot, lower)
        try:
            if (machine.alive() and machine.stamp() == slot.incarnation
                    and self._answers(machine)):
                return slot.name, ''
            with self._starting:
                machine.start()
            if self._answers(machine):
                return slot.name, ''
        except (BackendError, OSError, subprocess.SubprocessError) as exc:
            return slot.name, str(exc)
        if not machine.alive():
            return slot.name, (f'Its init process ended before ssh answered. '
                               f'{machine.last_words()}'.strip())
        return slot.name, (f'ssh did not answer within '
                           f'{self._conf.boot_timeout} s. '
                           f'{machine.last_words()}'.strip())

    def _answers(self, machine: LocalMachine) -> bool:
        """Wait for ssh; False when it ended or took too long."""
        end, pause = time.monotonic() + self._conf.boot_timeout, 0.03
        while time.monotonic() < end and machine.alive():
            # Patient once sshd has taken the call: a call more is a process
            # more on a machine that has much to do just now.
            if self._roll.answered(machine, 5):
                return True
            time.sleep(pause)
            pause = min(pause * 1.2, 0.5)
        return False

    def _fault(self, cluster_id: str, serial: int, faults: dict[str, str]
               ) -> None:
        """Record what went wrong, unless something newer is wanted."""
        with self._records.lock('subnets'):
            record = self._records.read(cluster_id)
            if record is not None and record.serial == serial:
                record.faults = faults
                record.note = ''
                self._records.write(record)

    def _note(self, record: Record, note: str) -> None:
        with self._records.lock('subnets'):
            now = self._records.read(record.cluster_id)
            if now is not None and now.note != note:
                now.note = note
                self._records.write(now)

    def serve(self) -> bool:
        """Serve packages to the machines; False when there are none."""
        any_left = bool(self._records.clusters())
        if any_left:
            self._mirror.serve(network.MIRROR, self._conf.mirror_port)
        return any_left

    def close(self) -> None:
        """Stop serving packages and wait for what is being done."""
        for thread in list(self._workers.values()):
            thread.join()
        self._mirror.stop()

    def sweep(self, leftover: base.Leftover) -> None:
        """Take the whole cluster away that it is of."""
        self.delete(leftover.cluster_id)

    def clear(self) -> None:
        """Take away all that carries this state path's tag; wait for it.

        Works from what the machine shows where the files are gone.
        """
        for cluster_id in self._records.clusters():
            self.delete(cluster_id)
        self.close()
        for cluster_id in {*self._records.clusters(),
                           *network.tagged(self._conf.state_path)}:
            for key in cgroups.keys(cluster_id):
                cgroups.kill(key)
            cgroups.tidy(cluster_id)
            with network.choosing():
                network.down(cluster_id)
            self._records.remove(cluster_id)
