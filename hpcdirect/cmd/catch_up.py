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

"""``hpcdirect-manage catch-up``: after a database came from a backup.

Machines remember the generation that they were changed for last, and refuse
an older one: whoever can write into the database could put it back. A backup
that is restored is just that, and only an operator can tell.
"""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from hpcdirect import signing
from hpcdirect.db import deployments
from hpcdirect.db import orders
from hpcdirect.db.session import Database
from hpcdirect.exception import NotFound
from hpcdirect.keys import KeyRing
from hpcdirect.states import Operation


def parser(subparsers: Any) -> None:
    """Make the command known."""
    one = subparsers.add_parser(
        'catch-up', help='let what is recorded of a cluster be the newest',
        description='After a database was restored from a backup: what is '
        'recorded of a cluster becomes a generation that is newer than any '
        'its machines have seen, and is carried out. Look at it first: '
        '"openstack hpc cluster show", "openstack hpc user list".')
    one.add_argument('cluster', help='id of the cluster')
    one.add_argument(
        '--past', type=int, required=True, metavar='GENERATION',
        help='the newest generation that its machines have seen, as the '
        'cluster\'s status_reason says')


def run(conf: cfg.ConfigOpts) -> int:
    """Want of a cluster what is recorded, in the name of who did so last.

    :returns: 0.
    :raises NotFound: there is no such cluster.
    :raises NotAsSigned: nobody signed what is recorded.
    """
    command = conf.command
    keys = KeyRing.load(conf.key_file, conf.key_scheme)
    with Database(conf).write() as session:
        last = deployments.latest(session, [command.cluster]).get(
            command.cluster)
        if last is None:
            raise NotFound(resource='Cluster', ident=command.cluster)
        made = orders.catch_up(session, command.cluster, command.past, (
            orders.Order(last.asker, signing.Pen(keys), Operation.RETRY)))
        done = (f'Cluster {command.cluster} is at generation '
                f'{made.generation}, in the name of user {made.user_id}; a '
                'conductor carries it out.')
    print(done)
    return 0
