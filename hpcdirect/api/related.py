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

"""What the filters of a list name: clusters, deployments, runs."""

from __future__ import annotations

from hpcdirect.api.resource import Resource
from hpcdirect.db import clusters
from hpcdirect.db import deployments
from hpcdirect.db import runs
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text


def checked(resource: Resource, query: Object) -> Object:
    """A query, with the id of the cluster that it names.

    :raises Invalid: there is no such cluster, deployment or run, for the
        caller; an empty list would say that it is there and has nothing.
    """
    found, wrong = dict(query), []
    project = resource.whose(query)
    with resource.services.database.read() as session:
        for name, get in (('deployment', deployments.get),
                          ('run', runs.get)):
            try:
                if name in query:
                    get(session, project, text(query[name]))
            except NotFound as exc:
                wrong.append(Finding(str(exc), f'$.{name}'))
        try:
            if 'cluster' in query:
                found['cluster'] = clusters.known(
                    session, resource.context, project, text(query['cluster']))
        except NotFound as exc:
            wrong.append(Finding(str(exc), '$.cluster'))
    if wrong:
        raise Invalid(wrong)
    return found
