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

"""The one module that knows stevedore: loads plugins that are enabled.

Installed is not enabled: only names in the operator's allow-list are looked
at, so a package that happens to be there changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import TypeVar

from oslo_config import cfg
from stevedore import driver
from stevedore import exception as stevedore_exc

from hpcdirect import failpoints
from hpcdirect import metrics
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

T = TypeVar('T')


def load(kind: type[T], namespace: str, enabled: Iterable[str],
         conf: cfg.ConfigOpts) -> Mapping[str, T]:
    """Plugins by name, in the order they are enabled.

    :param kind: the contract each has to fulfil.
    :param namespace: ``backends``, ``runners`` or ``sources``.
    :raises Invalid: with every name that cannot be loaded, and why.
    """
    plugins: dict[str, T] = {}
    findings = []
    for name in enabled:
        try:
            plugin: object = driver.DriverManager(
                f'hpcdirect.{namespace}', name, invoke_on_load=True,
                invoke_args=(conf,)).driver
        except (stevedore_exc.NoMatches, ImportError) as exc:
            cause = exc.__cause__ or exc.__context__ or exc
            findings.append(Finding(
                f'no plugin of this name can be loaded: {cause}',
                f'[DEFAULT] enabled_{namespace}: {name}'))
            continue
        if not isinstance(plugin, kind):
            findings.append(Finding(
                f'it is a {type(plugin).__name__}, not a {kind.__name__}',
                f'[DEFAULT] enabled_{namespace}: {name}'))
            continue
        plugins[name] = failpoints.watch(
            plugin, namespace.removesuffix('s'), kind)
        if namespace == 'backends':
            metrics.watch(plugins[name], name, failpoints.calls(kind))
    if findings:
        raise Invalid(findings)
    return plugins
