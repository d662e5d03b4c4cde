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

"""hpcdirect-db-manage: the database's tables, and the key file."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import sys
from typing import Any

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.db import migration
from hpcdirect.keys import KeyRing


def _upgrade(conf: cfg.ConfigOpts) -> None:
    migration.upgrade(conf)
    print(migration.version(conf))


def _version(conf: cfg.ConfigOpts) -> None:
    print(f'{migration.version(conf) or "empty"}, '
          f'newest {migration.newest()}')


def _create_key(conf: cfg.ConfigOpts) -> None:
    KeyRing.load_or_create(conf.key_file)
    print(conf.key_file)


_COMMANDS: dict[str, tuple[Callable[[cfg.ConfigOpts], None], str]] = {
    'upgrade': (_upgrade, 'bring the tables to what this release needs'),
    'version': (_version, 'tell what the tables are at'),
    'create-key': (_create_key, 'make the key file, if it is not there'),
}


def _parsers(subparsers: Any) -> None:
    for name, (_, description) in _COMMANDS.items():
        subparsers.add_parser(name, help=description)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf.register_cli_opt(cfg.SubCommandOpt(
        'command', title='command', handler=_parsers))
    conf(list(sys.argv[1:] if argv is None else argv), project='hpcdirect',
         prog='hpcdirect-db-manage')
    carry_out, _ = _COMMANDS[conf.command.name]
    carry_out(conf)
    return 0
