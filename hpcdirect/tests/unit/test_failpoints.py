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

"""A failpoint before and after whatever can be cut in two.

What that is, is read from the code: blocks that write to the database, calls
of plugins, of clouds' clients and of the message bus.
"""

import ast
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import fixtures
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db import options
import testtools

import hpcdirect
from hpcdirect import failpoints
from hpcdirect import plugins
from hpcdirect.backends.base import Backend
from hpcdirect.db import models
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.session import Database
from hpcdirect.exception import BackendUnavailable
from hpcdirect.planning.state import NOTHING
from hpcdirect.runners.base import ElementRunner
from hpcdirect.sources.base import Source

ROOT = pathlib.Path(hpcdirect.__file__).parent
#: What is called by these names is such a plugin.
PLUGINS = {'backend': Backend, 'runner': ElementRunner,
           'runner_of': ElementRunner, 'source': Source}
#: Plugins themselves, tools that are no service, and what reads documents.
OTHERS = ('backends.', 'runners.', 'trials.', 'blueprints.', 'sources.base')


def trees():
    """Every module of the service: its name, and its syntax tree."""
    for path in sorted(ROOT.rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if parts[0] not in ('tests', 'client'):
            yield '.'.join(parts), ast.parse(path.read_text())


def functions(tree, outer=''):
    """Every function with its qualified name; those inside it apart."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f'{outer}{node.name}.')
        elif isinstance(node, ast.FunctionDef):
            yield f'{outer}{node.name}', node
            yield from functions(node, f'{outer}{node.name}.<locals>.')
        else:
            yield from functions(node, outer)


def within(function):
    """All nodes of a function that are not of a function inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef):
            yield node
            yield from within(node)


def transactions():
    """Names of the places of every transaction that writes."""
    for module, tree in trees():
        for name, function in functions(tree):
            if name == 'Fence.writing' or module == 'db.session':
                continue
            if any(map(opens, within(function))):
                yield f'db.{module.rpartition(".")[2]}.{name}'


def opens(node):
    """Whether a node opens a transaction that writes."""
    if isinstance(node, ast.With):
        return any(ast.unparse(item.context_expr).endswith((
            'database.write()', '.writing()')) for item in node.items)
    return isinstance(node, ast.Call) and ast.unparse(
        node.func).endswith('database.change')


def called(tree):
    """Calls in a tree of what may be a plugin: its kind, and the method."""
    modules = {alias.name for node in ast.walk(tree)
               if isinstance(node, ast.ImportFrom) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(
                node.func, ast.Attribute):
            of = node.func.value
            of = of.func if isinstance(of, ast.Call) else of
            name = getattr(of, 'attr', getattr(of, 'id', '')).strip('_')
            if name in PLUGINS and name not in modules:
                yield PLUGINS[name], node.func.attr


class PlacesTest(testtools.TestCase):
    """Nothing goes past the seams where the places are made."""

    def test_every_transaction_has_a_name_of_its_own(self):
        found = list(transactions())
        self.assertEqual(len(found), len(set(found)))
        self.assertIn('db.deployment_writer.DeploymentWriter.finish', found)
        self.assertIn('db.holds.Holds._renewed', found)
        self.assertIn('db.wishes.delete', found)

    def test_nobody_else_commits(self):
        past = [f'{module}: {ast.unparse(node)}'
                for module, tree in trees() for node in ast.walk(tree)
                if module != 'db.session' and 'migration' not in module
                and isinstance(node, ast.Call)
                and ast.unparse(node.func).endswith((
                    'session.commit', 'engine.begin', 'engine.connect',
                    'orm.Session', 'sessionmaker', 'writer.using'))]
        self.assertEqual([], past)

    def test_every_call_of_a_plugin_is_watched(self):
        found = {(kind, method) for module, tree in trees()
                 if not module.startswith(OTHERS)
                 for kind, method in called(tree)}
        for kind, method in found:
            self.assertIn(method, failpoints.calls(kind))
        self.assertIn((Backend, 'ensure'), found)
        self.assertIn((ElementRunner, 'carry_out'), found)
        self.assertIn((Source, 'load_blueprint'), found)

    def test_only_the_loader_makes_plugins(self):
        makers = {module for module, tree in trees() for node
                  in ast.walk(tree) if isinstance(node, ast.ImportFrom)
                  and (node.module or '').startswith('stevedore')}
        self.assertEqual({'plugins'}, makers)

    def test_clients_of_clouds_are_watched(self):
        asked = []
        for module, tree in trees():
            for cls in ast.walk(tree):
                text = ast.unparse(cls) if isinstance(
                    cls, ast.ClassDef) else ''
                if 'with _translated(' in text:
                    asked.append(module)
                    self.assertIn('failpoints.watch(self, ', text, module)
            for name, function in functions(tree):
                if '_translated(' in ast.unparse(function):
                    self.assertTrue('.' in name or name == '_translated',
                                    f'{module}.{name} is in no class')
        self.assertEqual({'keystone', 'backends.heat.stacks',
                          'backends.heat.cloud', 'backends.heat.metal'},
                         set(asked))

    def test_messages_are_watched(self):
        for module, tree in trees():
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(
                        node.func).endswith('get_rpc_client'):
                    self.assertEqual('rpc', module)
                    self.assertIn('failpoints.watch(messaging.get_rpc_client',
                                  ast.unparse(tree))


class ArmedTest(testtools.TestCase):
    """What happens at a place."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.log = self.folder / 'log'
        self.addCleanup(failpoints.arm, os.environ)

    def arm(self, said=''):
        failpoints.arm({'HPCDIRECT_FAILPOINT': said,
                        'HPCDIRECT_FAILPOINT_ONCE': f'{self.folder}/once',
                        'HPCDIRECT_FAILPOINT_LOG': str(self.log)})

    def database(self):
        conf = cfg.ConfigOpts()
        options.set_defaults(conf, connection=f'sqlite:///{self.folder}/db')
        conf([])
        database = Database(conf)
        self.addCleanup(database.engine.dispose)
        models.Base.metadata.create_all(database.engine)
        with database.write() as session:
            session.add(models.Cluster(
                id='1', project_id='p', user_id='u', name='n', status='A',
                blueprint='b', blueprint_version='1', backend='x',
                desired=NOTHING, owner='me'))
        return database

    def reference(self, ledger):
        with ledger._fence.database.read() as session:
            return session.get_one(models.Cluster, '1').backend_ref

    def test_transaction_is_named_after_who_opens_it(self):
        ledger = Ledger(self.database(), '1', 0)
        self.arm()
        ledger.nodes.backend_ref('x')
        self.assertEqual(['db.node_writer.NodeWriter.backend_ref/before',
                          'db.node_writer.NodeWriter.backend_ref/after'],
                         self.log.read_text().split())

    def test_error_before_a_commit_undoes_it(self):
        ledger = Ledger(self.database(), '1', 0)
        self.arm('db.node_writer.NodeWriter.backend_ref/before error')
        self.assertRaises(db_exc.DBConnectionError,
                          ledger.nodes.backend_ref, 'x')
        self.assertEqual('', self.reference(ledger))
        # That was once.
        ledger.nodes.backend_ref('y')
        self.assertEqual('y', self.reference(ledger))

    def test_answer_to_a_commit_is_lost(self):
        ledger = Ledger(self.database(), '1', 0)
        self.arm('db.node_writer.NodeWriter.backend_ref/after error '
                 'oslo_db.exception:DBDeadlock')
        self.assertRaises(db_exc.DBDeadlock, ledger.nodes.backend_ref, 'x')
        self.assertEqual('x', self.reference(ledger))

    def test_plugin_that_is_loaded_is_watched(self):
        for kind, namespace, name in (
                (Backend, 'backends', 'fake'),
                (ElementRunner, 'runners', 'fake'),
                (Source, 'sources', 'directory')):
            failpoints.arm({})
            plugin = plugins.load(kind, namespace, [name],
                                  cfg.ConfigOpts())[name]
            self.assertNotIn('close', vars(plugin))
            self.arm()
            plugin = plugins.load(kind, namespace, [name],
                                  cfg.ConfigOpts())[name]
            self.assertIsInstance(plugin, kind)
            self.assertEqual(set(), set(failpoints.calls(kind))
                             - set(vars(plugin)))

    def test_error_of_a_plugin(self):
        self.arm('backend.delete/after error')
        backend = plugins.load(Backend, 'backends', ['fake'],
                               cfg.ConfigOpts())['fake']
        self.assertRaises(BackendUnavailable, backend.delete, 'fake-1')
        backend.delete('fake-1')
        self.assertEqual(['backend.delete/before', 'backend.delete/after'] * 2,
                         self.log.read_text().split())

    def process(self, said):
        return subprocess.Popen(
            [sys.executable, '-c', textwrap.dedent("""
                from hpcdirect import failpoints
                failpoints.failpoint('here')
                print('on')
                """)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'HPCDIRECT_FAILPOINT': said})

    def test_kill(self):
        process = self.process('here')
        self.assertEqual(('', None), process.communicate(timeout=60))
        self.assertEqual(-signal.SIGKILL, process.returncode)

    def test_stop_until_it_is_told_to_go_on(self):
        process = self.process('here stop')
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        self.assertEqual(signal.SIGSTOP, os.WSTOPSIG(status))
        process.send_signal(signal.SIGCONT)
        self.assertEqual(('on\n', None), process.communicate(timeout=60))
