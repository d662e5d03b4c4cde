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

"""OpenSSH public keys, judged as ssh-keygen judges them."""

import base64
import pathlib
import subprocess

import fixtures
import testtools

from hpcdirect import sshkeys
from hpcdirect.tests import public_keys

KEY = public_keys.line('ann')


def blob(*fields):
    return base64.b64encode(b''.join(
        len(one).to_bytes(4) + one for one in fields)).decode()


#: One that lives in a security key; ssh-keygen needs the device to make it.
SECURITY_KEY = 'sk-ssh-ed25519@openssh.com ' + blob(
    b'sk-ssh-ed25519@openssh.com', bytes(range(32)), b'ssh:')


class ParseTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def made(self, *options):
        """A key pair that ssh-keygen makes: private file, public line."""
        file = self.folder / 'key'
        for old in self.folder.iterdir():
            old.unlink()
        subprocess.run(['ssh-keygen', '-q', '-N', '', '-f', file, '-C',
                        'ann at home', *options], check=True)
        return file, file.with_name('key.pub').read_text().strip()

    def wrong(self, line, said):
        self.assertIn(said, sshkeys.problem(line), line[:60])

    def test_what_ssh_keygen_makes(self):
        for options in (['-t', 'ed25519'], ['-t', 'rsa', '-b', '2048'],
                        *(['-t', 'ecdsa', '-b', bits]
                          for bits in ('256', '384', '521'))):
            _, line = self.made(*options)
            found = sshkeys.parse(line)
            self.assertEqual((line.split()[0], '', 'ann at home'), (
                found.kind, found.options, found.comment))
            said = subprocess.run(
                ['ssh-keygen', '-l', '-E', 'sha256', '-f', '-'], input=line,
                capture_output=True, text=True, check=True).stdout
            self.assertEqual(said.split()[1], found.fingerprint)
        for line in (SECURITY_KEY, KEY):
            self.assertEqual('', sshkeys.problem(line))

    def test_options(self):
        said = 'from="10.0.0.0/8,!10.1.1.1",command="a \\"b, c\\" d",No-PTY'
        self.assertEqual(said, sshkeys.parse(f'{said} {KEY}').options)
        for options, why in (
                ('frm="x"', 'option before the key that sshd does not'),
                ('from', 'takes a value'), ('no-pty="x"', 'no value'),
                ('from="x', 'option before the key'),
                ('no-pty,', 'option before the key'),
                ('host.example.org', 'option before the key')):
            self.wrong(f'{options} {KEY}', why)

    def test_other_things(self):
        file, _ = self.made('-t', 'ed25519')
        private = file.read_text()
        self.wrong(private, 'is a private key')
        for line in private.splitlines()[:2]:
            self.wrong(line, 'is a private key')
        for line in private.splitlines():
            self.assertNotEqual('', sshkeys.problem(line))
            self.assertNotIn(line, sshkeys.problem(line))
        certificate = self.folder / 'key-cert.pub'
        subprocess.run(['ssh-keygen', '-q', '-s', file, '-I', 'ann',
                        f'{file}.pub'], check=True)
        self.wrong(certificate.read_text().strip(), 'is a certificate')
        for kind, said in (('RFC4716', 'RFC 4716'), ('PKCS8', 'PEM format'),
                           ('PEM', 'PEM format')):
            if kind != 'RFC4716':
                self.made('-t', 'rsa', '-b', '2048')
            text = subprocess.run(
                ['ssh-keygen', '-e', '-m', kind, '-f', f'{file}.pub'],
                check=True, capture_output=True, text=True).stdout
            self.wrong(text, said)
        for line, said in (
                ('PuTTY-User-Key-File-3: ssh-ed25519', 'is a private key'),
                ('SSH PRIVATE KEY FILE FORMAT 1.1', 'is a private key'),
                ('---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----',
                 'is a private key'),
                (f'\ufeff{KEY}', 'byte order mark'),
                (f'{KEY}\n{KEY}', 'one line'),
                (f'{KEY}{"x" * 9000}', 'at most 8192'),
                ('SHA256:tqrjHoGmKoqV1jIeL5J9ETjHpbqNFvD0', 'fingerprint'),
                ('', 'is not an OpenSSH public key'),
                ('ann', 'is not an OpenSSH public key'),
                ('-----BEGIN CERTIFICATE-----', 'X.509'),
                (f'ssh-dss {blob(b"ssh-dss")}', 'DSA')):
            self.wrong(line, said)

    def test_damaged(self):
        kind = b'ssh-ed25519'
        _, rsa = self.made('-t', 'rsa', '-b', '1024')
        self.wrong(rsa, '1024 bits')
        _, point = self.made('-t', 'ecdsa', '-b', '256')
        raw = bytearray(base64.b64decode(point.split()[1]))
        raw[-1] ^= 1
        for line, said in (
                (KEY[:60], 'is damaged'),
                (f'ssh-ed25519 {blob(kind, bytes(31))}', 'shorter or longer'),
                (f'ssh-ed25519 {blob(kind, bytes(32), b"")}', 'shorter or'),
                (f'ssh-rsa {KEY.split()[1]}', 'a key of another'),
                (f'ssh-ed25519 {blob(kind)}', 'shorter or longer'),
                ('ssh-ed25519 A', 'not base64'),
                ('ssh-ed25519', 'shorter or longer'),
                (f'ssh-rsa {blob(b"ssh-rsa", bytes([4]), bytes([1] * 257))}',
                 'no RSA key'),
                ('ecdsa-sha2-nistp256 '
                 + base64.b64encode(bytes(raw)).decode(), 'point'),
                ('ecdsa-sha2-nistp384 ' + blob(
                    b'ecdsa-sha2-nistp384', b'nistp256', b'\x04'),
                 'another curve')):
            self.wrong(line, said)

    def test_whatever_is_taken_ssh_keygen_takes(self):
        """Every cut and every changed byte of a key."""
        kept = []
        for options in (['-t', 'ed25519'], ['-t', 'ecdsa']):
            _, line = self.made(*options)
            kind, text, _ = line.split(' ', 2)
            raw = base64.b64decode(text)
            for place in range(0, len(raw), 3):
                changed = bytearray(raw)
                changed[place] ^= 0x41
                for one in (raw[:place], bytes(changed)):
                    kept.append(f'{kind} {base64.b64encode(one).decode()}')
        taken = [line for line in kept if not sshkeys.problem(line)]
        self.assertNotEqual([], taken)
        file = self.folder / 'authorized_keys'
        file.write_text('\n'.join(taken) + '\n')
        listed = subprocess.run(['ssh-keygen', '-l', '-f', file], check=True,
                                capture_output=True, text=True).stdout
        self.assertEqual(len(taken), len(listed.splitlines()))
