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

"""Options of the local backend."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'state_path', default='/var/lib/hpcdirect/local',
        help='Folder of the machines: what is wanted of them, their disks, '
             'their consoles. Must be on a real file system, not on an '
             'overlay.'),
    cfg.StrOpt(
        'cache_path', default='/var/cache/hpcdirect',
        help='Folder of what is made once and shared by all machines: base '
             'file systems, package layers, downloaded packages.'),
    cfg.StrOpt(
        'network', default='10.213.0.0/16',
        help='Addresses for clusters, each of which gets a /24 of it that '
             'nothing else on this machine uses.'),
    cfg.PortOpt(
        'mirror_port', default=3142, min=1,
        help='TCP port of the package mirror that the machines, which have '
             'no other way out, install from.'),
    cfg.IntOpt(
        'max_nodes', default=1000, min=1, max=4000,
        help='Machines that all clusters together may have, if there is '
             'memory for them.'),
    cfg.IntOpt(
        'reserve_mib', default=128, min=16, max=1048576,
        help='MiB of memory that must be free for each machine asked for. A '
             'machine with nothing to do takes about 12; limits may add up '
             'to more than there is.'),
    cfg.IntOpt(
        'memory_mib', default=1024, min=128, max=1048576,
        help='MiB of memory a machine may use when its blueprint says '
             'nothing; what exceeds it is killed inside the machine.'),
    cfg.IntOpt(
        'pids', default=2048, min=64, max=1048576,
        help='Processes and threads a machine may have at one time when its '
             'blueprint says nothing.'),
    cfg.FloatOpt(
        'cpus', default=0.0, min=0.0, max=4096.0,
        help='CPUs a machine may use when its blueprint says nothing; 0 '
             'means all of them.'),
    cfg.BoolOpt(
        'allow_with_keystone', default=False,
        help='Load this backend although people of a cloud use this '
             'service. Root of a local machine is an ordinary user here and '
             'cannot change this host, but all machines share its kernel: '
             'they are for people who are trusted not to look for holes in '
             'it.'),
    cfg.IntOpt(
        'boot_timeout', default=60, min=1, max=3600,
        help='Seconds a machine may take from its start until ssh answers.'),
]
