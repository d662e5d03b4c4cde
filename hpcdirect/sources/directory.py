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

"""Blueprints and elements in folders that the operator names."""

from __future__ import annotations

import pathlib

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.sources import base


class DirectorySource(base.FolderSource):
    """What lies in the folders of ``[blueprints] directories``."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register_group(conf, 'blueprints')
        self._conf = conf

    def roots(self) -> list[pathlib.Path]:
        """The folders of the option, in its order."""
        return [*map(pathlib.Path, self._conf.blueprints.directories)]
