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

"""Options for where blueprints and elements come from."""

from __future__ import annotations

import pathlib
import sys

from oslo_config import cfg


def _directories() -> list[str]:
    """/etc, what pip installed, and a checkout when we run from one."""
    found = ['/etc/hpcdirect', f'{sys.prefix}/share/hpcdirect']
    root = pathlib.Path(__file__).resolve().parents[2]
    if (root / 'pyproject.toml').is_file():
        found.append(str(root))
    return found


OPTIONS: list[cfg.Opt] = [
    cfg.ListOpt(
        'directories', default=_directories(),
        sample_default=['/etc/hpcdirect', '/usr/share/hpcdirect'],
        help='Folders that the "directory" source reads. Each holds a '
             'folder "blueprints" and a folder "elements", and in those a '
             'folder NAME or NAME@VERSION for each. The first that has a '
             'version of a name wins. Changes are seen without a restart.'),
    cfg.MultiStrOpt(
        'default', default=[],
        sample_default=['image: debian-12-hpc', 'slurm.compute_count: 4'],
        help='What a parameter of a blueprint is where people leave it open: '
             'PARAMETER: VALUE for every blueprint that has it, or '
             'BLUEPRINT.PARAMETER: VALUE, in YAML. May be given more than '
             'once; clusters that are there stay as they are. A blueprint of '
             'which it is not a valid value cannot be used, and the log says '
             'why.'),
]
