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


"""Requests and templates that the tests of the heat backend share."""

import pathlib

import yaml

from hpcdirect.backends.base import InfraRequest
from hpcdirect.backends.base import Slot
from hpcdirect.blueprints import hot

SLURM = (pathlib.Path(__file__).resolve().parents[4]
         / 'blueprints/slurm/stack.yaml').read_text()
GROUPS = {'head': {'resource': 'head', 'entry': 'head_address'},
          'compute': {'resource': 'compute'},
          'special': {'resource': 'special'}}
CLUSTER = '6f1c'
#: A machine with a port of its own, as a nested template.
NODE = """\
heat_template_version: 2021-04-16
parameters:
  net: {type: string}
  image: {type: string}
  label: {type: string, default: plain}
resources:
  port:
    type: OS::Neutron::Port
    properties: {network: {get_param: net}, name: {get_param: label}}
  machine:
    type: OS::Nova::Server
    depends_on: port
    properties:
      image: {get_param: image}
      networks: [{port: {get_resource: port}}]
outputs:
  address: {value: {get_attr: [port, fixed_ips, 0, ip_address]}}
  ports: {value: {get_attr: [port, fixed_ips]}}
  label: {value: {get_param: label}}
"""
NESTING = """\
heat_template_version: 2021-04-16
parameters:
  public_key: {type: string}
  image: {type: string, default: plain}
resources:
  net: {type: OS::Neutron::Net}
  head:
    type: OS::Nova::Server
    properties:
      user_data: {list_join: [' ', {get_attr: [node, address]}]}
  node:
    type: OS::Heat::ResourceGroup
    depends_on: net
    properties:
      count: 3
      resource_def:
        type: node.yaml
        properties:
          net: {get_resource: net}
          image: {get_param: image}
          label: node-%index%
outputs:
  addresses: {value: {get_attr: [node, address]}}
  first: {value: {get_attr: [node, resource.0.address]}}
  second_ip: {value: {get_attr: [node, resource.1.ports, 0, ip_address]}}
  labels: {value: {get_attr: [node, attributes, label]}}
"""


def slots(*names, incarnation=1):
    """Slots by name; their group is what stands before the number."""
    return tuple(Slot(name, name.rpartition('-')[0], incarnation)
                 for name in names)


def request(*those, template=SLURM, groups=GROUPS, files=None, network='net',
            **parameters):
    """A request for these slots."""
    return InfraRequest(
        CLUSTER, 'c1', 'lab', those, groups, public_key='ssh-ed25519 KEY us',
        template=template, files=files or {},
        settings={'parameters': parameters, 'network': network})


def dangling(template):
    """What a flat template names that is not there."""
    resources, parameters = template['resources'], [
        *template.get('parameters', {}), *hot.PSEUDO]
    named = {(word, name) for part in ('resources', 'outputs')
             for _, word, name in hot.references(template.get(part, {}))
             if name not in (parameters if word == 'get_param'
                             else resources)}
    return named | {
        ('depends_on', name) for resource in resources.values()
        for name in hot.listed(resource.get('depends_on'))
        if name not in resources}


def text(template):
    """A template as its author writes it."""
    return yaml.safe_dump(template, sort_keys=False)
