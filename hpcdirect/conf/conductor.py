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

"""Options of the conductor."""

from __future__ import annotations

from oslo_config import cfg
from oslo_config import types

OPTIONS: list[cfg.Opt] = [
    cfg.IntOpt(
        'processes', default=1, min=1, max=64,
        help='Conductor processes that one hpcdirect-conductor starts. They '
             'share the clusters among them as any conductors do.'),
    cfg.IntOpt(
        'workers', default=8, min=1, max=200,
        help='Threads in which one conductor process looks at clusters and '
             'decides what is next. None of them waits for machines or for '
             'what runs on nodes, so a few serve a thousand clusters.'),
    cfg.IntOpt(
        'watchers', default=4, min=1, max=64,
        help='Threads in which one conductor process looks at the machines '
             'of clusters that nothing is done to. A slow cloud needs more '
             'to look at each of them once in watch_interval.'),
    cfg.FloatOpt(
        'scan_interval', default=1.0, min=0.05, max=300.0,
        help='Seconds between looks for clusters that nobody works on. A '
             'lost message delays a cluster by at most this, a dead '
             'conductor by at most this plus lease_seconds.'),
    cfg.FloatOpt(
        'lease_seconds', default=10.0, min=0.5, max=300.0,
        help='Seconds for which a conductor takes a cluster; it renews the '
             'lease three times as often. A short lease makes take-over '
             'fast, a long one rides out a slow database: a conductor that '
             'cannot renew in time ends what it runs, and it is done again.'),
    cfg.IntOpt(
        'provision_timeout', default=1800, min=1, max=86400,
        help='Seconds within which machines have to come up; after that the '
             'deployment fails. Bare metal that images its disks may need '
             'more.'),
    cfg.FloatOpt(
        'watch_interval', default=30.0, min=0.0, max=86400.0,
        help='Seconds between two looks at the machines of a cluster that '
             'nothing is done to: a machine that is gone, failed or in '
             'maintenance is told of, and the cluster is DEGRADED. Each look '
             'costs a few calls of the backend; 0 is never.'),
    cfg.ListOpt(
        'expiry_warnings', default=[86400, 3600],
        item_type=types.Integer(min=1),
        help='Seconds before a cluster\'s time is over at which an event '
             'warns of it. What is missed while no conductor runs is not '
             'told later, but for the last.'),
    cfg.IntOpt(
        'catalogue_timeout', default=300, min=0,
        help='Seconds for which an order waits for a conductor that has in '
             'its catalogue what was ordered, not something else of the same '
             'name and version; then it fails.'),
    cfg.IntOpt(
        'order_lifetime', default=86400, min=600,
        help='Seconds after which a cluster of which there is nothing is not '
             'made any more by an order that was given before: somebody may '
             'have put rows of a deleted cluster back into the database. A '
             'retry is a new order.'),
    cfg.IntOpt(
        'keep_deleted', default=90 * 86400, min=0,
        help='Seconds for which events, runs and their logs, deployments and '
             'generations of a cluster are kept once it is deleted; 0 is for '
             'ever. Nothing of a cluster that is there is taken away.'),
    cfg.IntOpt(
        'keep_asked', default=7 * 86400, min=1,
        help='Seconds for which plans are kept, and Idempotency-Keys with '
             'what came of them. A key that comes again later is a new '
             'one.'),
    cfg.FloatOpt(
        'gather_seconds', default=1.0, min=0.0, max=60.0,
        help='Seconds to wait, once a machine is up, for another one to come '
             'up, so that one run configures them together; for all of them '
             'ten times as long at most. Longer saves work of the conductor, '
             'shorter starts sooner.'),
]
