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

"""Who may see whether the service serves a project, and what it could have.

Making the service serve a project is no right of ours to give: it is the role
that the service's own user has in the project, given in Keystone.
"""

from __future__ import annotations

from hpcdirect.policies import base

PROJECT = 'hpcdirect:projects:show'
CAPACITY = 'hpcdirect:capacity:show'

RULES = [
    base.rule(PROJECT, base.READER,
              'See whether the service may act in a project.',
              'GET /v1/projects/{project}', system=True),
    base.rule(CAPACITY, base.READER,
              'See what machines a project could have now, and its quotas.',
              'GET /v1/capacity', system=True),
]
