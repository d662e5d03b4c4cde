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
"""Who may see how the service itself does."""

from __future__ import annotations

from hpcdirect.policies import base

LIST = 'hpcdirect:services:list'
LEFTOVERS = 'hpcdirect:leftovers:list'
STALLS = 'hpcdirect:stalls:list'

RULES = [
    base.rule(LIST, base.ADMIN,
              'See the processes of the service, and which are up.',
              'GET /v1/services', system=True),
    base.rule(LEFTOVERS, base.ADMIN,
              'See what clouds have of clusters that are no more.',
              'GET /v1/leftovers', system=True),
    base.rule(STALLS, base.ADMIN,
              'See clusters of all projects in whose work nothing moves.',
              'GET /v1/stalls', system=True),
]
