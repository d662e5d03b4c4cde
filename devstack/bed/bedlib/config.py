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

"""Writes the configuration of all services from the templates in etc/."""

from __future__ import annotations

import os
import pathlib

import jinja2

from bedlib import settings

_TEMPLATES = pathlib.Path(__file__).resolve().parents[1] / 'etc'
#: Folders that services expect to be there.
_FOLDERS = (
    'glance/images', 'glance/staging', 'glance/tasks', 'glance/lock',
    'heat/lock', 'horizon/sessions', 'hpcdirect', 'ironic/lock',
    'keystone/fernet-keys', 'keystone/credential-keys', 'machines',
    'neutron/lock', 'nova/lock')


def write(bed: settings.Bed) -> None:
    """Write every file anew; what was changed by hand is lost."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), trim_blocks=True,
        keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
        autoescape=False)  # noqa: S701 (no HTML)
    environment.globals |= {
        'bed': bed, 'secrets': bed.secrets, 'clouds': _clouds()}
    for name in environment.list_templates():
        if name == 'macros.j2' or name.endswith('/common.j2'):
            continue
        text = environment.get_template(name).render().lstrip()
        _put(bed.etc / name.removesuffix('.j2'), text)
    for folder in _FOLDERS:
        (bed.data / folder).mkdir(parents=True, exist_ok=True)
    for folder in ('fernet-keys', 'credential-keys'):
        (bed.data / 'keystone' / folder).chmod(0o700)
    (bed.etc / 'heat' / 'plugins').mkdir(parents=True, exist_ok=True)


def _put(path: pathlib.Path, text: str) -> None:
    """Passwords are in most of them: root alone may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, 'w') as file:
        file.write(text)


def _clouds() -> list[tuple[str, str, str]]:
    """Cloud, user and project of each entry of clouds.yaml."""
    return [('bed-admin', 'admin', 'admin'),
            ('hpcdirect', 'hpcdirect', 'service'),
            *((user, user, next(iter(projects)))
              for user, projects in settings.PEOPLE.items())]
