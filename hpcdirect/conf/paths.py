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

"""Options of where things are, and which plugins are used."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.StrOpt(
        'state_path', default='/var/lib/hpcdirect',
        help='Folder of what the service keeps outside the database. The '
             'SQLite database lies here too, when there is no other.'),
    cfg.StrOpt(
        'key_file', default='$state_path/keys',
        help='File of the keys that sign deployments and seal secrets, one '
             'Fernet key a line, the newest first. Every API and conductor '
             'process needs the same file; "hpcdirect-db-manage create-key" '
             'makes it. Without the keys it holds, secrets of clusters '
             'cannot be read again.'),
    cfg.IntOpt(
        'key_scheme', default=2, choices=[1, 2],
        help='In which way deployments are signed and secrets sealed. 1 is '
             'that of the release before this one: what is written so says '
             'neither who signed nor which key it was. It is for the time '
             'of an upgrade in which processes of both releases run.'),
    cfg.ListOpt(
        'enabled_backends', default=[],
        help='Names of the backends that may make machines. The first one '
             'that a blueprint supports is used for a cluster that asks for '
             'none. A backend that is installed but not listed is not used.'),
    cfg.ListOpt(
        'enabled_runners', default=['ansible'],
        help='Names of the runners that may carry out elements. An element '
             'whose runner is not listed cannot be applied.'),
    cfg.ListOpt(
        'enabled_sources', default=['directory', 'package'],
        help='Names of the sources that are asked for blueprints and '
             'elements, in this order; the first that has a version of a '
             'name wins.'),
]
