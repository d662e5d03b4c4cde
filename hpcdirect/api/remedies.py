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

"""What can be done about a failure, as data: what a button or a command needs.

``hint`` says the same to people, and like it nothing here asks for what data
could be lost by, but for a deletion where nothing else may be left. Whether
the caller may do it just now is ``allowed`` of the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import enum
from typing import Any

from hpcdirect.states import FailureCode
from hpcdirect.states import Operation

Remedy = dict[str, Any]


class Need(enum.StrEnum):
    """What somebody has to do or to say first."""

    #: Mend what is wrong outside of the service, as the hint says.
    CAUSE = 'cause'
    #: Give other parameters of the cluster.
    PARAMETERS = 'parameters'
    #: Say which generation to go back to.
    GENERATION = 'generation'


#: Words of ``allowed`` that ``operation`` may be.
OPERATIONS = ('retry', 'repair', 'update', 'delete')


def _do(operation: str, *needs: Need) -> Remedy:
    return {'operation': operation, 'needs': list(needs)}


_AGAIN = _do('retry')
_MENDED = _do('retry', Need.CAUSE)
_OTHERWISE = _do('update', Need.PARAMETERS)
_DELETE = _do('delete')

#: Code -> what helps, the best first; ELEMENT_FAILED is told by its class.
BY_CODE: Mapping[str, tuple[Remedy, ...]] = {
    FailureCode.PLUGIN_FAILED: (_MENDED, _DELETE),
    FailureCode.NODE_FAILED: (_AGAIN,),
    FailureCode.DISAGREES: (_do('repair'), _AGAIN),
    FailureCode.CATALOGUE_CHANGED: (_AGAIN,),
    # A retry is refused when nobody signed what is recorded.
    FailureCode.REFUSED: (_AGAIN, _do('update', Need.GENERATION), _DELETE),
    # Only an operator can put the database in order.
    FailureCode.REPLAYED: (),
    FailureCode.INTERNAL: (_AGAIN, _DELETE),
}
#: The same of an element, by the class of the cause.
BY_CLASS: Mapping[str, tuple[Remedy, ...]] = {
    'stopped': (_AGAIN,),
    **dict.fromkeys((
        'hidden', 'node_unreachable', 'read_only', 'signature',
        'package_conflict', 'timeout', 'network', 'syntax_error',
        'missing_user', 'service_failed', 'permission_denied', 'missing',
        'unknown'), (_MENDED,)),
    **dict.fromkeys((
        'disk_full', 'checksum', 'package_not_found', 'port_in_use',
        'undefined_variable'), (_MENDED, _OTHERWISE)),
    **dict.fromkeys((
        'out_of_memory', 'kernel', 'bad_parameter'), (_OTHERWISE, _MENDED)),
}


def told(failures: Iterable[Mapping[str, Any]], operation: str
         ) -> list[dict[str, Any]]:
    """Failures as they are kept, each with what helps against it.

    :param operation: of the deployment that failed.
    """
    return [{**failure, 'next': _next(failure, operation)}
            for failure in failures]


def _next(failure: Mapping[str, Any], operation: str) -> list[Remedy]:
    code, kind = failure.get('code'), failure.get('class') or ''
    # One that this release does not know yet: a retry harms nothing.
    found = BY_CLASS.get(kind, (_MENDED,)) \
        if code == FailureCode.ELEMENT_FAILED \
        else BY_CODE.get(code or '', (_MENDED,))
    if operation == Operation.DELETE:
        # What is to go takes no other wish.
        found = tuple(one for one in found if one['operation'] != 'update')
    return list(found)
