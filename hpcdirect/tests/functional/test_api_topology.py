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

"""All of a cluster in one small answer, and drawn."""

import dataclasses

import testtools
import yaml

from hpcdirect.api import app
from hpcdirect.db import models
from hpcdirect.planning.state import Slot
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import served


class TopologyTest(served.ServedTest):

    def change(self, **values):
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            for name, value in values.items():
                setattr(row, name, value)

    def layer(self, node, element, position, **more):
        return models.Layer(**{
            'cluster_id': self.ident, 'node': node, 'incarnation': 1,
            'element': element, 'role': 'compute', 'version': '1.0.0',
            'position': position, 'digest': 'd', 'state': 'applied',
            'verified': True, **more})

    def write(self, *rows):
        with self.api.database.write() as session:
            session.add_all(rows)

    def nodes(self):
        """Name -> what the columns say of it; its layers by name."""
        found = self.hpc.topology('demo')
        columns = found['nodes']
        self.assertEqual(1, len({len(one) for one in columns.values()}))
        return {name: {
            **{key: column[place] for key, column in columns.items()},
            'group': found['groups'][columns['group'][place]]['name'],
            'stack': {found['layers'][layer]['element']: state
                      for layer, state in zip(
                          *(found['stacks'][columns['stack'][place]][one]
                            for one in ('layers', 'states')), strict=True)}}
            for place, name in enumerate(columns['name'])}

    def test_all_of_it(self):
        self.write(self.layer('compute-0', 'slurm', 1, state='applying',
                              verified=False))
        found = self.hpc.topology('demo')
        self.assertEqual([('head', 1, 1, True), ('compute', 2, 1, False)], [
            (one['name'], one['count'], one['ready'], one['login'])
            for one in found['groups']])
        self.assertEqual([
            ('munge', 'node', ['head', 'compute'], []),
            ('slurm', 'compute', ['compute'], ['munge']),
            ('slurm', 'controller', ['head'], ['munge'])],
            [(one['element'], one['role'], one['groups'], one['stands_on'])
             for one in found['layers']])
        self.assertEqual([{'name': 'fake', 'cidrs': [], 'own': False,
                           'groups': ['head', 'compute']}],
                         found['networks'])
        self.assertEqual([{'name': 'home', 'mount': '/home',
                           'groups': ['head', 'compute'], 'provided': True}],
                         found['volumes'])
        nodes = self.nodes()
        self.assertEqual(['head-0', 'compute-0', 'compute-1'], list(nodes))
        self.assertEqual({'munge': 'verified', 'slurm': 'applying'},
                         nodes['compute-0']['stack'])
        self.assertEqual(('compute', 'BUILDING', True, '192.0.2.1'), tuple(
            nodes['compute-1'][name] for name in (
                'group', 'status', 'wanted', 'address')))

    def test_what_comes_and_what_goes(self):
        self.write(
            models.Node(cluster_id=self.ident, name='old-3', group='old',
                        status='LEAVING', fault='no power'),
            self.layer('old-3', 'gone', 7, version='2', state='reverting'),
            self.layer('head-0', 'people', 5, role='node'))
        self.hpc.change_cluster('demo', node_groups={
            'compute': {'count': 11}})
        nodes = self.nodes()
        self.assertEqual([f'compute-{number}' for number in range(11)],
                         list(nodes)[1:-1])
        self.assertEqual((None, True, {}), tuple(
            nodes['compute-10'][name] for name in (
                'status', 'wanted', 'stack')))
        self.assertEqual(('old', 'LEAVING', False, {'gone': 'reverting'}),
                         tuple(nodes['old-3'][name] for name in (
                             'group', 'status', 'wanted', 'stack')))
        layers = {one['element']: one
                  for one in self.hpc.topology('demo')['layers']}
        # One is still in the catalogue.
        self.assertEqual([(False, None), (False, [])], [
            (layers[name]['wanted'], layers[name]['stands_on'])
            for name in ('gone', 'people')])

    def test_what_is_not_known_is_not_invented(self):
        self.change(backend='elsewhere')
        found = self.hpc.topology('demo')
        self.assertIsNone(found['networks'])
        self.assertIsNone(found['volumes'][0]['provided'])
        self.change(blueprint_version='9', backend='fake')
        found = self.hpc.topology('demo')
        self.assertEqual((None, None), (found['networks'],
                                        found['volumes']))
        self.assertEqual([('munge', None, [])], [
            (one['element'], one['wanted'], one['stands_on'])
            for one in found['layers']])
        out, _ = self.shown('cluster', 'topology', 'demo')
        self.assertEqual(2, out.count('unknown\n') - out.count(': unknown\n'))

    def test_whose(self):
        self.api.conf.set_override('auth_strategy', 'noauth', 'api')
        self.api.app = app.make_app(self.api.services)
        path = f'/v1/clusters/{self.ident}/topology'
        for case, status in (({'project': 'theirs'}, 404),
                             ({'roles': 'nobody'}, 403)):
            self.assertEqual(status, self.api.call(
                'GET', path, **case).status)

    def test_a_thousand_nodes_are_little(self):
        self.hpc.delete_cluster('demo')
        self.api.settle(self.ident, 'DELETED')
        self.change(deleted=self.ident)
        self.ident = self.hpc.create_cluster(
            name='demo', blueprint='small', parameters={
                'compute_count': 64}).id
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            row.desired = dataclasses.replace(row.desired, groups={
                **row.desired.groups, 'compute': tuple(
                    Slot(f'compute-{number}') for number in range(1000))})
        self.write(*(models.Node(
            cluster_id=self.ident, name=f'compute-{number}', status='UP',
            group='compute', address=f'10.0.{number // 250}.{number % 250}')
            for number in range(1000)))
        self.write(*(self.layer(
            f'compute-{number}', f'element-{position}', position)
            for number in range(1000) for position in range(12)))
        response = self.hpc.get(f'/clusters/{self.ident}/topology')
        self.assertLess(len(response.content), 100 * 1024)
        found = response.json()
        self.assertEqual(1001, len(found['nodes']['name']))
        self.assertEqual([12, 0], sorted(
            (len(one['layers']) for one in found['stacks']), reverse=True))
        out, _ = self.shown('cluster', 'topology', 'demo')
        self.assertIn('compute-[0-999]  UP  12 layers', out)
        self.assertLess(len(out.splitlines()), 40)

    def test_drawn(self):
        self.write(self.layer('compute-0', 'slurm', 1, state='dirty',
                              verified=False))
        with self.api.database.write() as session:
            session.query(models.Node).filter_by(
                name='compute-1').one().fault = 'no \x1b[31mpower ' * 30
        self.assertEqual(self.hpc.topology('demo'),
                         self.read('cluster', 'topology', 'demo'))
        self.assertEqual(self.hpc.topology('demo'), yaml.safe_load(
            self.shown('cluster', 'topology', 'demo', '-f', 'yaml')[0]))
        out, _ = self.shown('cluster', 'topology', 'demo')
        lines = out.splitlines()
        self.assertLess(max(map(len, lines)), 80)
        self.assertNotIn('\x1b', out)
        for line in ('demo  small 1.2.0  ACTIVE  generation 1',
                     '  fake (outside): head, compute',
                     '  home at /home: head, compute',
                     '  slurm 1.0.0 (controller): head; on munge',
                     'head 1/1 up (Head) login',
                     '  head-0  UP  1 layer',
                     '  compute-0  UP  1 of 2 layers; slurm dirty'):
            self.assertIn(line, lines)


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class MariaDBTopologyTest(TopologyTest):

    def connection(self):
        return self.useFixture(mariadb.MariaDB()).url
