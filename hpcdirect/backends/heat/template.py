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


"""The template of a cluster's stack: the author's, flat, with our marks.

Everything that a later look needs is in the stack itself: which slots are
wanted (parameter ``hpcdirect``), and on every server whose it is, its
slot, its incarnation and the host key it shows. So nothing is remembered
here, and whoever comes next finds what the last one made.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
import yaml

from hpcdirect.backends.base import InfraRequest
from hpcdirect.backends.base import Slot
from hpcdirect.blueprints import flat as flats
from hpcdirect.blueprints import hot
from hpcdirect.blueprints import stack_check
from hpcdirect.blueprints.hot import Template
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.blueprints.stack_check import PUBLIC_KEY
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import entries as entries_of
from hpcdirect.jsontypes import members
from hpcdirect.wishes import NOBODYS
from hpcdirect.wishes import Wish

#: On everything that is ours, and with the cluster's id behind a dash.
TAG = 'hpcdirect'
#: The parameter that says what is wanted.
MEMO = 'hpcdirect'

_TAGGED = ('OS::Neutron::Net', 'OS::Neutron::Port', 'OS::Neutron::Subnet',
           'OS::Neutron::Router', hot.SERVER)
_HIDDEN: Object = {'type': 'string', 'hidden': True, 'default': ''}

# Where both parts say something, cloud-init takes the later one's word.
_BEGIN = """\
Content-Type: multipart/mixed; boundary="==hpcdirect=="
MIME-Version: 1.0
"""
_THEIRS = """
--==hpcdirect==
Content-Type: text/plain; charset="utf-8"
MIME-Version: 1.0

"""
_OURS = """
--==hpcdirect==
Content-Type: text/cloud-config; charset="utf-8"
MIME-Version: 1.0

#cloud-config
disable_root: false
manage_etc_hosts: false
ssh_deletekeys: true
ssh_keys:
  ed25519_public: {public}
  ed25519_private: |
"""
_END = '\n--==hpcdirect==--\n'


@dataclasses.dataclass(frozen=True)
class StackInput:
    """What Heat is to get.

    :param parameters: values, of new parameters only when a stack is there.
    """

    template: dict[str, JSON]
    parameters: dict[str, JSON]


def name(cluster_id: str) -> str:
    """Name of a cluster's stack, and its tag."""
    return f'{TAG}-{cluster_id}'


def network_of(request: InfraRequest) -> str:
    """Name of the network that the nodes talk over."""
    said = str(request.settings.get('network', ''))
    resources = hot.parse(request.template).resources
    if resources.get(said, {}).get('type') == 'OS::Neutron::Net':
        return name(request.cluster_id)
    return said


def entries(request: InfraRequest) -> dict[str, str]:
    """Node group -> the template's output with the address to come in by."""
    return {group: str(values['entry'])
            for group, values in request.groups.items()
            if values.get('entry')}


def build(request: InfraRequest, slots: Iterable[Slot],
          stored: Object | None = None) -> StackInput:
    """The template with these of the request's slots in it.

    :param stored: the stack's template as it is; what it has of a slot that
        stays is taken over to the letter.
    :raises Invalid: with all that is wrong with the author's template.
    """
    slots = list(slots)
    template = hot.parse(request.template)
    _check(template, request)
    given = {**members(request.settings.get('parameters')),
             PUBLIC_KEY: request.public_key}
    kept = _kept(stored or {}, slots)
    flat = _flat(template, request, [
        slot for slot in slots
        if slot.name not in kept or _known(template, request, slot)], given)
    values = {key: value for key, value in given.items()
              if key in flat.parameters}
    values[MEMO] = memo(request)
    parameters: dict[str, Object] = {
        **flat.parameters, MEMO: {'type': 'string', 'default': ''},
        **{_key_name(slot): _HIDDEN for slot in slots}}
    fresh = [slot for slot in slots if slot.name not in kept]
    _check_user_data(flat, fresh)
    resources = dict(flat.resources)
    for slot in fresh:
        values[_key_name(slot)], public = _host_key()
        resources[slot.name] = _marked_server(
            resources[slot.name], request, slot, public)
    return StackInput(dataclasses.replace(
        flat, parameters=parameters, resources={
            one: _marked(_with_network(one, resource, request),
                         request.cluster_id)
            for one, resource in _with_kept(resources, kept).items()}
    ).plain(), values)


def render(request: InfraRequest) -> str:
    """The author's template, flat, for people to read."""
    return yaml.safe_dump(flattened(request, request.slots).plain(),
                          sort_keys=False, width=78)


def flattened(request: InfraRequest, slots: Iterable[Slot]) -> Template:
    """The author's template with these slots, flat; without our marks.

    :raises Invalid: it cannot be made flat.
    """
    return _flat(hot.parse(request.template), request, slots,
                 members(request.settings.get('parameters')))


def _known(template: Template, request: InfraRequest, slot: Slot) -> bool:
    """Whether the template has such machines.

    It may not, where a slot's group has gone with a version of the
    blueprint and its machine is still being drained.
    """
    return stack_check.resource_of(request.groups, slot.group) \
        in template.resources


def _flat(template: Template, request: InfraRequest, slots: Iterable[Slot],
          parameters: Object) -> Template:
    groups = request.groups
    return flats.expand(template, request.files, [
        flats.TemplateSlot(slot.name, stack_check.resource_of(
            groups, slot.group))
        for slot in slots], parameters, [
        stack_check.resource_of(groups, group) for group in groups])


@dataclasses.dataclass(frozen=True)
class Memo:
    """What a stack itself says of what is wanted.

    :param network: name of the network whose addresses the nodes use.
    :param entries: node group -> output with the address to come in by.
    :param wish: of the request that the stack was changed for last.
    """

    slots: tuple[Slot, ...] = ()
    network: str = ''
    entries: Mapping[str, str] = dataclasses.field(default_factory=dict)
    wish: Wish = NOBODYS


def memo(request: InfraRequest) -> str:
    """What is wanted, as the stack keeps it."""
    return json.dumps({
        'slots': [[slot.name, slot.group, slot.incarnation]
                  for slot in request.slots],
        'network': network_of(request), 'entries': entries(request),
        'wish': str(request.wish)})


def read_memo(parameters: Mapping[str, Any]) -> Memo:
    """What a stack's parameters say; nothing when somebody else made it."""
    try:
        said = json.loads(parameters[MEMO])
        return Memo(tuple(Slot(*one) for one in said['slots']),
                    said['network'], said['entries'],
                    Wish.read(said.get('wish', '')))
    except (AttributeError, KeyError, TypeError, ValueError):
        return Memo()


def is_met(request: InfraRequest, parameters: Mapping[str, Any]) -> bool:
    """Whether a stack is made for just this, whoever wanted it."""
    return dataclasses.replace(read_memo(parameters), wish=request.wish) \
        == read_memo({MEMO: memo(request)})


def _check(template: Template, request: InfraRequest) -> None:
    findings = [
        Finding(message.replace('?.', '?'), (
            f'$.{".".join(map(str, path))}'
            if path[:1] == stack_check.SECTION[:1] else 'template'))
        for path, message in stack_check.rules(
            template, request.files, Infrastructure(
                request.groups, settings=request.settings))]
    if findings:
        raise Invalid(findings)


def _check_user_data(flat: Template, slots: Iterable[Slot]) -> None:
    findings = [Finding(f'{slot.name}: {message}', 'template')
                for slot in slots for message in stack_check.user_data(
                    flat.resources[slot.name])]
    if findings:
        raise Invalid(findings)


def incarnations(stored: Object) -> dict[str, int]:
    """Slot -> the incarnation that a stored template has of it."""
    found = {}
    for name_, resource in Template.of(stored).resources.items():
        said = str(members(hot.properties(resource).get('metadata')).get(
            'hpcdirect_incarnation'))
        if resource.get('type') == hot.SERVER and said.isdigit():
            found[name_] = int(said)
    return found


def _kept(stored: Object, slots: Iterable[Slot]
          ) -> dict[str, dict[str, Object]]:
    """Slot -> its resources in the stored template, of those that stay."""
    resources, there = Template.of(stored).resources, incarnations(stored)
    return {slot.name: {
        key: value for key, value in resources.items()
        if key.partition('.')[0] == slot.name}
        for slot in slots if there.get(slot.name) == slot.incarnation}


def _with_kept(flat: Mapping[str, Object],
               kept: Mapping[str, Mapping[str, Object]]) -> dict[str, Object]:
    """Put back what slots have; it may have named what goes now."""
    resources = {one: resource for one, resource in flat.items()
                 if one.partition('.')[0] not in kept}
    for those in kept.values():
        resources |= those
    return {one: hot.loosened(resource, resources)
            if one.partition('.')[0] in kept else resource
            for one, resource in resources.items()}


def _key_name(slot: Slot) -> str:
    return f'hpcdirect_host_key_{slot.name}_{slot.incarnation}'


def _host_key() -> tuple[str, str]:
    """A fresh host key: private (PEM of OpenSSH) and public line."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH,
        serialization.PublicFormat.OpenSSH).decode()
    return ''.join(f'    {line}\n' for line in private.splitlines()), public


def _marked_server(server: Object, request: InfraRequest, slot: Slot,
                   public: str) -> Object:
    said = hot.properties(server)
    theirs = _text(said.get('user_data'))
    return _with(
        server, name=slot.name, user_data_format='RAW',
        # Whatever becomes of it, a machine is not replaced for its user data.
        user_data_update_policy='IGNORE', metadata={
            **members(said.get('metadata')),
            'hpcdirect_cluster': request.cluster_id,
            'hpcdirect_slot': slot.name,
            'hpcdirect_incarnation': str(slot.incarnation),
            'hpcdirect_host_key': public},
        user_data={'list_join': ['', [
            _BEGIN, *([_THEIRS, theirs] if theirs else ()),
            _OURS.format(public=public), {'get_param': _key_name(slot)},
            _END]]})


def _with(resource: Object, **properties: JSON) -> Object:
    """A resource with other properties."""
    return {**resource, 'properties': {
        **hot.properties(resource), **properties}}


def _text(user_data: JSON) -> JSON:
    """User data as text, where it is a resource that holds it."""
    if isinstance(user_data, dict) and list(user_data) == ['get_resource']:
        return {'get_attr': [user_data['get_resource'], 'config']}
    return user_data


def _with_network(name_: str, resource: Object, request: InfraRequest
                  ) -> Object:
    """The nodes' network gets a name by which their addresses are found."""
    if name_ != request.settings.get('network') \
            or resource.get('type') != 'OS::Neutron::Net':
        return resource
    return _with(resource, name=network_of(request))


def _marked(resource: Object, cluster_id: str) -> Object:
    if resource.get('type') not in _TAGGED:
        return resource
    return _with(resource, tags=[
        *(tag for tag in entries_of(hot.properties(resource).get('tags'))
          if not str(tag).startswith(TAG)), TAG, name(cluster_id)])
