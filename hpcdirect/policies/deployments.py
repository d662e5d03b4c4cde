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

"""Who may see what was done: deployments, runs and events."""

from __future__ import annotations

from hpcdirect.policies import base

DEPLOYMENTS = 'hpcdirect:deployments:show'
RUNS = 'hpcdirect:runs:show'
EVENTS = 'hpcdirect:events:list'

RULES = [
    base.rule(DEPLOYMENTS, base.READER,
              'See deployments with their plans and steps.',
              'GET /v1/deployments', 'GET /v1/deployments/{deployment}',
              'GET /v1/deployments/{deployment}/progress',
              'GET /v1/clusters/{cluster}/deployments', system=True),
    base.rule(RUNS, base.READER, 'See runs and their logs.',
              'GET /v1/runs', 'GET /v1/runs/{run}', 'GET /v1/runs/{run}/log',
              'GET /v1/clusters/{cluster}/runs', system=True),
    base.rule(EVENTS, base.READER, 'See what happened, as it happens.',
              'GET /v1/events', 'GET /v1/clusters/{cluster}/events',
              system=True),
]
