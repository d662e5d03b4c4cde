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

"""Who has an account on a cluster, and what elements are told of it."""

import dataclasses
import datetime

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.blueprints.model import ElementUse
from hpcdirect.exception import Invalid
from hpcdirect.planning import accounts
from hpcdirect.planning import users
from hpcdirect.planning.state import Account
from hpcdirect.planning.state import State
from hpcdirect.tests.unit.planning import world

AT = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)


def taker(title, *fields, states=()):
    """An element that takes accounts, with just these fields of them."""
    known = {field: {} for field in ('name', *fields)}
    if states:
        known['state'] = {'enum': list(states)}
    return world.element(title, accounts='list', parameters={'properties': {
        'list': {'items': {'properties': known}}}})


MAKER = taker('maker', 'uid', 'keys', 'groups', 'shell', 'sudo', 'home',
              'end_jobs', states=('on', 'off', 'gone'))
NAMES = taker('names', 'end_jobs', states=('on', 'gone'))
OLD = taker('old', 'keys')
OTHER = world.element('other')
ROLES = {'node': ('head',)}


def blueprint(*elements):
    """A blueprint that gives its parameter to whoever takes accounts."""
    made = world.blueprint(elements or (MAKER, NAMES, OLD, OTHER))
    object.__setattr__(made, 'elements', tuple(
        ElementUse(one, ROLES, {'list': {'parameter': 'people'}}
                   if one.accounts else {})
        for one in elements or (MAKER, NAMES, OLD, OTHER)))
    return made


def same_id(name, kind='user', of='user'):
    """Another name that comes to the same id."""
    aim = accounts.number(of, name)
    return next(f'n{i}' for i in range(10 ** 7)
                if accounts.number(kind, f'n{i}') == aim)


class Case(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.blueprint = blueprint()
        self.state = State(parameters={'people': [{'name': 'ann'}]})

    def change(self, at=AT, **asked):
        self.state = users.changed(self.state, self.blueprint, asked, at)
        return self.kept(self.state)

    def kept(self, state):
        """Name -> what is kept of a user."""
        return state.to_json().get('users', {})

    def wrong(self, at=AT, **asked):
        error = self.assertRaises(Invalid, self.change, at, **asked)
        return {finding.where: finding.message for finding in error.findings}

    def listed(self):
        return {one.name: one for one in accounts.listed(
            self.blueprint, self.state)}

    def told(self, element):
        """Name -> what an element is told of it, besides the name."""
        use = next(use for use in accounts.all_told(
            self.blueprint, self.state).elements if use.element == element)
        return {row['name']: {key: value for key, value in row.items()
                              if key != 'name'}
                for row in use.variables['list']}


class ChangedTest(Case):
    """One verb after another"""

    def test_nothing_makes_accounts(self):
        for others in ((OTHER,), (NAMES,)):
            self.blueprint = blueprint(*others)
            self.assertIn('element add', self.wrong(bob={})['$.users'])

    def test_life_of_one(self):
        bob = self.change(bob={'keys': ['k']})['bob']
        self.assertEqual((accounts.number('user', 'bob'), ['k'], 'on'),
                         (bob['uid'], bob['keys'], bob['state']))
        self.assertEqual(['k'], self.change(bob={'sudo': True})['bob'][
            'keys'])
        self.assertEqual({'uid': bob['uid'], 'state': 'gone',
                          'home': 'purge', 'end_jobs': False},
                         self.change(bob={'state': 'gone', 'home': 'purge'}
                                     )['bob'])
        again = self.change(bob={})['bob']
        self.assertEqual((bob['uid'], []), (again['uid'], again['keys']))
        self.assertNotIn('home', again)

    def test_what_is_to_be_done_when_one_goes_is_not_kept(self):
        self.assertNotIn('home', self.change(
            bob={'home': 'purge', 'end_jobs': True})['bob'])
        self.assertEqual(('keep', False), (
            self.change(bob=None)['bob']['home'],
            self.state.users['bob'].end_jobs))

    def test_one_of_the_blueprint(self):
        ann = self.listed()['ann']
        self.assertFalse(ann.own)
        changed = self.change(ann={'sudo': True})['ann']
        self.assertEqual(ann.account.uid, changed['uid'])
        self.assertTrue(self.listed()['ann'].own)
        self.change(ann=None)
        self.assertEqual('gone', self.listed()['ann'].account.state)

    def test_names_and_ids_of_the_machine(self):
        """Refused beforehand, and nothing is burned."""
        brings = world.element('brings', system_accounts=('munge',))
        self.blueprint = blueprint(MAKER, brings)
        for name in ('staff', 'root', '_apt', 'systemd-network', 'munge'):
            self.assertIn('choose another name', self.wrong(
                **{name: {}})[f'$.users.{name}'])
        self.assertIn('element brings', self.wrong(munge={})['$.users.munge'])
        for uid in (60000, 64030, 65534, 65535):
            self.assertIn("the system's", self.wrong(
                bob={'uid': uid})['$.users.bob.uid'])
        self.assertEqual({}, self.state.users)
        self.assertEqual(59999, self.change(bob={'uid': 59999})['bob']['uid'])
        self.state = State(parameters={'people': [{'name': 'staff'}]})
        self.assertEqual(['$.users.staff'], [
            one.where for one in accounts.clashes(self.blueprint, self.state)])
        # Who is there already is left alone.
        self.change(staff={'sudo': True}, bob={})

    def test_an_element_comes_whose_account_a_user_has(self):
        brings = world.element('brings', system_accounts=('munge',))
        self.change(munge={})
        error = self.assertRaises(
            Invalid, users.remembered, self.state, self.state,
            self.blueprint, blueprint(MAKER, NAMES, OLD, brings))
        self.assertEqual(['$.users.munge'],
                         [one.where for one in error.findings])
        self.change(munge=None)
        users.remembered(self.state, self.state, self.blueprint,
                         blueprint(MAKER, NAMES, OLD, brings))

    def test_ids(self):
        uid = self.change(bob={'uid': 5000})['bob']['uid']
        self.assertIn('stays', self.wrong(bob={'uid': 5001})[
            '$.users.bob.uid'])
        self.change(bob=None)
        self.assertIn('or was, the id of bob', self.wrong(
            tom={'uid': uid})['$.users.tom.uid'])
        twin = same_id('ann')
        self.assertEqual(accounts.number('user', 'ann') + 1,
                         self.change(**{twin: {}})[twin]['uid'])

    def test_ids_of_groups(self):
        group = same_id('bob', 'group')
        # A new user makes way; a new group has to.
        self.assertEqual(accounts.number('user', 'bob') + 1, self.change(
            bob={'groups': [group]})['bob']['uid'])
        group = same_id('ann', 'group')
        self.assertIn('the id of ann', self.wrong(bob={'groups': [group]})[
            '$.users.bob.groups'])
        self.assertIn('a group has that name', self.wrong(
            **{self.state.users['bob'].groups[0]: {}}).popitem()[1])
        # Somebody's own group may be anybody's further one.
        self.change(bob={'groups': ['ann']})

    def test_no_such_user(self):
        self.assertEqual({'$.users.tom', '$.users.eve'},
                         set(self.wrong(tom=None, eve={'state': 'gone'})))


class TimeTest(Case):
    """Accounts that end"""

    def later(self, **passed):
        return AT + datetime.timedelta(**passed)

    def test_written_as_utc(self):
        for said in ('2027-02-01T01:00:00+01:00', '2027-02-01T00:00:00'):
            self.assertEqual('2027-02-01T00:00:00+00:00', self.change(
                bob={'expires_at': said})['bob']['expires_at'])

    def test_no_time(self):
        for said in ('soon', '', '0001-01-01T00:00:00+14:00',
                     '9999-12-31T23:59:59-14:00'):
            self.assertIn('is not a time', self.wrong(
                bob={'expires_at': said})['$.users.bob.expires_at'])
        self.assertIn('past', self.wrong(bob={
            'expires_at': AT.isoformat()})['$.users.bob.expires_at'])

    def test_over_and_extended(self):
        end = self.later(days=1)
        self.change(bob={'expires_at': end.isoformat()})
        self.assertEqual(end, accounts.next_end(self.state))
        self.assertEqual([], accounts.expired(
            self.state, end - datetime.timedelta(seconds=1)))
        self.assertEqual(['bob'], accounts.expired(self.state, end))
        self.state = dataclasses.replace(self.state, users={
            'bob': dataclasses.replace(self.state.users['bob'],
                                       state='off')})
        self.assertIsNone(accounts.next_end(self.state))
        self.assertEqual([], accounts.expired(self.state, end))
        self.assertIn('time is over', self.wrong(end, bob={'state': 'on'})[
            '$.users.bob.expires_at'])
        self.assertEqual('off', self.change(end, bob={'sudo': True})['bob'][
            'state'])
        self.assertEqual('on', self.change(end, bob={
            'expires_at': self.later(days=2).isoformat()})['bob']['state'])

    def test_who_was_switched_off_stays_so(self):
        self.change(bob={'state': 'off', 'expires_at': self.later(
            days=1).isoformat()})
        self.assertEqual('off', self.change(bob={'expires_at': None})['bob'][
            'state'])


class ToldTest(Case):
    """What elements are told"""

    def setUp(self):
        super().setUp()
        self.change(bob={'state': 'off', 'uid': 1000}, tom={'uid': 1001},
                    eve={'uid': 1002})
        self.change(eve={'state': 'gone', 'home': 'archive'})

    def test_who_makes_accounts(self):
        told = self.told(MAKER)
        self.assertEqual({}, told['ann'])
        self.assertEqual(('off', 1000), (told['bob']['state'],
                                         told['bob']['uid']))
        self.assertNotIn('state', told['tom'])
        self.assertEqual({'uid': 1002, 'state': 'gone', 'home': 'archive',
                          'end_jobs': False}, told['eve'])

    def test_who_only_takes_names(self):
        # Nobody gets in by it: who is off is like everybody.
        self.assertEqual({'ann': {}, 'bob': {}, 'tom': {}, 'eve': {
            'state': 'gone', 'end_jobs': False}}, self.told(NAMES))
        before = self.told(NAMES)
        self.change(tom={'keys': ['k'], 'sudo': True, 'state': 'off'})
        self.assertEqual(before, self.told(NAMES))

    def test_who_makes_accounts_and_knows_no_states(self):
        self.assertEqual({'ann', 'tom'}, set(self.told(OLD)))

    def test_others_are_told_nothing(self):
        use, = (use for use in accounts.all_told(
            self.blueprint, self.state).elements if use.element == OTHER)
        self.assertEqual({}, use.variables)


class RememberedTest(Case):
    """Changes that come by other ways"""

    def moved(self, people, after=None, own=None, before=None):
        """The users after the blueprint's parameter is another."""
        new = State(parameters={'people': [
            {'name': one} if isinstance(one, str) else one
            for one in people]}, users=self.state.users if own is None else {
                name: Account.from_json(entry)
                for name, entry in own.items()})
        return self.kept(users.remembered(
            self.state, new, before or self.blueprint,
            after or self.blueprint))

    def test_who_leaves_the_list(self):
        uid = accounts.number('user', 'ann')
        self.assertEqual({'ann': {'uid': uid, 'state': 'gone',
                                  'home': 'keep', 'end_jobs': False}},
                         self.moved([]))
        self.state = State.from_json({
            **self.state.to_json(), 'parameters': {'people': []},
            'users': self.moved([])})
        # On the list again, with the same id or not at all.
        self.assertEqual({}, self.moved(['ann']))
        error = self.assertRaises(Invalid, self.moved, [
            {'name': 'ann', 'uid': 4000}])
        self.assertEqual(['$.users.ann.uid'],
                         [one.where for one in error.findings])
        error = self.assertRaises(Invalid, self.moved, [
            {'name': 'tom', 'uid': uid}])
        self.assertIn('or was, the id of ann', error.findings[0].message)

    def test_who_was_taken_off_stays_off_the_list(self):
        self.change(ann=None)
        self.assertEqual('gone', self.moved(['ann', 'tom'])['ann']['state'])

    def test_another_id(self):
        error = self.assertRaises(Invalid, self.moved, [
            {'name': 'ann', 'uid': 4000}])
        self.assertIn('stays so', error.findings[0].message)

    def test_back_to_before_one_was_changed(self):
        self.change(ann={'sudo': True})
        self.assertEqual({}, self.moved(['ann'], own={}))

    def test_back_to_before_one_was_made(self):
        self.change(bob={'uid': 4000})
        self.assertEqual({'bob': {'uid': 4000, 'state': 'gone',
                                  'home': 'keep', 'end_jobs': False}},
                         self.moved(['ann'], own={}))

    def test_back_to_where_a_home_was_purged(self):
        gone = self.change(bob={'uid': 4000}) and self.change(
            bob={'state': 'gone', 'home': 'purge', 'end_jobs': True})
        then = dict(gone)
        self.change(bob={})
        self.assertEqual(('gone', 'keep', False), tuple(
            self.moved(['ann'], own=then)['bob'][key]
            for key in ('state', 'home', 'end_jobs')))

    def test_the_element_is_off_meanwhile(self):
        without = blueprint(OTHER)
        self.change(bob={'uid': 4000})
        kept = self.kept(self.state)
        self.assertEqual(kept, self.moved(['ann'], without))
        self.assertEqual(kept, self.moved([], without))
        self.assertEqual(kept, self.moved(['ann'], before=without))

    def test_listed_twice(self):
        error = self.assertRaises(Invalid, self.moved, ['ann', 'ann'])
        self.assertIn('twice', error.findings[0].message)

    def test_a_new_cluster(self):
        def wrong(*people):
            return {one.where for one in accounts.clashes(
                self.blueprint, State(parameters={
                    'people': list(people)}))}

        ann, bob = {'name': 'ann'}, {'name': 'bob', 'groups': ['ann', 'x']}
        self.assertEqual(set(), wrong(ann, bob))
        self.assertEqual({'$.users.bob'}, wrong(bob, bob))
        self.assertEqual({'$.users.tom.uid'}, wrong(ann, bob, {
            'name': 'tom', 'uid': accounts.number('user', 'ann')}))
        self.assertEqual({'$.users.bob.groups'}, wrong(ann, {
            'name': 'bob', 'groups': [same_id('ann', 'group')]}))

    def test_what_is_lost(self):
        old = self.change(bob={}, tom={}) and self.state
        self.change(bob={'state': 'gone', 'home': 'purge'}, tom=None)
        self.assertEqual(['bob'], users.purged(old, self.state))
        self.assertEqual([], users.purged(self.state, self.state))


NAME = st.sampled_from(('ann', 'bob', 'tom', 'eve'))
ASKED = st.one_of(st.none(), st.fixed_dictionaries({}, optional={
    'uid': st.integers(1000, 1004), 'sudo': st.booleans(),
    'groups': st.lists(st.sampled_from(('lab', 'bob', 'zoo')), unique=True),
    'state': st.sampled_from(('on', 'off', 'gone'))}))
LISTS = st.lists(st.fixed_dictionaries({'name': NAME}, optional={
    'uid': st.integers(1000, 1004)}), unique_by=lambda one: one['name'])
STEPS = st.lists(st.one_of(st.dictionaries(NAME, ASKED, min_size=1), LISTS),
                 max_size=8)


class PropertiesTest(testtools.TestCase):

    @hypothesis.given(STEPS)
    def test_an_id_is_given_once(self, steps):
        made = blueprint(MAKER)
        state = State(parameters={'people': []})
        owners = {}
        for step in steps:
            try:
                if isinstance(step, dict):
                    state = users.changed(state, made, step, AT)
                else:
                    state = users.remembered(
                        state, dataclasses.replace(
                            state, parameters={'people': step}), made, made)
            except Invalid:
                continue
            for one in accounts.listed(made, state):
                self.assertEqual(one.name,
                                 owners.setdefault(one.account.uid, one.name))
            # Nobody is forgotten.
            self.assertEqual(set(owners.values()), {
                one.name for one in accounts.listed(made, state)})
