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

"""Blueprints and elements that installed distributions bring along.

A distribution names, in the entry-point group ``hpcdirect.blueprints``, the
package that holds its folders ``blueprints/`` and ``elements/``::

    [project.entry-points."hpcdirect.blueprints"]
    weather = "weather_hpc"

The package is looked up, never imported: blueprints are data.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import logging
import pathlib

from oslo_config import cfg

from hpcdirect.sources import base

LOG = logging.getLogger(__name__)

GROUP = 'hpcdirect.blueprints'


class PackageSource(base.FolderSource):
    """What the distributions installed when the process began bring."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        del conf  # every source gets it; this one needs nothing of it

    def roots(self) -> list[pathlib.Path]:
        """The packages' folders, in the order of the entry points' names."""
        return list(self._roots)

    @functools.cached_property
    def _roots(self) -> tuple[pathlib.Path, ...]:
        found = sorted(importlib.metadata.entry_points(group=GROUP),
                       key=lambda entry: (entry.name, entry.value))
        return tuple(dict.fromkeys(
            root for entry in found for root in _folders(entry.value)))


def _folders(package: str) -> list[pathlib.Path]:
    """Where a package lies; its parents, if any, do get imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError) as exc:
        LOG.error('Package %s, named by an entry point of group %s, cannot '
                  'be found: %s', package, GROUP, exc)
        return []
    if spec is None or spec.submodule_search_locations is None:
        LOG.error('%s, named by an entry point of group %s, is no package',
                  package, GROUP)
        return []
    return [*map(pathlib.Path, spec.submodule_search_locations)]
