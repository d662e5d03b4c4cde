# Licensed under the Apache License, Version 2.0; see LICENSE.
extensions = ['openstackdocstheme', 'cliff.sphinxext']
html_theme = 'openstackdocs'
project = 'hpcdirect'
copyright = 'the hpcdirect authors'
openstackdocs_auto_name = False
openstackdocs_pdf_link = False
openstackdocs_use_storyboard = False
openstackdocs_repo_name = 'openstack/hpcdirect'
pygments_style = 'native'
# What every command takes for the way its output looks.
autoprogram_cliff_ignored = [
    '-h', '-f', '-c', '--column', '--fit-width', '--format', '--help',
    '--max-width', '--noindent', '--prefix', '--print-empty', '--quote',
    '--sort-ascending', '--sort-column', '--sort-descending', '--variable']
