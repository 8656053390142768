"""What Sphinx is told about the site; scripts/gallery copies it beside the pages."""

project = 'TensorFlow with Keras'
author = 'the contributors of TensorFlow with Keras'
html_title = 'TensorFlow with Keras'
html_show_copyright = html_show_sphinx = html_copy_source = html_show_sourcelink = False

extensions = ['myst_parser', 'sphinx_copybutton', 'sphinx_design']
source_suffix = {'.md': 'markdown'}
root_doc = 'index'
myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 4
# code that is shown as it is, shell with comments and made-up output among it
suppress_warnings = ['misc.highlighting_failure']
nitpicky = True

html_theme = 'pydata_sphinx_theme'
html_static_path = ['_static']
html_css_files = ['gallery.css']
html_js_files = ['gallery.js']
html_favicon = '_static/icon.svg'
html_context = {'default_mode': 'auto'}
html_theme_options = {
    'logo': {'text': 'TensorFlow with Keras'},
    'collapse_navigation': True,
    'navbar_align': 'left',
    'navbar_end': ['theme-switcher'],
    'show_prev_next': False,
    'show_toc_level': 2,
    'footer_start': [],
    'footer_end': [],
    'secondary_sidebar_items': ['page-toc'],
}
# a page of code has no neighbours to choose among; without a tree of all recipes it is made faster, too
html_sidebars = {'index': [], 'tests/**': [], 'docs/keras3/*/*': [], 'scripts/**': [], 'search': []}
