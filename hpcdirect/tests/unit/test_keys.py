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

"""Signatures and seals: who made them, and what becomes of foreign ones."""

import hashlib
import hmac
import pathlib

from cryptography import fernet
import fixtures
from hypothesis import given
from hypothesis import strategies
import testtools

from hpcdirect import keys
from hpcdirect.digests import canonical
from hpcdirect.exception import Unavailable
from hpcdirect.keys import KeyRing
from hpcdirect.keys import Verdict

ONE, TWO = (fernet.Fernet.generate_key() for _ in range(2))


def part(scheme):
    """What is signed; each scheme covers something else."""
    return {'said': 'this', 'scheme': scheme}


def first_scheme(key, value):
    """A signature as the release before made it."""
    return hmac.new(hashlib.sha256(b'sign' + key).digest(),
                    canonical(value).encode(), hashlib.sha256).hexdigest()


class SignatureTest(testtools.TestCase):

    def test_it_says_who_signed_and_with_which_key(self):
        ring = KeyRing([ONE, TWO])
        for who in (keys.API, keys.CONDUCTOR):
            made = ring.sign(part, who)
            self.assertEqual(['2', who], made.split('.')[:2])
            # The column of deployments takes no more.
            self.assertLessEqual(len(made), 64)
            self.assertTrue(ring.current(made))
            self.assertEqual(Verdict.GOOD, ring.judge(part, made))
            other = {keys.API: keys.CONDUCTOR, keys.CONDUCTOR: keys.API}[who]
            self.assertEqual(Verdict.FORGED, ring.judge(
                part, made.replace(who, other)))
        self.assertEqual(Verdict.FORGED, ring.judge(
            lambda scheme: {'said': 'that'}, ring.sign(part)))

    def test_any_line_verifies_and_the_first_signs(self):
        made = KeyRing([ONE]).sign(part)
        later = KeyRing([TWO, ONE])
        self.assertEqual(Verdict.GOOD, later.judge(part, made))
        self.assertFalse(later.current(made))
        self.assertEqual(Verdict.GOOD, KeyRing([TWO]).judge(
            part, later.sign(part)))

    def test_what_is_not_known_is_no_forgery(self):
        ring = KeyRing([ONE])
        for made, word in (
                (KeyRing([TWO]).sign(part), 'key'),
                (ring.sign(part).replace('2.', '3.', 1), 'way'),
                (ring.sign(part).replace('api', 'portal'), 'portal'),
                ('2.api', 'way'), ('2.api.x.y.z', 'way'), ('9.', 'way'),
                ('.', 'way'), ('2.', 'way'), ('2.api.é.x', 'way')):
            self.assertIn(word, ring.strange(made), made)
            self.assertEqual(Verdict.UNKNOWN, ring.judge(part, made))

    @given(strategies.text(max_size=80))
    def test_no_text_is_taken_for_a_signature(self, text):
        self.assertNotEqual(Verdict.GOOD, KeyRing([ONE]).judge(part, text))

    def test_the_release_before(self):
        made = first_scheme(TWO, part(1))
        self.assertEqual(Verdict.GOOD, KeyRing([ONE, TWO]).judge(part, made))
        self.assertEqual(Verdict.FORGED, KeyRing([ONE]).judge(part, made))
        self.assertEqual(made, KeyRing([TWO], scheme=1).sign(part))
        self.assertFalse(KeyRing([TWO]).current(made))


class SealTest(testtools.TestCase):

    def test_it_opens_in_its_place_only(self):
        ring = KeyRing([ONE])
        sealed = ring.encrypt('a word', 'here')
        self.assertEqual('a word', ring.decrypt(sealed, 'here'))
        self.assertTrue(ring.current(sealed))
        self.assertIn('place', str(self.assertRaises(
            Unavailable, ring.decrypt, sealed, 'there')))

    def test_what_cannot_be_opened_says_which_key_is_missing(self):
        sealed = KeyRing([ONE]).encrypt('a word', 'here')
        why = str(self.assertRaises(
            Unavailable, KeyRing([TWO]).decrypt, sealed, 'here'))
        self.assertIn(sealed.split('.')[1], why)
        for wrong in ('', 'x', '9.a.b', sealed[:-2], 'é', '2.', '2.x'):
            self.assertRaises(Unavailable, KeyRing([ONE]).decrypt, wrong,
                              'here')

    def test_the_release_before(self):
        sealed = fernet.Fernet(TWO).encrypt(b'"a word"').decode()
        ring = KeyRing([ONE, TWO])
        self.assertEqual('a word', ring.decrypt_json(sealed, 'anywhere'))
        self.assertFalse(ring.current(sealed))
        older = KeyRing([TWO], scheme=1).encrypt('a word', 'here')
        self.assertEqual(b'a word', fernet.Fernet(TWO).decrypt(older))

    def test_no_purpose_shares_a_key(self):
        """What signs does not open; what opens does not name the line."""
        line = keys._Line(ONE)
        derived = {line.name, line.first_signing, *line.signing.values(),
                   line.derived('seal 2'), ONE}
        self.assertEqual(6, len(derived))


class FileTest(testtools.TestCase):

    def test_a_line_that_is_no_key(self):
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'keys')
        for text in (b'', b'no key\n', ONE[:-3]):
            path.write_bytes(text)
            self.assertRaises(Unavailable, KeyRing.load, str(path))
