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

"""The API's resources for openstacksdk."""

from __future__ import annotations

from typing import Any

from openstack import resource


class _Resource(resource.Resource):
    """What all of ours have in common: JSON in, and names in paths."""

    allow_list = True
    allow_fetch = True
    _allow_unknown_attrs_in_body = True

    created_at = resource.Body('created_at')


class _Asked(_Resource):
    """What somebody asked for."""

    user_id = resource.Body('user_id')
    user_name = resource.Body('user_name')

    @property
    def user(self) -> str:
        """What people call who asked: the name, or the id."""
        return str(self.user_name or self.user_id or '')


class Blueprint(_Resource):
    """What clusters are made from."""

    base_path = '/blueprints'
    resources_key = 'blueprints'
    _query_mapping = resource.QueryParameters(
        'q', 'field', 'sort', 'fields')
    name = resource.Body('name', alternate_id=True)
    version = resource.Body('version')
    label = resource.Body('label')
    description = resource.Body('description')
    fields = resource.Body('fields', type=list)
    icon = resource.Body('icon')
    versions = resource.Body('versions', type=list)
    backends = resource.Body('backends', type=list)
    elements = resource.Body('elements', type=list)
    node_groups = resource.Body('node_groups', type=list)
    parameters = resource.Body('parameters', type=dict)
    outputs = resource.Body('outputs', type=list)
    readme = resource.Body('readme')
    login = resource.Body('login')
    typical = resource.Body('typical', type=dict)
    in_use = resource.Body('in_use', type=int)
    digest = resource.Body('digest')


class Element(_Resource):
    """What can be put on a cluster and taken off again."""

    base_path = '/elements'
    resources_key = 'elements'
    _query_mapping = resource.QueryParameters('sort', 'fields')
    name = resource.Body('name', alternate_id=True)
    version = resource.Body('version')
    label = resource.Body('label')
    description = resource.Body('description')
    runner = resource.Body('runner')
    requires = resource.Body('requires', type=list)
    conflicts = resource.Body('conflicts', type=list)
    needs = resource.Body('needs')
    roles = resource.Body('roles', type=list)
    verbs = resource.Body('verbs', type=list)
    parameters = resource.Body('parameters', type=dict)
    outputs = resource.Body('outputs')
    exporters = resource.Body('exporters', type=list)
    readme = resource.Body('readme')
    grade = resource.Body('grade')
    trial = resource.Body('trial', type=dict)
    digest = resource.Body('digest')


class Backend(_Resource):
    """What makes machines."""

    base_path = '/backends'
    resources_key = 'backends'
    _query_mapping = resource.QueryParameters('sort', 'fields')
    name = resource.Body('name', alternate_id=True)
    capacity = resource.Body('capacity', type=dict)
    reason = resource.Body('reason')


class Project(_Resource):
    """How the service stands to a project of Keystone's."""

    base_path = '/projects'
    allow_list = False

    enabled = resource.Body('enabled', type=bool)
    role = resource.Body('role')
    service_user = resource.Body('service_user', type=dict)
    backends = resource.Body('backends', type=list)
    reason = resource.Body('reason')


class Cluster(_Asked):
    """What a project owns."""

    base_path = '/clusters'
    resources_key = 'clusters'
    allow_create = True
    allow_delete = True
    _query_mapping = resource.QueryParameters(
        'name', 'q', 'status', 'blueprint', 'backend', 'tags', 'user',
        'expires_before', 'all_projects', 'page_reverse', 'with_count',
        'sort', 'fields')

    project_id = resource.Body('project_id')
    project_name = resource.Body('project_name')
    description = resource.Body('description')
    protected = resource.Body('protected', type=bool)
    tags = resource.Body('tags', type=list)
    expires_at = resource.Body('expires_at')
    status = resource.Body('status')
    status_reason = resource.Body('status_reason')
    error = resource.Body('error')
    blueprint = resource.Body('blueprint')
    blueprint_version = resource.Body('blueprint_version')
    backend = resource.Body('backend')
    parameters = resource.Body('parameters', type=dict)
    generation = resource.Body('generation', type=int)
    node_groups = resource.Body('node_groups', type=list)
    outputs = resource.Body('outputs', type=dict)
    titled_outputs = resource.Body('titled_outputs', type=list)
    login = resource.Body('login', type=dict)
    deployment = resource.Body('deployment', type=dict)
    failures = resource.Body('failures', type=list)
    allowed = resource.Body('allowed', type=dict)
    updated_at = resource.Body('updated_at')


class Node(_Resource):
    """The machine in a slot of a cluster."""

    base_path = '/clusters/%(cluster)s/nodes'
    resources_key = 'nodes'
    _query_mapping = resource.QueryParameters(
        'group', 'status', 'sort', 'fields')

    cluster = resource.URI('cluster')
    group = resource.Body('group')
    incarnation = resource.Body('incarnation', type=int)
    status = resource.Body('status')
    closed = resource.Body('closed', type=bool)
    address = resource.Body('address')
    ssh = resource.Body('ssh', type=dict)
    fault = resource.Body('fault')
    ref = resource.Body('ref')
    layers = resource.Body('layers', type=list)
    updated_at = resource.Body('updated_at')


class Layer(_Resource):
    """An element as it stands on one node."""

    base_path = '/clusters/%(cluster)s/layers'
    resources_key = 'layers'
    allow_fetch = False
    _query_mapping = resource.QueryParameters(
        'node', 'element', 'state', 'sort', 'fields')

    cluster = resource.URI('cluster')
    node = resource.Body('node')
    element = resource.Body('element')
    version = resource.Body('version')
    role = resource.Body('role')
    position = resource.Body('position', type=int)
    state = resource.Body('state')
    verified = resource.Body('verified')
    digest = resource.Body('digest')
    run_id = resource.Body('run_id')
    note = resource.Body('note')
    updated_at = resource.Body('updated_at')


class Generation(_Asked):
    """What was wanted of a cluster once."""

    base_path = '/clusters/%(cluster)s/generations'
    resources_key = 'generations'
    allow_fetch = False
    _query_mapping = resource.QueryParameters('operation', 'sort', 'fields')

    cluster = resource.URI('cluster')
    generation = resource.Body('generation', type=int)
    operation = resource.Body('operation')
    status = resource.Body('status')
    blueprint = resource.Body('blueprint')
    blueprint_version = resource.Body('blueprint_version')
    deployment_id = resource.Body('deployment_id')
    allowed = resource.Body('allowed', type=dict)


class Deployment(_Asked):
    """One attempt to bring a cluster to what is wanted."""

    base_path = '/deployments'
    resources_key = 'deployments'
    _query_mapping = resource.QueryParameters(
        'cluster', 'status', 'operation', 'all_projects', 'sort', 'fields')

    cluster_id = resource.Body('cluster_id')
    project_id = resource.Body('project_id')
    operation = resource.Body('operation')
    generation = resource.Body('generation', type=int)
    status = resource.Body('status')
    phase = resource.Body('phase')
    reason = resource.Body('reason')
    failures = resource.Body('failures', type=list)
    progress = resource.Body('progress', type=dict)
    plan = resource.Body('plan', type=list)
    steps = resource.Body('steps', type=list)
    started_at = resource.Body('started_at')
    finished_at = resource.Body('finished_at')


class Run(_Resource):
    """One step carried out by a runner on some nodes."""

    base_path = '/runs'
    resources_key = 'runs'
    _query_mapping = resource.QueryParameters(
        'cluster', 'deployment', 'step', 'status', 'all_projects', 'sort',
        'fields')

    cluster_id = resource.Body('cluster_id')
    project_id = resource.Body('project_id')
    deployment_id = resource.Body('deployment_id')
    step_id = resource.Body('step_id')
    verb = resource.Body('verb')
    element = resource.Body('element')
    nodes = resource.Body('nodes', type=list)
    status = resource.Body('status')
    cause = resource.Body('cause', type=dict)
    summary = resource.Body('summary', type=dict)
    log_size = resource.Body('log_size', type=int)
    started_at = resource.Body('started_at')
    finished_at = resource.Body('finished_at')


class Event(_Resource):
    """One thing that happened; its id grows."""

    base_path = '/events'
    resources_key = 'events'
    allow_fetch = False
    _query_mapping = resource.QueryParameters(
        'cluster', 'deployment', 'run', 'level', 'wait', 'all_projects',
        'sort', 'fields')

    cluster_id = resource.Body('cluster_id')
    project_id = resource.Body('project_id')
    deployment_id = resource.Body('deployment_id')
    run_id = resource.Body('run_id')
    step_id = resource.Body('step_id')
    kind = resource.Body('kind')
    level = resource.Body('level')
    node = resource.Body('node')
    element = resource.Body('element')
    verb = resource.Body('verb')
    task = resource.Body('task')
    result = resource.Body('result')
    seconds = resource.Body('seconds')
    message = resource.Body('message')
    at = resource.Body('at')


class Service(_Resource):
    """A process of the service, and when it was seen last."""

    base_path = '/services'
    resources_key = 'services'
    allow_fetch = False
    _query_mapping = resource.QueryParameters(
        'binary', 'host', 'state', 'sort', 'fields')

    binary = resource.Body('binary')
    host = resource.Body('host')
    pid = resource.Body('pid', type=int)
    version = resource.Body('version')
    state = resource.Body('state')
    interval = resource.Body('interval', type=float)
    started_at = resource.Body('started_at')
    seen_at = resource.Body('seen_at')


def plain(one: resource.Resource) -> dict[str, Any]:
    """A resource as the API gave it."""
    found: dict[str, Any] = one.to_dict(computed=False, headers=False)
    return found
