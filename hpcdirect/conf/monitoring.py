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


"""Options of numbers of clusters: charts, and a site's own Prometheus."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.HostAddressOpt(
        'host', default='127.0.0.1',
        help='Address that hpcdirect-metrics listens on. Let it be an '
             'internal one: the API and a Prometheus come there, no people.'),
    cfg.PortOpt(
        'port', default=0,
        help='TCP port that hpcdirect-metrics listens on; it needs one. '
             'hpcdirect-all-in-one, which makes charts without, opens it for '
             'a Prometheus when there is one. 0 is for none.'),
    cfg.URIOpt(
        'endpoint', schemes=['http', 'https'],
        help='URL at which the API finds hpcdirect-metrics, such as '
             'http://10.0.0.11:9519. Without one there are no charts.'),
    cfg.StrOpt(
        'token_file', default='',
        help='File with tokens, one a line. A Prometheus that sends one of '
             'them is told all clusters of all projects, and may read every '
             'exporter that their elements name. Without the file none may. '
             'A change is seen without a restart.'),
    cfg.IntOpt(
        'threads', default=64, min=4, max=1000,
        help='Requests that are answered at the same time. Those to one '
             'cluster take eight of them at most.'),
]
