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

from keystoneauth1 import loading
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

_GROUPS: dict[str, list[cfg.Opt]] = {
    'DEFAULT': paths.OPTIONS, 'api': api.OPTIONS,
    'blueprints': blueprints.OPTIONS, 'conductor': conductor.OPTIONS,
    'heartbeat': heartbeat.OPTIONS, 'local': local.OPTIONS,
    'heat': heat.OPTIONS, 'ansible': ansible.OPTIONS,
    'metrics': metrics.OPTIONS, 'monitoring': monitoring.OPTIONS,
    'service_auth': service_auth.OPTIONS}


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register every option of ours with *conf*; may be called again."""
    for name in _GROUPS:
        register_group(conf, name)
    database.set_defaults(
        conf, connection='sqlite:///$state_path/hpcdirect.sqlite')


def register_group(conf: cfg.ConfigOpts, name: str) -> None:
    """Register the options of one group; may be called again."""
    conf.register_opts(_GROUPS[name], None if name == 'DEFAULT' else name)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """What oslo-config-generator makes the sample configuration from."""
    return [*_GROUPS.items(), (
        # Which these are is known only when the kind of login is.
        'service_auth', loading.get_auth_plugin_conf_options('password'))]
