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

"""The runner that carries out elements written for Ansible.

The name is looked up late: the worker process imports its modules from
this package and has no use for the runner and what that imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from hpcdirect.runners.ansible.runner import AnsibleRunner

__all__ = ['AnsibleRunner']


def __getattr__(name: str) -> Any:
    if name == 'AnsibleRunner':
        from hpcdirect.runners.ansible import runner
        return runner.AnsibleRunner
    raise AttributeError(name)
