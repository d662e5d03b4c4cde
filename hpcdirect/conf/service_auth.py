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


"""Options of the service's own user, who acts in customers' projects."""

from __future__ import annotations

from keystoneauth1 import loading
from oslo_config import cfg

#: Without these keystoneauth would wait for ever.
_TIMEOUT = cfg.FloatOpt(
    'timeout', default=30.0, min=0.1,
    help='Seconds of silence after which a request to the cloud is given '
         'up: until a connection is there, and then between two pieces of '
         'an answer.')

OPTIONS: list[cfg.Opt] = [
    cfg.FloatOpt(
        'deadline', default=120.0, min=0.1,
        help='Seconds that all requests of one look at a cluster, or of one '
             'change of its machines, may take together, however often the '
             'cloud lets something be heard. A service that fails to answer '
             'several times in a row is left alone for up to a minute, and '
             'what needs it fails at once.'),
    cfg.StrOpt(
        'region_name', default='',
        help='Region of the cloud in which clusters are made; empty is the '
             'first one of the catalogue.'),
    cfg.StrOpt(
        'interface', default='internal',
        choices=['internal', 'public', 'admin'],
        help='Which of the endpoints of the catalogue are called.'),
    cfg.StrOpt(
        'role', default='member',
        help='Role that this user has to have in a project before clusters '
             'can be made there. "openstack hpc project enable" grants it, '
             'with the token of the person who enables. It must be enough '
             'for stacks, servers, networks and ports, and never be one '
             'that may grant roles.'),
    *loading.get_auth_common_conf_options(),
    *(_TIMEOUT if option.name == _TIMEOUT.name else option
      for option in loading.get_session_conf_options()),
]
