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

"""The config drive that Nova made, as files."""

from __future__ import annotations

import base64
import gzip
import io
import pathlib
from typing import Any

from ironic.conductor import configdrive_utils
import pycdlib


def unpack(node: Any, folder: str) -> None:
    """Write a node's config drive into a folder; none is well.

    It is read here and not mounted, since a kernel may lack iso9660.
    """
    packed = node.instance_info.get('configdrive')
    if not packed:
        return
    if isinstance(packed, dict):
        packed = configdrive_utils.build_configdrive(node, packed)
    image = pycdlib.PyCdlib()
    image.open_fp(io.BytesIO(gzip.decompress(base64.b64decode(packed))))
    try:
        for path, _, names in image.walk(joliet_path='/'):
            here = pathlib.Path(folder, path.lstrip('/'))
            here.mkdir(parents=True, exist_ok=True)
            for name in names:
                image.get_file_from_iso(
                    str(here / name),
                    joliet_path=f'{path.rstrip("/")}/{name}')
    finally:
        image.close()
