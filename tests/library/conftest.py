import os
import tempfile

import hypothesis
import hypothesis.configuration

# Nothing is kept between runs, and nothing is written where an image is read-only. A first example builds a graph.
hypothesis.configuration.set_hypothesis_home_dir(os.path.join(tempfile.gettempdir(), 'hypothesis'))
hypothesis.settings.register_profile('here', database=None, deadline=None)
hypothesis.settings.load_profile('here')
