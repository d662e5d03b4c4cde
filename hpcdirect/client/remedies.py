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

"""What a failure says that helps, as a command."""

from __future__ import annotations

from collections.abc import Mapping
import shlex
from typing import Any

#: What is needed first -> what a command has of it.
_OPTIONS = {'parameters': '--parameter NAME=VALUE', 'generation': 'NUMBER'}


def command(cluster: str, remedy: Mapping[str, Any]) -> str:
    """What is typed for an entry of a failure's ``next``.

    :param cluster: its name or id.
    :returns: a line for a shell, with a comment where something comes first;
        words in capitals are for whoever types it.
    """
    operation, needs = remedy['operation'], remedy['needs']
    if 'generation' in needs:
        operation = 'rollback'
    words = ['openstack hpc cluster', operation, shlex.quote(cluster),
             *(_OPTIONS[need] for need in needs if need in _OPTIONS),
             *(['# once that is mended'] if 'cause' in needs else [])]
    return ' '.join(words)
