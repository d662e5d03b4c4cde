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

"""Prints what a name server says the address of a name is."""

import socket
import struct
import sys

server, name = sys.argv[1:]
query = struct.pack('>6H', 7, 0x100, 1, 0, 0, 0) + b''.join(
    bytes([len(label)]) + label.encode() for label in name.split('.')
) + struct.pack('>B2H', 0, 1, 1)
said = 'no answer'
for _ in range(5):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(2)
        try:
            line.sendto(query, (server, 53))
            answer = line.recv(512)
        except OSError as exc:
            said = str(exc)
            continue
    # Of one answer, the address is the last of it.
    found = struct.unpack('>6H', answer[:12])[3]
    print(socket.inet_ntoa(answer[-4:]) if found else 'no such name')
    sys.exit()
sys.exit('%s: %s' % (server, said))
