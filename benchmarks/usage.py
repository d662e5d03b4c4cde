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

"""What processes have used."""

from __future__ import annotations

import os
import pathlib


def cpu(pid: int, children: bool = False) -> float:
    """Seconds of CPU that a process has had, its ended threads among them.

    :param children: with those of its children that have ended; proc(5).
    :raises OSError: it is gone.
    """
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    fields = stat.rpartition(')')[2].split()
    return sum(map(int, fields[11:15 if children else 13])) / os.sysconf(
        'SC_CLK_TCK')
