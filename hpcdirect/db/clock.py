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

"""The database's own clock: the only one leases are measured by."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext import compiler
from sqlalchemy.sql import functions


class utc_seconds(functions.GenericFunction[float]):
    """Seconds since 1970 by the database's clock, with fractions.

    It does not depend on a time zone: the local time of a server whose zone
    has summer time jumps by an hour twice a year. Within a transaction it
    moves on from statement to statement, unlike SQL's CURRENT_TIMESTAMP.
    """

    type = sa.Double()
    inherit_cache = True


@compiler.compiles(utc_seconds, 'sqlite')
def _sqlite(element: Any, sql: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiler.compiles(utc_seconds, 'mysql')
@compiler.compiles(utc_seconds, 'mariadb')
def _mysql(element: Any, sql: Any, **options: Any) -> str:
    # The time at which the statement began. One that waited for a lock takes
    # a lease that is shorter by the wait, never a longer one.
    return ("(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
            ' / 1.0E6)')


@compiler.compiles(utc_seconds, 'postgresql')
def _postgresql(element: Any, sql: Any, **options: Any) -> str:
    return 'EXTRACT(EPOCH FROM clock_timestamp())::double precision'
