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

"""The service for openstacksdk.

::

    connection = openstack.connect(cloud='local')
    hpc = proxy.attach(connection)
    cluster = hpc.create_cluster(name='demo', blueprint='slurm')
    hpc.wait(cluster)
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
import uuid

from openstack import service_description

from hpcdirect.client import resources
from hpcdirect.client import watch
from hpcdirect.client.caller import Caller

SERVICE_TYPE = 'hpc-cluster'


class Proxy(Caller):
    """What the service can do. Clusters go by name or id everywhere."""

    def blueprints(self, **query: Any) -> Iterator[resources.Blueprint]:
        """What clusters can be made from."""
        return self._list(resources.Blueprint, **query)

    def get_blueprint(self, name: str) -> resources.Blueprint:
        """A blueprint by ``name`` or ``name@version``."""
        return self._get(resources.Blueprint, name)

    def get_template(self, name: str, **query: str) -> dict[str, str]:
        """What a backend would ask its cloud for.

        :param query: ``backend``; ``parameters``, a JSON object.
        """
        return self.read(f'/blueprints/{name}/template', **query)

    def elements(self, **query: Any) -> Iterator[resources.Element]:
        """What can be put on clusters."""
        return self._list(resources.Element, **query)

    def get_element(self, name: str) -> resources.Element:
        """An element by ``name`` or ``name@version``."""
        return self._get(resources.Element, name)

    def backends(self, **query: Any) -> Iterator[resources.Backend]:
        """What makes machines."""
        return self._list(resources.Backend, **query)

    def get_backend(self, name: str) -> resources.Backend:
        """A backend by its name, and what the project could have of it."""
        return self._get(resources.Backend, name)

    def get_project(self, ident: str) -> resources.Project:
        """Whether the service may act in a project, by its id."""
        return self._get(resources.Project, ident)

    def capacity(self, project_id: str | None = None) -> dict[str, Any]:
        """What a project could have now, of every backend."""
        return self.read('/capacity', project_id=project_id)

    def summary(self, **query: Any) -> dict[str, Any]:
        """How the project's clusters stand, at a glance.

        :param query: ``all_projects``.
        """
        return self.read('/summary', **query)

    def clusters(self, **query: Any) -> Iterator[resources.Cluster]:
        """The project's clusters."""
        return self._list(resources.Cluster, **query)

    def get_cluster(self, name: str) -> resources.Cluster:
        """A cluster by name or id."""
        return self._get(resources.Cluster, name)

    def create_cluster(self, *, idempotency_key: str = '', **body: Any
                       ) -> resources.Cluster:
        """Ask for a cluster: name, blueprint, parameters, backend.

        A dropped connection is tried again; the key sees to it that this
        makes one cluster.
        """
        key = idempotency_key or str(uuid.uuid4())
        return self.send('POST', '/clusters', body, connect_retries=3,
                         headers={'Idempotency-Key': key})

    def change_cluster(self, cluster: str, /, **body: Any
                       ) -> resources.Cluster:
        """Ask for other parameters, node_groups, elements, name and so on.

        :param body: also ``version`` or ``generation``, to upgrade and to
            go back.
        """
        return self.send('PATCH', f'/clusters/{cluster}', body)

    def generations(self, **query: Any) -> Iterator[resources.Generation]:
        """What was wanted of a cluster, with ``cluster=``."""
        return self._list(resources.Generation, **query)

    def get_generation(self, cluster: str, number: int, **query: Any
                       ) -> dict[str, Any]:
        """What was wanted of a cluster once.

        :param query: ``against``, a generation it is compared with.
        """
        return self.read(f'/clusters/{cluster}/generations/{number}',
                         **query)

    def plan(self, **wish: Any) -> dict[str, Any]:
        """What a wish would do; nothing is done.

        :param wish: ``create``, as for a new cluster; or ``cluster`` with
            ``change``, as for :meth:`change_cluster`, or ``delete`` True.
        """
        response = self.post('/plans', json=wish)
        found: dict[str, Any] = response.json()
        return found

    def get_plan(self, ident: str) -> dict[str, Any]:
        """A plan that was shown, and whether it still holds."""
        return self.read(f'/plans/{ident}')

    def cluster_elements(self, cluster: str) -> list[dict[str, Any]]:
        """What is to be on a cluster, in the order it is put on."""
        return self.read_list(f'/clusters/{cluster}/elements', 'elements')

    def element_choices(self, cluster: str) -> dict[str, Any]:
        """What is to be on a cluster, and what fits beside it, at once.

        :returns: ``elements``, as :meth:`cluster_elements`, and ``fitting``,
            the :meth:`candidates` that fit.
        """
        return self.read(f'/clusters/{cluster}/elements', fitting='true')

    def candidates(self, cluster: str, **query: Any) -> list[dict[str, Any]]:
        """Elements there are, and which of them could be put on a cluster.

        :param query: ``fits``, only those that do, or (False) do not.
        """
        said = {name: str(value).lower() for name, value in query.items()}
        return self.read_list(f'/clusters/{cluster}/candidates', 'candidates',
                              **said)

    def users(self, cluster: str, gone: bool = False
              ) -> list[dict[str, Any]]:
        """People's accounts on a cluster.

        :param gone: those that were taken off as well.
        """
        return self.read_list(f'/clusters/{cluster}/users', 'users',
                              gone='true' if gone else None)

    def get_user(self, cluster: str, name: str) -> dict[str, Any]:
        """A user of a cluster."""
        return self.read(f'/clusters/{cluster}/users/{name}')

    def create_user(self, cluster: str, name: str, **account: Any
                    ) -> resources.Cluster:
        """Ask for an account on every node of a cluster.

        :param account: keys, groups, sudo and so on. Many users at once are
            one change of the cluster: ``change_cluster(users={...})``.
        """
        return self.send('POST', f'/clusters/{cluster}/users',
                         {'name': name, **account})

    def change_user(self, cluster: str, name: str, **account: Any
                    ) -> resources.Cluster:
        """Ask for another account; what is not said stays."""
        return self.send('PATCH', f'/clusters/{cluster}/users/{name}',
                         account)

    def delete_user(self, cluster: str, name: str, **how: Any
                    ) -> resources.Cluster:
        """Ask for a user to go; sessions end at once.

        :param how: ``home``, keep, archive or purge; ``end_jobs``.
        """
        return self.send('DELETE', f'/clusters/{cluster}/users/{name}',
                         params={key: str(value).lower()
                                 for key, value in how.items()})

    def delete_cluster(self, name: str) -> resources.Cluster:
        """Ask for a cluster to go."""
        return self.send('DELETE', f'/clusters/{name}')

    def retry_cluster(self, name: str, operation: str = 'retry'
                      ) -> resources.Deployment:
        """Try again what failed; by *operation*: check, repair, cancel."""
        response = self.post(f'/clusters/{name}/deployments',
                             json={'operation': operation})
        return resources.Deployment.existing(**response.json())

    def remedy(self, cluster: str, remedy: Mapping[str, Any], /,
               **change: Any) -> None:
        """Do what a failure says that helps.

        :param remedy: an entry of its ``next``.
        :param change: what an update needs: ``parameters``, ``generation``.
        """
        operation = remedy['operation']
        if operation == 'delete':
            self.delete_cluster(cluster)
        elif operation == 'update':
            self.change_cluster(cluster, **change)
        else:
            self.retry_cluster(cluster, operation)

    def nodes(self, cluster: str, **query: Any) -> Iterator[resources.Node]:
        """A cluster's machines."""
        return self._list(resources.Node, cluster=cluster, **query)

    def get_node(self, cluster: str, name: str) -> resources.Node:
        """A cluster's machine by its slot's name."""
        return self._get(resources.Node, name, cluster=cluster)

    def topology(self, cluster: str) -> dict[str, Any]:
        """All of a cluster: groups, layers, nodes, networks, volumes.

        Nodes are columns of equal length: the node of a place has what each
        of them has there.
        """
        return self.read(f'/clusters/{cluster}/topology')

    def metrics(self, cluster: str, **query: Any) -> dict[str, Any]:
        """What can be charted of a cluster, and the numbers of some.

        :param query: ``names``, whose numbers are wanted, with commas
            between; ``seconds`` and ``end``, which stretch of time;
            ``points``, how many values at most; ``node``, of one only;
            ``by``, node or group.
        """
        return self.read(f'/clusters/{cluster}/metrics', **query)

    def layers(self, cluster: str, **query: Any) -> Iterator[resources.Layer]:
        """What stands on a cluster's machines."""
        return self._list(resources.Layer, cluster=cluster, **query)

    def deployments(self, **query: Any) -> Iterator[resources.Deployment]:
        """Attempts, of one cluster with ``cluster=``."""
        return self._list(resources.Deployment, **query)

    def get_deployment(self, ident: str) -> resources.Deployment:
        """An attempt with its plan and steps."""
        return self._get(resources.Deployment, ident)

    def get_progress(self, deployment: str, **query: Any) -> dict[str, Any]:
        """What has moved in a deployment, all in one answer.

        :param query: ``since``, what the last answer gave as ``next``;
            ``run`` and ``offset``, whose log and from where.
        """
        return self.read(f'/deployments/{deployment}/progress', **query)

    def runs(self, **query: Any) -> Iterator[resources.Run]:
        """What runners did."""
        return self._list(resources.Run, **query)

    def get_run(self, ident: str) -> resources.Run:
        """What a runner did."""
        return self._get(resources.Run, ident)

    def run_log(self, ident: str, *, follow: bool = False,
                poll_interval: float = 1.0) -> Iterator[str]:
        """A run's log in pieces; with *follow* until the run is over."""
        return watch.log(self, ident, follow, poll_interval)

    def events(self, **query: Any) -> Iterator[resources.Event]:
        """What happened: cluster, deployment, run, level, marker."""
        return self._list(resources.Event, **query)

    def services(self, **query: Any) -> Iterator[resources.Service]:
        """The processes of the service: binary, host, state (admin only)."""
        return self._list(resources.Service, **query)

    def leftovers(self, backend: str | None = None) -> list[dict[str, Any]]:
        """What clouds have of clusters that are no more (admin only)."""
        return self.read_list('/leftovers', 'backends', backend=backend)

    def stalls(self, seconds: float | None = None) -> list[dict[str, Any]]:
        """Clusters in whose work nothing moves (admin only).

        :param seconds: for how long at least; 300 when it is not said.
        """
        return self.read_list('/stalls', 'stalls', seconds=seconds)

    def wait(self, cluster: resources.Cluster, timeout: float = 0
             ) -> resources.Cluster:
        """Wait until a cluster's latest deployment is over.

        :raises watch.TimedOut: it was not, in that many seconds (0: none).
        """
        ident = (cluster.deployment or {}).get('id')
        if ident:
            for _ in watch.Follower(self, ident, timeout=timeout).follow():
                pass
        return self.get_cluster(cluster.id)


SERVICE: service_description.ServiceDescription[Proxy] = (
    service_description.ServiceDescription(SERVICE_TYPE, {'1': Proxy}))


def attach(connection: Any) -> Proxy:
    """Put the service onto a connection, and return it."""
    connection.add_service(SERVICE)
    found: Proxy = connection.hpc_cluster
    return found
