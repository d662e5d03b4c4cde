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

"""The way from a request to the service, with its user's token."""

from __future__ import annotations

import functools
from http import cookiejar
from typing import Any

from keystoneauth1 import session as ks_session
from keystoneauth1 import token_endpoint
from openstack import connection
from openstack_dashboard.api import base
import requests
from requests import adapters

from hpcdirect.client import proxy

SERVICE_TYPE = proxy.SERVICE_TYPE
#: Seconds after which a page says that the service does not answer.
PATIENCE = 20
#: Users whose way to the service is kept.
_USERS = 64


def _kept() -> requests.Session:
    """Connections that all requests share, and nothing else of theirs."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(cookiejar.DefaultCookiePolicy(
        allowed_domains=()))
    for scheme in ('http://', 'https://'):
        session.mount(scheme, adapters.HTTPAdapter(pool_maxsize=32))
    return session


_SESSION = _kept()


def service(request: Any) -> proxy.Proxy:
    """The service, as the one who asks may use it.

    :param request: of Django, from somebody who is logged in.
    :raises horizon.exceptions.ServiceCatalogException: the cloud has none.
    """
    return _attached(base.url_for(request, SERVICE_TYPE),
                     request.user.token.id)


def cloud(request: Any, service_type: str) -> connection.Connection:
    """A service of the cloud, as the one who asks may use it.

    :param request: of Django, from somebody who is logged in.
    :returns: all of whose proxies lead to that service.
    :raises horizon.exceptions.ServiceCatalogException: the cloud has none.
    """
    return _connected(base.url_for(request, service_type),
                      request.user.token.id)


# Making one takes as long as all else that a poll does; whoever looks at a
# page asks with the same token again and again.
@functools.lru_cache(maxsize=_USERS)
def _attached(endpoint: str, token: str) -> proxy.Proxy:
    return proxy.attach(_connected(endpoint, token))


def _connected(endpoint: str, token: str) -> connection.Connection:
    return connection.Connection(
        session=ks_session.Session(
            auth=token_endpoint.Token(endpoint, token), session=_SESSION,
            timeout=PATIENCE),
        app_name='horizon')
