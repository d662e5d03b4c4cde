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


"""What clusters leave behind: by their tag, and nodes that Nova forgot.

Nova gives up a server whose deployment failed also when it cannot tell
Ironic so; and a server that it gave up is deleted in its own database only.
Then a node stays deployed for nobody, and nobody can have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import logging

from hpcdirect.backends.base import Leftover
from hpcdirect.backends.heat import template
from hpcdirect.backends.heat.cloud import Cloud
from hpcdirect.backends.heat.cloud import cluster_of
from hpcdirect.backends.heat.metal import Held
from hpcdirect.backends.heat.metal import Metal
from hpcdirect.backends.heat.stacks import Stacks

LOG = logging.getLogger(__name__)


def found(stacks: Stacks, cloud: Cloud, nodes: Iterable[Held], user_id: str
          ) -> Iterator[Leftover]:
    """Stacks, servers, parts of networks and nodes of one project.

    :param nodes: those that are deployed, asked for before all else.
    :param user_id: the service's own user.
    """
    project_id = cloud.project_id or ''
    for stack in stacks.tagged(template.TAG):
        yield Leftover(cluster_of(stack.tags or ()), 'stack', stack.id,
                       project_id)
    for server in cloud.servers():
        yield Leftover(server.metadata['hpcdirect_cluster'], 'machine',
                       server.id, project_id)
    for kind, part in cloud.parts(template.TAG):
        yield Leftover(cluster_of(part.tags), kind, part.id, project_id)
    for node in forgotten(nodes, cloud, user_id):
        # A server that is gone tells nobody its cluster.
        yield Leftover('', 'node', node.server, project_id)


def forgotten(nodes: Iterable[Held], cloud: Cloud, user_id: str
              ) -> Iterator[Held]:
    """Nodes under servers of ours that are no more."""
    for node in nodes:
        if ((node.project_id, node.user_id) == (cloud.project_id, user_id)
                and cloud.lacks(node.server)):
            yield node


def release(cloud: Cloud, metal: Metal, user_id: str) -> None:
    """Let go of forgotten nodes whose deployment failed.

    On others somebody may be at work; those are for people to decide.
    """
    for node in forgotten(metal.held(provision_state='deploy failed'), cloud,
                          user_id):
        LOG.warning('Node %s is held for server %s, which is no more; it is '
                    'released.', node.name, node.server)
        metal.release(node.server)


def sweep(leftover: Leftover, stacks: Stacks, cloud: Cloud, metal: Metal
          ) -> None:
    """Begin to take one away."""
    if leftover.kind == 'stack':
        stack = stacks.get(leftover.ref)
        if stack is not None:
            stacks.delete(stack)
    elif leftover.kind == 'machine':
        cloud.delete_server(leftover.ref)
    elif leftover.kind == 'node':
        metal.release(leftover.ref)
    else:
        cloud.delete_part(leftover.kind, leftover.ref)
