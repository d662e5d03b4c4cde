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

"""Options of the ansible runner."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'work_path', default='/dev/shm/hpcdirect',  # noqa: S108
        regex=r'^/[A-Za-z0-9._/-]+$', max_length=60,
        help='Folder in which each batch gets a folder of its own, mode '
             '0700, for as long as it runs. Those hold keys and secrets, so '
             'let it be on a tmpfs. It is made, mode 0700, when it is not '
             'there. Keep it short: ssh control sockets lie below it, and '
             'a socket has at most 107 characters of path.'),
    cfg.StrOpt(
        'fence_path', default='/var/lib/hpcdirect/fence',
        regex=r'^/[A-Za-z0-9._/{}-]+$',
        help='Folder on every node that keeps the highest epoch seen and '
             'the locks that hold off an older run. It must survive a '
             'reboot and allow programs to be run. {node} in it stands for '
             "the node's name. Changing it while runs are on their way "
             'leaves those unfenced.'),
    cfg.IntOpt(
        'fence_wait', default=120, min=0, max=3600,
        help='Seconds that a batch waits on a node for a command of an '
             'earlier batch to end before it kills that command. Short '
             'makes take-over fast; long spares a package installation '
             'from being cut in the middle.'),
    cfg.IntOpt(
        'forks', default=16, min=1, max=500,
        help='Nodes that one batch works on at the same time. Each costs '
             'about 60 MB of memory; more than 8 for each core seldom '
             'gains anything.'),
    cfg.IntOpt(
        'task_timeout', default=3600, min=1, max=86400,
        help='Seconds after which one task on one node is given up and '
             'counts as failed. Raise it when elements build software.'),
    cfg.IntOpt(
        'connect_timeout', default=10, min=1, max=300,
        help='Seconds within which a node has to accept an ssh connection, '
             'from the first packet to the end of the key exchange; after '
             'that it counts as unreachable.'),
    cfg.IntOpt(
        'alive_interval', default=5, min=1, max=300,
        help='Seconds of silence after which ssh asks a node whether it is '
             'still there. Three unanswered questions end the connection, '
             'and the node counts as unreachable.'),
    cfg.IntOpt(
        'stop_grace', default=3, min=0, max=60,
        help='Seconds that a run which is to end has to end by itself '
             'before it is killed.'),
    cfg.IntOpt(
        'run_seconds', default=43200, min=1,
        help='Seconds after which a whole batch is ended and counts as '
             'failed, whatever its tasks still have to do.'),
    cfg.IntOpt(
        'run_memory', default=4096, min=64,
        help='Memory in MiB that all processes of one batch may use on this '
             'machine together. One that uses more is ended, and nothing '
             'else: what nodes answer is read here, and a node may answer '
             'without end. The kernel takes these processes before the '
             'conductor when memory is short.'),
    cfg.IntOpt(
        'run_processes', default=2048, min=16,
        help='Processes that one batch may have on this machine; one that '
             'has more is ended. Each node that is worked on takes about '
             'three.'),
    cfg.IntOpt(
        'run_output', default=16384, min=64,
        help='KiB of output that are kept of each run. A line in its log '
             'says where the rest was left out; how each task ended is '
             'always told.'),
    cfg.StrOpt(
        'known_hosts', default='',
        regex=r'^(/[A-Za-z0-9._/-]+)?$',
        help="OpenSSH known_hosts file with the keys of the operator's own "
             'jump hosts. Not needed when clusters are reached directly or '
             'through their own head node.'),
]
