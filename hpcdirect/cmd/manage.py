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

"""hpcdirect-manage: what an operator does beside the API."""

from __future__ import annotations

from collections.abc import Callable
import sys
from typing import Any

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.cmd import catch_up
from hpcdirect.cmd import leftovers
from hpcdirect.cmd import reseal
from hpcdirect.exception import HPCDirectError

_COMMANDS: dict[str, Callable[[cfg.ConfigOpts], int]] = {
    'catch-up': catch_up.run, 'leftovers': leftovers.run,
    'reseal': reseal.run}


def _parsers(subparsers: Any) -> None:
    catch_up.parser(subparsers)
    leftovers.parser(subparsers)
    reseal.parser(subparsers)


def main() -> int:
    """Carry out one command; 0 when it succeeded."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf.register_cli_opt(cfg.SubCommandOpt(
        'command', title='command', handler=_parsers))
    conf(sys.argv[1:], project='hpcdirect', prog='hpcdirect-manage')
    try:
        return _COMMANDS[conf.command.name](conf)
    except HPCDirectError as exc:
        print(exc, file=sys.stderr)
        return 1
