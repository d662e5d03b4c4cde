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

"""What benchmarks of a conductor stand on: MariaDB, an API, fake machines."""

from __future__ import annotations

import contextlib
from typing import Any

from hpcdirect.conductor.reconciler import Parts
from hpcdirect.conductor.service import Conductor
from hpcdirect.runners.fake import FakeRunner
from hpcdirect.sources.directory import DirectorySource
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import mariadb


def served(stack: contextlib.ExitStack) -> api.Api:
    """An API in this process on a MariaDB of its own, until *stack* ends."""
    database = mariadb.MariaDB()
    database.setUp()
    stack.callback(database.cleanUp)
    found = api.Api(database.url)
    found.setUp()
    stack.callback(found.cleanUp)
    return found


def read_again(found: api.Api) -> None:
    """Take the catalogue as it is configured now; machines are in memory."""
    found.services.catalogue.__init__(  # type: ignore[misc]
        [DirectorySource(found.conf)])
    found.backend.__init__(None)  # type: ignore[misc]


def conductor(found: api.Api, runner: str) -> Conductor:
    """A conductor in this process, not started, whose runner does nothing.

    :param runner: the name that elements know the runner by.
    """
    services: Any = found.services
    return Conductor(Parts(
        conf=services.conf, database=services.database, keys=services.keys,
        policy=services.policy, load=services.catalogue.blueprint,
        element_of=services.catalogue.element, backends=services.backends,
        runners={runner: FakeRunner(services.conf)}))
