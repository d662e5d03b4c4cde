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

"""What the service refuses, as sentences for people and their fields."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import Any

from django.utils.translation import gettext as _
from horizon import exceptions as horizons
from keystoneauth1 import exceptions as ks_exceptions
from openstack import exceptions as sdk

from hpcdirect.client import errors

#: All that asking the service can raise.
FAILED = (sdk.SDKException, ks_exceptions.ClientException)


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Why there is no answer.

    :ivar status: of HTTP, for the page that says so.
    :ivar sentence: what is wrong.
    :ivar findings: (where, a JSON path or ''; what is wrong there).
    """

    status: int
    sentence: str
    findings: tuple[tuple[str, str], ...] = ()


def trouble(exc: Exception) -> Trouble:
    """What an answer of the service says.

    :param exc: one of :data:`FAILED`.
    :raises horizon.exceptions.NotAuthenticated: the session is over; Horizon
        leads to its login.
    """
    status = getattr(exc, 'status_code', None) or getattr(
        exc, 'http_status', 0)
    if status == 401:
        raise horizons.NotAuthenticated() from exc
    said = list(_said(getattr(exc, 'response', None)))
    if not said:
        return Trouble(503, _(
            'The service for clusters does not answer now. Clusters that run '
            'go on running. Try again in a moment.'))
    findings = tuple(
        (str(one.get('where') or ''), errors.clean(one.get('message', '')))
        for error in said for one in error.get('findings') or ())
    sentence = ' '.join(
        errors.clean(error.get('detail') or error.get('title') or '')
        for error in said)
    return Trouble(int(status or 500), sentence, findings)


def _said(response: Any) -> Iterator[Mapping[str, Any]]:
    try:
        found = response.json()['errors']
    except (AttributeError, KeyError, TypeError, ValueError):
        return
    yield from (one for one in found if isinstance(one, dict))
