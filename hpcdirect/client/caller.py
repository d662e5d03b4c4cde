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

"""How the service is asked: what all calls of the proxy have in common."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from typing import Any

from openstack import exceptions
from openstack import proxy
import requests

from hpcdirect.client import errors
from hpcdirect.client import resources

VERSION = '1.0'


class Caller(proxy.Proxy):
    """Sends requests, and raises what the API refuses."""

    # Our paths are /v1/... below the endpoint: there is nothing to discover,
    # and every command is spared a request.
    skip_discovery = True

    def request(self, url: str, method: str, *args: Any, **kwargs: Any
                ) -> requests.Response:
        """A request to a path of ours, or to a whole URL (a next link).

        :raises openstack.exceptions.HttpException: the API refuses. Its text
            (``details``) has every finding: where, and what is wrong.
        """
        if '://' not in url:
            endpoint = str(self.get_endpoint() or '').rstrip('/')
            prefix = '' if endpoint.endswith('/v1') else '/v1'
            url = f'{prefix}/{url.lstrip("/")}'
        kwargs['microversion'] = kwargs.get('microversion') or VERSION
        # keystoneauth's own one sleeps until the wall clock is past the time
        # at which it was made: an hour, when the clock is put back by one.
        kwargs.setdefault('rate_semaphore', contextlib.nullcontext())
        response: requests.Response = super().request(
            url, method, *args, **kwargs)
        _raise_for(response)
        return response

    def read(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON of a GET; parameters that are None are left out.

        :raises openstack.exceptions.HttpException: with the API's errors.
        """
        timeout = query.pop('timeout', None)
        response = self.get(path, params=_said(query),
                            **({'timeout': timeout} if timeout else {}))
        found: dict[str, Any] = response.json()
        return found

    def read_news(self, path: str, tag: str = '', **query: Any
                  ) -> tuple[dict[str, Any] | None, str]:
        """The same for what is asked again and again, and seldom changes.

        :param tag: what came with the last answer to just this; '' at first.
        :returns: the JSON, None when it is as it was; and its tag.
        """
        response = self.get(path, params=_said(query), headers={
            'If-None-Match': tag} if tag else {})
        return (None if response.status_code == 304 else response.json(),
                response.headers.get('ETag', ''))

    def read_list(self, path: str, name: str, **query: Any
                  ) -> list[dict[str, Any]]:
        """The list of that name in the JSON of a GET."""
        found: list[dict[str, Any]] = self.read(path, **query)[name]
        return found

    def send(self, method: str, path: str,
             body: Mapping[str, Any] | None = None, **kwargs: Any
             ) -> resources.Cluster:
        """Change a cluster, and return it as the API says it is then."""
        response = self.request(path, method, json=body, **kwargs)
        return resources.Cluster.existing(**response.json())


def _said(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items()
            if value is not None}


def _raise_for(response: requests.Response) -> None:
    """Raise what openstacksdk raises, with all that the API says in it."""
    try:
        exceptions.raise_from_response(response)
    except exceptions.HttpException as exc:
        exc.details = errors.said(response) or exc.details
        raise
