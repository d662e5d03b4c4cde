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
"""``/v1/services``"""

from __future__ import annotations

import datetime

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.db import services
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.policies import services as policies

SHOW = common.closed({
    'id': common.ID,
    'binary': common.text('The command that it is.'),
    'host': common.text('The machine that it runs on.'),
    'pid': common.number('Its process id there.'),
    'version': common.text('The release that it is of.'),
    'state': common.text('Whether it was seen within three intervals.',
                         enum=['up', 'down']),
    'interval': {'type': 'number',
                 'description': 'Seconds between two times it is seen.'},
    'started_at': {**common.MOMENT, 'description':
                   'When it began, by the database\'s clock.'},
    'seen_at': {**common.MOMENT, 'description':
                'When it was seen last, by the database\'s clock.'},
})

LIST = common.listed('services', SHOW, 'Processes of the service.')
LIST_QUERY = common.query(SHOW, {
    'binary': common.text('Only those that are this command.'),
    'host': common.text('Only those on this machine.'),
    'state': common.properties(SHOW)['state'],
}, ('binary', 'host', 'state', 'started_at', 'seen_at'))


def _moment(name: str) -> common.Field:
    """A field that shows a column with seconds since 1970."""
    return common.Field(lambda row: common.when(
        datetime.datetime.fromtimestamp(
            getattr(row, name), datetime.UTC).replace(tzinfo=None)), (name,))


FIELDS = common.Fields({
    **{name: common.column(name) for name in (
        'id', 'binary', 'host', 'pid', 'version', 'state', 'interval')},
    **{name: _moment(name) for name in ('started_at', 'seen_at')}})


_FILTERS = {'binary': 'binary', 'host': 'host', 'state': 'state'}


class Processes(Resource):
    """The processes of the service."""

    @request.schemas(query=LIST_QUERY, response=LIST)
    def get(self, query: Object) -> Object:
        """List the processes of the service, and which are up.

        One that ended well is not there any more; one that was killed is
        down for a day, or until another one begins on its machine.
        """
        self.authorize(policies.LIST)
        fields = FIELDS.only(text(query.get('fields')))
        page = self.page(query, _FILTERS, 'binary:asc,host:asc', fields)
        with self.services.database.read() as session:
            listing = services.listing(session, page)
        return self.answer('services', listing, fields.view, query)
