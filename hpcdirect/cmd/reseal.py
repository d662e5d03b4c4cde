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

"""``hpcdirect-manage reseal``: everything by the first key of the file."""

from __future__ import annotations

import collections
import sys
from typing import Any

from oslo_config import cfg
import sqlalchemy as sa

from hpcdirect import resealing
from hpcdirect.db import models
from hpcdirect.db.session import Database
from hpcdirect.exception import NotFound
from hpcdirect.keys import KeyRing

#: Clusters whose ids are read at a time.
_BATCH = 500


def parser(subparsers: Any) -> None:
    """Make the command known."""
    one = subparsers.add_parser(
        'reseal', help='sign and seal everything anew, by the first key',
        description='Signs and seals anew what is not by the first line of '
        'the key file. The service may be at work; it may be ended and '
        'begun again. When it leaves nothing, older lines can be dropped.')
    one.add_argument(
        '--adopt-unsigned', action='store_true',
        help='sign what the release before recorded of layers and did not '
        'sign; once, at the upgrade')


def run(conf: cfg.ConfigOpts) -> int:
    """Seal and sign all clusters anew, and tell how many things it was.

    :returns: 1 when something had to be left as it was.
    """
    database = Database(conf)
    # In the newest way, whatever else is written at the time.
    resealer = resealing.Resealer(KeyRing.load(conf.key_file),
                                  conf.command.adopt_unsigned)
    counts: resealing.Counts = collections.Counter()
    number, last = 0, ''
    while True:
        with database.read() as session:
            idents = list(session.scalars(sa.select(models.Cluster.id).where(
                models.Cluster.deleted == '', models.Cluster.id > last,
            ).order_by(models.Cluster.id).limit(_BATCH)))
        if not idents:
            break
        last = idents[-1]
        for ident in idents:
            try:
                with database.write() as session:
                    counts += resealer.cluster(session, ident)
                number += 1
            except NotFound:
                continue
    return _told(number, counts)


def _told(number: int, counts: resealing.Counts) -> int:
    print(f'{number} clusters')
    for what in sorted({what for what, _ in counts}):
        print(f'{what}: {counts[what, resealing.ANEW]} made anew, '
              f'{counts[what, resealing.WELL]} were well, '
              f'{counts[what, resealing.LEFT]} left')
    left = sum(count for (_, how), count in counts.items()
               if how == resealing.LEFT)
    if left:
        print(f'{left} things are by a key that is not in the key file, or '
              'are not as the service wrote them. They were left as they '
              'are; a layer is replaced with its node.', file=sys.stderr)
    return 1 if left else 0
