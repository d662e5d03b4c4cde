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

"""What Alembic runs; the connection is handed in by db/migration.py."""

from alembic import context

# Alembic takes what is made for a database's changes by being imported, and
# so are tables that do not stand in models.py.
from hpcdirect.db import orders  # noqa: F401
from hpcdirect.db import plans  # noqa: F401
from hpcdirect.db.migrations import again  # noqa: F401
from hpcdirect.db.models import Base

context.configure(connection=context.config.attributes['connection'],
                  target_metadata=Base.metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
