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

"""What a form or a button does, as a command that does the same.

Each function gives the words of a command line; :func:`line` makes one of
them that a shell reads as meant, whatever is in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import shlex
from typing import Any

from hpcdirect.client.osc import values as osc_values

#: Stands for a file of parameters that nobody else is to see.
SECRETS = 'secrets.yaml'


def line(words: Iterable[str]) -> str:
    """A command line for a POSIX shell."""
    return shlex.join(words)


def create(name: str, blueprint: str, parameters: Mapping[str, Any],
           schema: Mapping[str, Any], **options: str) -> list[str]:
    """``cluster create``.

    :param blueprint: name, or name@version.
    :param parameters: those that are not as by default.
    :param schema: the blueprint's parameters.
    :param options: ``backend``, ``description``, ``expires``.
    """
    return [*_hpc('cluster', 'create', '--blueprint', blueprint),
            *_options(options), *_parameters(parameters, schema),
            *_named(name)]


def update(cluster: str, parameters: Mapping[str, Any],
           schema: Mapping[str, Any], plan: str = '') -> list[str]:
    """``cluster update``, to what a plan showed when there is one."""
    return [*_hpc('cluster', 'update'), *_options({'plan': plan}),
            *_parameters(parameters, schema), *_named(cluster)]


def act(verb: str, cluster: str) -> list[str]:
    """A command that needs a cluster's name only.

    :param verb: check, repair, retry, cancel, delete.
    """
    return [*_hpc('cluster', verb), *_named(cluster)]


def of(command: str, cluster: str, name: str, *options: str) -> list[str]:
    """A command about something of a cluster.

    :param command: such as "user delete".
    """
    return [*_hpc(*command.split()), *options, *_named(cluster, name)]


def add_users(cluster: str, file: str) -> list[str]:
    """``user create``, of all in a table."""
    return [*_hpc('user', 'create'), *_options({'from-csv': file}),
            *_named(cluster)]


def compared(cluster: str, before: int, after: int) -> list[str]:
    """What differs between two generations."""
    return [*_hpc('cluster', 'diff'),
            *_named(cluster, str(before), str(after))]


def _hpc(*words: str) -> list[str]:
    return ['openstack', 'hpc', *words]


def _named(*names: str) -> list[str]:
    """What no option is, also when it looks like one."""
    dashed = any(name.startswith('-') for name in names)
    return [*(('--',) if dashed else ()), *names]


def _options(options: Mapping[str, str]) -> list[str]:
    return [f'--{name}={value}' for name, value in options.items() if value]


def _parameters(parameters: Mapping[str, Any], schema: Mapping[str, Any]
                ) -> list[str]:
    """Secrets go by a file: all who work on a machine see its commands."""
    found = [f'--parameter={name}={osc_values.written(value)}'
             for name, value in parameters.items()
             if not _is_secret(schema.get('properties', {}).get(name, {}))]
    if len(found) < len(parameters):
        found.insert(0, f'--parameter-file={SECRETS}')
    return found


def _is_secret(schema: Any) -> bool:
    """Whether there is anything secret in it, at any depth."""
    if isinstance(schema, Mapping):
        return schema.get('x-secret') is True or any(
            map(_is_secret, schema.values()))
    return isinstance(schema, list) and any(map(_is_secret, schema))
