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

"""Who may look into the catalogue."""

from __future__ import annotations

from hpcdirect.policies import base

BLUEPRINTS = 'hpcdirect:blueprints:show'
ELEMENTS = 'hpcdirect:elements:show'
BACKENDS = 'hpcdirect:backends:show'

RULES = [
    base.rule(BLUEPRINTS, base.READER, 'See blueprints.',
              'GET /v1/blueprints', 'GET /v1/blueprints/{blueprint}',
              'GET /v1/blueprints/{blueprint}/template'),
    base.rule(ELEMENTS, base.READER, 'See elements.',
              'GET /v1/elements', 'GET /v1/elements/{element}'),
    base.rule(BACKENDS, base.READER,
              'See backends and what machines could be had.',
              'GET /v1/backends', 'GET /v1/backends/{backend}'),
]
