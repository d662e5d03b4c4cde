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

"""Seals and signs anew what is in the database, with the first key.

One cluster is one transaction under the lock of its row, so that the service
may be at work meanwhile, and so that it can be ended and begun again at any
time. What is not known to be good is left as it is and counted.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
import dataclasses
import functools
import hashlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect import digests
from hpcdirect.db import expiry
from hpcdirect.db import models
from hpcdirect.db import orders
from hpcdirect.db.plans import Plan
from hpcdirect.exception import HPCDirectError
from hpcdirect.exception import NotForUs
from hpcdirect.exception import Refused
from hpcdirect.exception import Unavailable
from hpcdirect.keys import API
from hpcdirect.keys import KeyRing
from hpcdirect.keys import Verdict
from hpcdirect.planning.state import State
from hpcdirect.signing import SIGNATURE
from hpcdirect.signing import Notes
from hpcdirect.states import WorkStatus
from hpcdirect.wishes import NOBODYS

#: What was done with something: it was well, made anew, or left as it was.
WELL, ANEW, LEFT = 'well', 'anew', 'left'
#: (what, one of the above) -> how many.
Counts = collections.Counter[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Resealer:
    """Does it, cluster by cluster.

    :param adopt: sign layers that carry no signature, which is how the
        release before wrote them. Whoever can write into the database could
        have changed them: look at what is adopted only once, at an upgrade.
    """

    keys: KeyRing
    adopt: bool = False

    def cluster(self, session: orm.Session, cluster_id: str) -> Counts:
        """All of one cluster.

        :raises NotFound: it is no more.
        """
        counts: Counts = collections.Counter()
        cluster = orders.locked(session, cluster_id)
        self._wishes(session, cluster, counts)
        self._expiry(cluster, counts)
        self._notes(session, cluster_id, counts)
        for row in _all(session, models.Secret, cluster_id):
            row.sealed = self._sealed(row.sealed, row.about(), 'secrets',
                                      counts)
        for plan in _all(session, Plan, cluster_id):
            box = plan.change.get(digests.SEALED)
            if isinstance(box, str):
                plan.change = {digests.SEALED: self._sealed(
                    box, plan.about(), 'plans', counts)}
        return counts

    def _wishes(self, session: orm.Session, cluster: models.Cluster,
                counts: Counts) -> None:
        """What was wanted, and the deployments signed for it."""
        moved: dict[tuple[int, str], str] = {}
        for row in (*_all(session, models.Generation, cluster.id), cluster):
            before = row.desired.digest
            row.desired = State.from_json(
                self._boxes(row.desired.to_json(), counts))
            moved[row.generation, before] = row.desired.digest
        # Nothing was changed that its owner sees.
        orm.attributes.flag_modified(cluster, 'updated_at')
        for one in _all(session, models.Deployment, cluster.id):
            self._deployment(one, moved, counts)

    def _deployment(self, row: models.Deployment,
                    moved: Mapping[tuple[int, str], str], counts: Counts
                    ) -> None:
        digest = moved.get((row.generation, row.desired_digest),
                           row.desired_digest)
        if digest == row.desired_digest and self.keys.current(row.signature):
            counts['deployments', WELL] += 1
            return
        if self.keys.judge(row.signed_part, row.signature) != Verdict.GOOD:
            counts['deployments', LEFT] += 1
            return
        row.desired_digest = digest
        row.signature = self.keys.sign(row.signed_part, _who(row.signature))
        counts['deployments', ANEW] += 1

    def _expiry(self, cluster: models.Cluster, counts: Counts) -> None:
        by = cluster.expires_by
        if not by or cluster.expires_at is None:
            return
        part = functools.partial(expiry.covered, cluster, cluster.expires_at,
                                 by)
        made = by.get(SIGNATURE, '')
        if self.keys.current(made):
            counts['expiries', WELL] += 1
        elif self.keys.verify(part, made):
            cluster.expires_by = {
                **by, SIGNATURE: self.keys.sign(part, _who(made))}
            counts['expiries', ANEW] += 1
        else:
            counts['expiries', LEFT] += 1

    def _notes(self, session: orm.Session, cluster_id: str, counts: Counts
               ) -> None:
        """What conductors wrote down of nodes."""
        notes = Notes(self.keys, cluster_id)
        for layer in _all(session, models.Layer, cluster_id):
            entry = {'element': layer.element, 'role': layer.role,
                     'version': layer.version, 'inputs': layer.inputs}
            layer.inputs = self._layer(notes, layer.node, layer.incarnation,
                                       entry, counts)
        for node in _all(session, models.Node, cluster_id):
            if node.before is not None:
                node.before = self._before(notes, node, counts)
        for run in session.scalars(sa.select(models.Run).where(
                models.Run.cluster_id == cluster_id,
                models.Run.status.in_((WorkStatus.WAITING,
                                       WorkStatus.RUNNING)))):
            if run.process:
                run.process = self._process(notes, run.process, counts)

    def _layer(self, notes: Notes, node: str, incarnation: int,
               entry: Mapping[str, Any], counts: Counts) -> dict[str, Any]:
        inputs: dict[str, Any] = entry['inputs']
        made = inputs.get(SIGNATURE, '')
        try:
            if made or not self.adopt:
                notes.check_layer(node, incarnation, entry)
        except (Refused, NotForUs):
            counts['layers', LEFT] += 1
            return inputs
        fresh = self._boxes(inputs, counts)
        if fresh == inputs and self.keys.current(made):
            counts['layers', WELL] += 1
            return inputs
        counts['layers', ANEW] += 1
        fresh.pop(SIGNATURE, None)
        return notes.layer(node, incarnation, {**entry, 'inputs': fresh})

    def _before(self, notes: Notes, node: models.Node, counts: Counts
                ) -> list[dict[str, Any]]:
        there = node.before or []
        try:
            wish = notes.check_before(node.name, node.incarnation, there)
        except (Refused, NotForUs):
            wish = NOBODYS
        fresh = [{**entry, 'inputs': self._layer(
            notes, node.name, node.incarnation, entry, counts)}
            for entry in there]
        # Of which change it is can be said by who knows it only.
        return notes.before(wish, node.name, node.incarnation, fresh) \
            if wish.generation else fresh

    def _process(self, notes: Notes, process: Mapping[str, Any],
                 counts: Counts) -> dict[str, Any]:
        try:
            bare = notes.check_process(process)
        except (Refused, NotForUs):
            counts['processes', LEFT] += 1
            return dict(process)
        if self.keys.current(process[SIGNATURE]):
            counts['processes', WELL] += 1
            return dict(process)
        counts['processes', ANEW] += 1
        return notes.process(bare)

    def _boxes(self, value: Any, counts: Counts) -> Any:
        """A JSON value with every box in it sealed anew."""
        def one(box: Mapping[str, Any]) -> dict[str, Any]:
            token = box[digests.SEALED]
            # One of an earlier release gets a name; everywhere the same.
            mark = box.get(digests.MARK) or hashlib.sha256(
                token.encode()).hexdigest()[:24]
            if digests.MARK in box:
                fresh = self._sealed(token, digests.about(mark), 'boxes',
                                     counts)
                return {**box, digests.SEALED: fresh}
            try:
                said = self.keys.decrypt(token, '')
            except Unavailable:
                counts['boxes', LEFT] += 1
                return dict(box)
            counts['boxes', ANEW] += 1
            return {digests.SEALED: self.keys.encrypt(
                said, digests.about(mark)), digests.MARK: mark}

        return digests.opened(value, one)

    def _sealed(self, token: str, about: str, what: str, counts: Counts
                ) -> str:
        if self.keys.current(token):
            counts[what, WELL] += 1
            return token
        try:
            fresh = self.keys.encrypt(self.keys.decrypt(token, about), about)
        except HPCDirectError:
            counts[what, LEFT] += 1
            return token
        counts[what, ANEW] += 1
        return fresh


def _who(signature: str) -> str:
    """Who signed; the release before did not say, and it was the API."""
    words = signature.split('.')
    return words[1] if len(words) == 4 else API


def _all(session: orm.Session, model: type[Any], cluster_id: str
         ) -> list[Any]:
    return list(session.scalars(sa.select(model).where(
        model.cluster_id == cluster_id)))
