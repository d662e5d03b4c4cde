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

"""hpcdirect-status upgrade check: what stands in the way of an upgrade."""

from __future__ import annotations

import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from hpcdirect import conf as options
from hpcdirect.db import migration
from hpcdirect.exception import HPCDirectError
from hpcdirect.keys import KeyRing


class Checks(upgradecheck.UpgradeCommands):
    """One method a check; none changes anything."""

    def _tables(self) -> upgradecheck.Result:
        """Whether the tables are what this release needs."""
        there, newest = migration.version(cfg.CONF), migration.newest()
        if there == newest:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        return upgradecheck.Result(
            upgradecheck.Code.FAILURE,
            f'The tables are at {there or "nothing"}, this release needs '
            f'{newest}; run "hpcdirect-db-manage upgrade".')

    def _keys(self) -> upgradecheck.Result:
        """Whether the key file can be used."""
        try:
            KeyRing.load(cfg.CONF.key_file)
        except (HPCDirectError, ValueError) as exc:
            return upgradecheck.Result(upgradecheck.Code.FAILURE, str(exc))
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    _upgrade_checks = (('Tables', _tables), ('Key file', _keys))


def main() -> int:
    """Carry out the checks; 0 well, 1 warnings, 2 failures."""
    options.register_opts(cfg.CONF)
    code: int = upgradecheck.main(cfg.CONF, 'hpcdirect', Checks(),
                                  argv=sys.argv[1:])
    return code
