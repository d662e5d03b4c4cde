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

"""All options, one module a group, registered on whatever is handed in."""

from __future__ import annotations

from collections.abc import Iterable

from oslo_config import cfg
from oslo_db import options as database

from hpcdirect.conf import ansible
from hpcdirect.conf import api
from hpcdirect.conf import blueprints
from hpcdirect.conf import conductor
from hpcdirect.conf import heartbeat
from hpcdirect.conf import heat
from hpcdirect.conf import local
from hpcdirect.conf import metrics
from hpcdirect.conf import monitoring
from hpcdirect.conf import paths
from hpcdirect.conf import service_auth

_MODULES = (paths, api, blueprints, conductor, heartbeat, local, heat,
            ansible, metrics, monitoring, service_auth)


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register every option of ours with *conf*; may be called again."""
    for module in _MODULES:
        module.register_opts(conf)
    database.set_defaults(
        conf, connection='sqlite:///$state_path/hpcdirect.sqlite')


def list_opts() -> list[tuple[cfg.OptGroup | str, Iterable[cfg.Opt]]]:
    """What oslo-config-generator makes the sample configuration from."""
    return [entry for module in _MODULES for entry in module.list_opts()]
