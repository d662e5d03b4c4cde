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
"""Options of the service's own numbers."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.HostAddressOpt(
        'host', default='127.0.0.1',
        help='Address at which each process shows its numbers to Prometheus. '
             'Whoever gets there reads them: let it be an internal one.'),
    cfg.PortOpt(
        'port', default=0, max=65000,
        help='TCP port at which hpcdirect-all-in-one and the API show their '
             'numbers; conductors do at those after it, one for each of '
             '[conductor] processes. 0 is for no numbers. Processes of uwsgi '
             'and the like share the port, for which '
             'PROMETHEUS_MULTIPROC_DIR has to be in their environment: a '
             'folder that is empty when the server starts.'),
]
