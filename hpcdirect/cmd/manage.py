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


"""hpcdirect-manage: what an operator does beside the API.

``leftovers`` lists what carries our tag in a cloud and belongs to no cluster
that is alive; ``--sweep`` takes it away.
"""

from __future__ import annotations

from collections.abc import Iterable
import sys
from typing import Any

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect import plugins
from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import Leftover
from hpcdirect.db import clusters
from hpcdirect.db.session import Database
from hpcdirect.exception import HPCDirectError

_LINE = '{0:10} {1:36} {2:10} {3}'


def leftovers(database: Database, backend: Backend) -> list[Leftover]:
    """What a backend's cloud still has of clusters that are no more.

    The cloud is asked first: a cluster made meanwhile is alive, then.
    """
    found = list(backend.leftovers())
    with database.read() as session:
        alive = clusters.alive(session, {one.cluster_id for one in found})
    return [one for one in found if one.cluster_id not in alive]


def _leftovers(conf: cfg.ConfigOpts) -> int:
    database = Database(conf)
    backends = plugins.load(Backend, 'backends', conf.enabled_backends, conf)
    wrong = 0
    for name, backend in backends.items():
        try:
            wrong |= _of_one(name, backend, leftovers(database, backend),
                             conf.command.sweep)
        except HPCDirectError as exc:
            print(f'{name}: {exc}', file=sys.stderr)
            wrong = 1
        finally:
            backend.close()
    return wrong


def _of_one(name: str, backend: Backend, found: Iterable[Leftover],
            sweep: bool) -> int:
    """Print and perhaps sweep; 1 when something could not be swept."""
    wrong = 0
    for one in found:
        print(_LINE.format(name, one.cluster_id or '-', one.kind,
                           one.ref))
        if sweep:
            try:
                backend.sweep(one)
            except HPCDirectError as exc:
                print(f'{one.kind} {one.ref}: {exc}', file=sys.stderr)
                wrong = 1
    return wrong


def _parsers(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        'leftovers', help='list what clusters that are no more left behind')
    parser.add_argument('--sweep', action='store_true',
                        help='and take it away')


def main() -> int:
    """Carry out one command; 0 when all is well."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf.register_cli_opt(cfg.SubCommandOpt(
        'command', title='command', handler=_parsers))
    conf(sys.argv[1:], project='hpcdirect', prog='hpcdirect-manage')
    try:
        return _leftovers(conf)
    except HPCDirectError as exc:
        print(exc, file=sys.stderr)
        return 1
