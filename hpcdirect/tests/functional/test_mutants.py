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

"""Each condition that keeps two conductors apart is missed when it is gone.

The conditions are read from the syntax trees of ``db/leases.py`` and of what
is fenced by ``db/fence.py``. Each is taken away by itself, and the tests of
this module have to notice. The first two cases are those tests; they hold by
themselves.
"""

import ast
import contextlib
import operator
import pathlib
import time
import types
import unittest
from unittest import mock

import sqlalchemy as sa
import testtools

from hpcdirect.db import deployment_writer
from hpcdirect.db import fence
from hpcdirect.db import leases
from hpcdirect.db import ledger
from hpcdirect.db import models
from hpcdirect.db import node_writer
from hpcdirect.db import run_writer
from hpcdirect.db.run_writer import RunEnd
from hpcdirect.exception import LostLease
from hpcdirect.states import WorkStatus
from hpcdirect.tests.functional import databases

#: Functions that make conditions for others.
HELPERS = ('_lapsed', '_free', '_due')
#: A call of each method of a ledger that writes.
CALLS = {
    'deployments.begin': ('d', []),
    'deployments.add_steps': ('d', 1, [{
        'kind': 'apply', 'element': 'e', 'nodes': [], 'reason': ''}]),
    'deployments.mark_steps': ({'s': WorkStatus.RUNNING},),
    'deployments.finish': ('d',),
    'deployments.cancelled': ('d', ''),
    'deployments.left': ('nobody can',),
    'deployments.halt': ('d', [{'message': 'x'}]),
    'nodes.backend_ref': ('x',),
    'nodes.record': ('d', [], ['node-0']),
    'nodes.rest': ([], 'ill'),
    'add_secrets': ([],),
    'runs.start': ([], [{'node': 'node-0', 'element': 'e', 'role': 'node',
                         'state': 'applying', 'position': 0}]),
    'runs.process': (['r'], {}),
    'runs.begun': ('r',),
    'runs.ended': (RunEnd('r', WorkStatus.SUCCEEDED, whole=True),),
    'runs.interrupt': (['r'],),
    'journal': ([], {'r': 'a line\n'}, {}),
}
#: Where the writes of a ledger are.
WRITERS = {'deployments.': deployment_writer, 'nodes.': node_writer,
           'runs.': run_writer, '': ledger}

#: Only a cluster that something is to be done for now.
DUE = leases.Terms(rest=60.0)


class LeaseConditions(databases.SQLite):
    """What each statement of leases leaves alone."""

    def row(self, ident):
        with self.database.read() as session:
            return session.execute(sa.select(
                models.Cluster.owner, models.Cluster.epoch,
                models.Cluster.lease_until, models.Cluster.due_at).where(
                    models.Cluster.id == ident)).one()

    def made(self, name, until=None, due=0.0, **values):
        """A cluster; *until* and *due* are seconds from now, or None."""
        ident = self.cluster(name, **values)
        with self.database.write() as session:
            session.execute(sa.update(models.Cluster).where(
                models.Cluster.id == ident).values(
                    lease_until=0.0 if until is None
                    else leases.utc_seconds() + until,
                    due_at=None if due is None
                    else leases.utc_seconds() + due))
        return ident

    def held(self, name='held', owner='other', until=50.0, epoch=4, **values):
        return self.made(name, until=until, owner=owner, epoch=epoch,
                         lease_seconds=60.0, **values)

    def write(self, function, *args, **options):
        with self.database.write() as session:
            return function(session, *args, **options)

    def between(self, statement, before='UPDATE clusters', passed=0):
        """Somebody else writes between a look and what comes after it.

        :param before: how what comes after it begins.
        :param passed: how many such statements come first.
        """
        seen = []

        @sa.event.listens_for(self.database.engine, 'before_cursor_execute')
        def _before(connection, cursor, text, *_):
            if text.startswith(before):
                seen.append(text)
                if len(seen) == passed + 1:
                    connection.exec_driver_sql(statement)

    def assert_left(self, before):
        """Rows are what they were."""
        for ident, row in before.items():
            self.assertEqual(row, self.row(ident))

    def rows(self, *idents):
        return {ident: self.row(ident) for ident in idents}

    def test_claim(self):
        free, other = self.made('free', until=50.0), self.made('other')
        left = self.rows(other, gone := self.made('gone', deleted='x'),
                         held := self.held(),
                         later := self.made('later', due=30.0))
        for ident in (gone, held, later):
            self.assertIsNone(self.write(leases.claim, ident, 'me', 60.0,
                                         DUE))
        self.assertEqual(1, self.write(leases.claim, free, 'me', 60.0, DUE))
        self.assert_left(left)
        self.assertEqual(('me', 1), self.row(free)[:2])

    def test_claim_of_what_another_held(self):
        lapsed = self.held('lapsed', until=-1.0)
        ahead = self.held('ahead', until=3600.0)
        self.assertIsNone(self.write(leases.claim, lapsed, 'me', 60.0,
                                     leases.Terms(lapsed=False)))
        self.assertEqual([5, 5], [self.write(
            leases.claim, ident, 'me', 60.0) for ident in (lapsed, ahead)])
        self.assertEqual('me', self.row(lapsed).owner)

    def test_claim_of_what_is_due(self):
        idents = [self.made('over', due=-1.0), self.made('ahead', due=3600.0)]
        self.assertEqual([1, 1], [self.write(
            leases.claim, ident, 'me', 60.0, DUE) for ident in idents])

    def test_fence(self):
        held, free = self.held(), self.made('free', epoch=4)
        self.held('another', epoch=3)
        self.write(leases.fence, held, 4)
        for ident, epoch in ((held, 3), (free, 4)):
            self.assertRaises(LostLease, self.write, leases.fence, ident,
                              epoch)

    def test_renew(self):
        mine = self.held('mine', 'me', 1.0)
        again = self.held('again', 'me', 1.0, epoch=5)
        left = self.rows(again, theirs := self.held(),
                         unheld := self.held('unheld', 'me', 1.0))
        self.assertNotIn(unheld, held := {mine: 4, again: 4, theirs: 4})
        self.assertEqual({mine}, self.write(leases.renew, 'me', held, 60.0))
        self.assert_left(left)
        self.assertGreater(self.row(mine).lease_until, 50.0)

    def test_release(self):
        mine = self.held('mine', 'me')
        left = self.rows(self.held(), taken := self.held('taken', epoch=5))
        self.write(leases.release, mine, 4)
        self.write(leases.release, taken, 4)
        self.assert_left(left)
        self.assertEqual(('', 4), self.row(mine)[:2])

    def test_wake(self):
        asleep = self.made('asleep', due=None)
        left = self.rows(self.held('mine', due=None),
                         self.made('soon', due=30.0),
                         self.made('busy', due=None, status='UPDATING'))
        self.write(leases.wake)
        self.assert_left(left)
        self.assertIsNotNone(self.row(asleep).due_at)

    def test_wake_of_what_is_taken_meanwhile(self):
        asleep = self.made('asleep', due=None)
        self.between("UPDATE clusters SET owner = 'other'")
        self.write(leases.wake)
        self.assertIsNone(self.row(asleep).due_at)

    def test_wake_of_what_is_woken_meanwhile(self):
        asleep = self.made('asleep', due=None)
        self.between('UPDATE clusters SET due_at = 7')
        self.write(leases.wake)
        self.assertEqual(7, self.row(asleep).due_at)

    def test_reclaim(self):
        dead = self.held('dead', 'dead')
        left = self.rows(self.held())
        self.write(leases.reclaim, lambda owner: owner == 'dead')
        self.assert_left(left)
        self.assertEqual('', self.row(dead).owner)

    def test_reserve(self):
        due, dead = self.made('due'), self.held('dead', until=-1.0)
        left = self.rows(
            self.held(), self.made('gone', deleted='x'),
            self.made('later', due=30.0),
            self.made('busy', status='UPDATING'))
        found = self.write(leases.reserve, 60.0, 10)
        self.assertEqual({due, dead}, {one.id for one in found})
        self.assert_left(left)
        self.assertEqual([('', 0), ('', 5)], [
            self.row(ident)[:2] for ident in (due, dead)])

    def test_reserve_of_what_is_taken_meanwhile(self):
        self.made('due')
        self.between("UPDATE clusters SET owner = 'other', "
                     'lease_until = 1e12, lease_seconds = 1e12',
                     'SELECT clusters.id', 1)
        self.assertEqual([], self.write(leases.reserve, 60.0, 10))

    def test_look_again(self):
        resting = self.made('resting', due=30.0)
        soon = self.made('soon', due=-1.0)
        left = self.rows(held := self.held(due=30.0), soon,
                         self.made('another', due=30.0))
        for ident in (resting, soon, held):
            self.write(leases.look_again, ident, 0.0)
        self.assert_left(left)
        self.assertEqual({resting, soon}, {
            one.id for one in self.write(leases.reserve, 60.0, 10)})


class LedgerFences(databases.SQLite):
    """A conductor whose cluster was taken writes nothing about it."""

    def setUp(self):
        super().setUp()
        self.ident = self.cluster(epoch=5, owner='other')
        with self.database.write() as session:
            session.add(models.Deployment(
                id='d', cluster_id=self.ident, project_id='ours',
                user_id='me', roles=[], operation='update', generation=1,
                desired_digest='', signature='', status='RUNNING'))
            session.add(models.Step(id='s', deployment_id='d', position=0,
                                    kind='apply', nodes=[], status='WAITING'))
            session.add(models.Run(
                id='r', cluster_id=self.ident, project_id='ours',
                deployment_id='d', step_id='s', verb='apply', element='e',
                nodes=[], status='RUNNING', runner='fake'))
            session.add(models.Node(cluster_id=self.ident, name='node-0',
                                    group='node', status='UP', before=[]))

    def dump(self):
        with self.database.engine.connect() as connection:
            return {table.name: connection.execute(sa.select(table)).all()
                    for table in models.Base.metadata.sorted_tables}

    def test_long_write(self):
        ident, moments = self.cluster('long'), []
        with self.database.write() as session:
            epoch = leases.claim(session, ident, 'me', 60.0)
        mine = fence.Fence(self.database, ident, epoch, moments.append)
        with mock.patch.object(fence, '_LONG', 0.0), \
                mine.writing() as session:
            session.get_one(models.Cluster, ident).lease_until = 0.0
            later = time.monotonic()
        # The lease is ours from the end of it on, and here it is known.
        self.assertGreaterEqual(moments.pop(), later)
        with self.database.read() as session:
            self.assertGreater(session.scalars(sa.select(
                models.Cluster.lease_until - leases.utc_seconds()).where(
                    models.Cluster.id == ident)).one(), 40)

    def test_old_epoch(self):
        before = self.dump()
        pen = ledger.Ledger(self.database, self.ident, 4)
        for name, args in CALLS.items():
            self.assertRaises(LostLease, operator.attrgetter(name)(pen),
                              *args)
            self.assertEqual(before, self.dump(), name)

    def test_every_method_that_writes_is_called(self):
        self.assertEqual(set(CALLS), {
            place + function.name for place, module in WRITERS.items()
            for function in ast.walk(tree(module))
            if isinstance(function, ast.FunctionDef)
            and 'with self._fence.writing()' in ast.unparse(function)})


def tree(module):
    """The module's syntax tree."""
    return ast.parse(pathlib.Path(module.__file__).read_text())


def chain(node):
    """The method calls that end in a call, the last one first."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield node
        node = node.func.value


def decides(statement):
    """Whether a statement writes, or locks what is written next."""
    said = {call.func.attr for call in chain(statement)}
    return 'update' in said or 'with_for_update' in said


def idle(keyword):
    """Whether a column is set to itself."""
    return ast.unparse(keyword.value) == f'Cluster.{keyword.arg}'


def locked(node):
    """The statement whose rows are locked by a call, if it is one."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == '_by_id':
        return node.args[0]
    return node if isinstance(node, ast.Call) and decides(node) else None


def conditions(node):
    """A list and an item of it that keeps others' rows out, of a node."""
    for call in chain(locked(node)):
        if call.func.attr == 'where':
            yield from ((call.args, one) for one in call.args)
        if call.func.attr == 'values':
            yield from ((call.keywords, one) for one in call.keywords
                        if one.arg in ('epoch', 'owner') and not idle(one))
    if isinstance(node, ast.FunctionDef) and node.name in HELPERS:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) \
                    and ast.unparse(call.func) == 'sa.or_':
                yield from ((call.args, one) for one in call.args)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) \
            and ast.unparse(node.targets[0]) == 'wanted':
        yield from ((node.value.elts, one) for one in node.value.elts)
    if isinstance(node, ast.comprehension):
        for test in node.ifs:
            if isinstance(test, ast.BoolOp):
                yield from ((test.values, one) for one in test.values)


def fences(node):
    """A list and an item of it that is a fence, of a node."""
    if isinstance(node, ast.With):
        yield from ((node.items, one) for one in node.items
                    if 'self._fence.writing()' in ast.unparse(one))
        yield from ((node.body, one) for one in node.body
                    if 'leases.fence(' in ast.unparse(one))


def without(what):
    """What is left in a list instead of an item."""
    if isinstance(what, ast.withitem):
        return [ast.withitem(ast.parse(
            'self._fence.database.write()', mode='eval').body,
            what.optional_vars)]
    # What stands in an "and" would be alone there.
    return [ast.Constant(True)] if isinstance(what, ast.Compare) \
        and isinstance(what.left, ast.Name) else []


def mutants(module, found):
    """Each thing that is taken away, and the module's code without it."""
    whole = tree(module)
    done = set()
    for node in ast.walk(whole):
        for where, what in found(node):
            if id(what) in done:
                continue
            done.add(id(what))
            at, rest = where.index(what), without(what)
            where[at:at + 1] = rest
            yield (f'{module.__name__}: {ast.unparse(what)}',
                   compile(ast.fix_missing_locations(whole),
                           module.__file__, 'exec'))
            where[at:at + len(rest)] = [what]


class MutantsTest(testtools.TestCase):

    @contextlib.contextmanager
    def replaced(self, module, code):
        """The module's functions and classes are those of other code."""
        other = types.ModuleType(module.__name__)
        exec(code, vars(other))  # noqa: S102 - it is our own
        kept = {name: value for name, value in vars(module).items()
                if getattr(value, '__module__', '') == module.__name__}
        try:
            for name in kept:
                setattr(module, name, vars(other)[name])
            yield
        finally:
            for name, value in kept.items():
                setattr(module, name, value)

    def noticed(self, case):
        """Whether the tests of a case fail."""
        result = unittest.TestResult()
        result.failfast = True
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
        self.assertGreater(result.testsRun, 0)
        return not result.wasSuccessful()

    def survivors(self, module, conditions, case):
        self.assertFalse(self.noticed(case))
        found, missed = 0, []
        for what, code in mutants(module, conditions):
            found += 1
            with self.replaced(module, code):
                if not self.noticed(case):
                    missed.append(what)
        self.assertEqual([], missed)
        return found

    def test_conditions_of_leases(self):
        self.assertGreater(
            self.survivors(leases, conditions, LeaseConditions), 30)

    def test_fences_of_the_ledger(self):
        # One at the beginning of each, and that at the end of long ones.
        self.assertEqual(len(CALLS) + 2, sum(
            self.survivors(module, fences, LedgerFences)
            for module in (fence, *WRITERS.values())))
