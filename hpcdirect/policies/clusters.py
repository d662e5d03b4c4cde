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

"""Who may do what with clusters, their nodes and their layers."""

from __future__ import annotations

from hpcdirect.policies import base

LIST = 'hpcdirect:clusters:list'
SHOW = 'hpcdirect:clusters:show'
CREATE = 'hpcdirect:clusters:create'
UPDATE = 'hpcdirect:clusters:update'
DELETE = 'hpcdirect:clusters:delete'
METRICS = 'hpcdirect:clusters:metrics'

RULES = [
    base.rule(LIST, base.READER, 'List the clusters of a project.',
              'GET /v1/clusters', 'GET /v1/summary', system=True),
    base.rule(SHOW, base.READER,
              'See a cluster with its nodes and its layers.',
              'GET /v1/clusters/{cluster}',
              'GET /v1/clusters/{cluster}/nodes',
              'GET /v1/clusters/{cluster}/nodes/{node}',
              'GET /v1/clusters/{cluster}/layers',
              'GET /v1/clusters/{cluster}/candidates',
              'GET /v1/clusters/{cluster}/topology',
              'GET /v1/clusters/{cluster}/elements',
              'GET /v1/clusters/{cluster}/users',
              'GET /v1/clusters/{cluster}/users/{user}',
              'GET /v1/clusters/{cluster}/generations',
              'GET /v1/clusters/{cluster}/generations/{generation}',
              system=True),
    base.rule(METRICS, base.READER,
              "See what a cluster's own Prometheus knows of it.",
              'GET /v1/clusters/{cluster}/metrics', system=True),
    base.rule(CREATE, base.MEMBER, 'Make a cluster.', 'POST /v1/clusters'),
    base.rule(UPDATE, base.MEMBER,
              'Change what is wanted of a cluster, or try again.',
              'PATCH /v1/clusters/{cluster}',
              'POST /v1/clusters/{cluster}/deployments',
              'POST /v1/clusters/{cluster}/users',
              'PATCH /v1/clusters/{cluster}/users/{user}',
              'DELETE /v1/clusters/{cluster}/users/{user}', system=True),
    base.rule(DELETE, base.MEMBER, 'Take a cluster away.',
              'DELETE /v1/clusters/{cluster}', system=True),
]
