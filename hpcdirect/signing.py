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

"""What rows of the database say, believed because the service signed it.

Whoever can write into the database can change any row, and has no key. So
what reaches a node, or gets a signature of ours, is compared with one first.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

from hpcdirect import digests
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.exception import NotAsSigned
from hpcdirect.exception import NotForUs
from hpcdirect.exception import Refused
from hpcdirect.keys import API
from hpcdirect.keys import CONDUCTOR
from hpcdirect.keys import KeyRing
from hpcdirect.keys import Part
from hpcdirect.keys import Verdict
from hpcdirect.planning.state import State
from hpcdirect.wishes import NOBODYS
from hpcdirect.wishes import Wish

#: Where a signature stands in a JSON column, beside what it covers.
SIGNATURE = 'signature'


@dataclasses.dataclass(frozen=True)
class Pen:
    """Signs wishes, and only what follows from a wish that was signed.

    :param who: in whose name: keys.API or keys.CONDUCTOR.
    """

    keys: KeyRing
    who: str = API

    def sign(self, part: Part) -> str:
        """The signature of what a row says of itself."""
        return self.keys.sign(part, self.who)

    def approve(self, cluster: Cluster, deployment: Deployment | None
                ) -> None:
        """Pass, or raise NotAsSigned: what is wanted was not asked for.

        :param deployment: the newest one of the cluster's generation.
        """
        try:
            if deployment is None:
                raise Refused(reason='Nobody signed what is wanted of it.')
            judge(self.keys, cluster, deployment)
        except Refused as exc:
            raise NotAsSigned(ident=cluster.name, reason=str(exc)) from exc
        except NotForUs as exc:
            raise NotAsSigned(
                ident=cluster.name, reason='That cannot be told here: '
                f'{exc.values["reason"]}.') from exc


def judge(keys: KeyRing, cluster: Cluster, deployment: Deployment) -> None:
    """Pass when a deployment is signed, for what is wanted of its cluster.

    :raises Refused: it is not.
    :raises NotForUs: that cannot be told with these keys.
    """
    verdict = keys.judge(deployment.signed_part, deployment.signature)
    if verdict == Verdict.UNKNOWN:
        raise NotForUs(reason=keys.strange(deployment.signature))
    if verdict == Verdict.FORGED:
        raise Refused(reason='The deployment was not signed by this '
                      'service\'s API, or was changed afterwards.')
    if (deployment.cluster_id != cluster.id
            or deployment.project_id != cluster.project_id
            or deployment.generation != cluster.generation
            or deployment.desired_digest != cluster.desired.digest):
        raise Refused(reason='What is wanted of the cluster is not what was '
                      'signed.')


def attested(keys: KeyRing, generation: int, desired: State,
             deployments: Iterable[Deployment]) -> bool:
    """Whether one of a cluster's deployments was signed for this state.

    :param generation: at which it is said to have been wanted.
    """
    digest = desired.digest
    return any(one.generation == generation and one.desired_digest == digest
               and keys.verify(one.signed_part, one.signature)
               for one in deployments)


@dataclasses.dataclass(frozen=True)
class Notes:
    """What a conductor writes down of a cluster's nodes, signed.

    It is read again later, by this conductor or by another one, and decides
    what is done on nodes and which process is ended.
    """

    keys: KeyRing
    cluster_id: str

    def layer(self, node: str, incarnation: int, entry: Mapping[str, Any]
              ) -> dict[str, Any]:
        """The inputs of a layer with their signature.

        :param entry: element, role, version and inputs.
        """
        return {**entry['inputs'], SIGNATURE: self.keys.sign(
            self._layer(node, incarnation, entry), CONDUCTOR)}

    def check_layer(self, node: str, incarnation: int,
                    entry: Mapping[str, Any]) -> None:
        """Pass, or raise, for a layer as it was read back.

        :raises Refused: it is not as a conductor wrote it.
        :raises NotForUs: that cannot be told here.
        """
        what = f'Layer {entry["element"]}/{entry["role"]} of node {node}'
        self._check(what, self._layer(node, incarnation, entry),
                    entry['inputs'].get(SIGNATURE, ''))

    def before(self, wish: Wish, node: str, incarnation: int,
               entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The layers of a node as they were before a change, for it alone.

        :param wish: what the node is changed for.
        """
        made = [{**entry, 'wish': str(wish)} for entry in entries]
        signature = self.keys.sign(self._before(node, incarnation, made),
                                   CONDUCTOR)
        return [{**entry, SIGNATURE: signature} for entry in made]

    def check_before(self, node: str, incarnation: int,
                     entries: Sequence[Mapping[str, Any]]) -> Wish:
        """For which change a node was as these layers say.

        Nobody's wish when that was not written down, as by the release
        before; then nothing is done with them, signed or not.

        :raises Refused: it is not as a conductor wrote it.
        :raises NotForUs: that cannot be told here.
        """
        if not any(SIGNATURE in entry for entry in entries):
            return NOBODYS
        for entry in entries:
            self.check_layer(node, incarnation, entry)
        self._check(f'What node {node} was before', self._before(
            node, incarnation, entries), entries[0].get(SIGNATURE, ''))
        return Wish.read(entries[0]['wish'])

    def process(self, process: Mapping[str, Any]) -> dict[str, Any]:
        """A runner's process with its signature."""
        return {**process, SIGNATURE: self.keys.sign(
            self._process(process), CONDUCTOR)}

    def check_process(self, process: Mapping[str, Any]) -> dict[str, Any]:
        """The process without its signature.

        :raises Refused: it is not as a conductor wrote it.
        :raises NotForUs: that cannot be told here.
        """
        self._check('The process of a run', self._process(process),
                    process.get(SIGNATURE, ''))
        return {name: value for name, value in process.items()
                if name != SIGNATURE}

    def _check(self, what: str, part: Part, signature: str) -> None:
        verdict = self.keys.judge(part, signature)
        if verdict == Verdict.UNKNOWN:
            raise NotForUs(reason=f'{what}: {self.keys.strange(signature)}')
        if verdict == Verdict.FORGED:
            raise Refused(reason=f'{what} is not recorded as a conductor '
                          'wrote it' + ('.' if signature else
                                        ': it carries no signature. What the '
                                        'release before wrote is signed by '
                                        '"hpcdirect-manage reseal".'))

    def _layer(self, node: str, incarnation: int, entry: Mapping[str, Any]
               ) -> Part:
        inputs = {name: value for name, value in entry['inputs'].items()
                  if name != SIGNATURE}
        return _constant({
            'what': 'layer', 'cluster_id': self.cluster_id, 'node': node,
            'incarnation': incarnation, 'element': entry['element'],
            'role': entry['role'], 'version': entry['version'],
            'inputs': digests.digest_of(inputs)})

    def _before(self, node: str, incarnation: int,
                entries: Sequence[Mapping[str, Any]]) -> Part:
        return _constant({
            'what': 'before', 'cluster_id': self.cluster_id, 'node': node,
            'incarnation': incarnation, 'layers': [
                {**{name: value for name, value in entry.items()
                    if name != SIGNATURE},
                 'inputs': digests.digest_of(entry['inputs'])}
                for entry in entries]})

    def _process(self, process: Mapping[str, Any]) -> Part:
        return _constant({
            'what': 'process', 'cluster_id': self.cluster_id,
            'process': {name: value for name, value in process.items()
                        if name != SIGNATURE}})


def _constant(value: Mapping[str, Any]) -> Callable[[int], object]:
    """What every scheme covers alike."""
    return lambda scheme: value
