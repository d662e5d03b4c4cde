# Licensed under the Apache License, Version 2.0; see LICENSE.
extensions = ['openstackdocstheme']
html_theme = 'openstackdocs'
project = 'hpcdirect'
copyright = 'the hpcdirect authors'
openstackdocs_auto_name = False
openstackdocs_pdf_link = False
openstackdocs_use_storyboard = False
openstackdocs_repo_name = 'openstack/hpcdirect'
pygments_style = 'native'
