import os
import tempfile

import hypothesis
import hypothesis.configuration

# Nothing is kept between runs, and nothing is written where an image is read-only. A first example builds a graph. The
# examples are the same each time; HYPOTHESIS=random in the environment draws others, and more of them.
hypothesis.configuration.set_hypothesis_home_dir(os.path.join(tempfile.gettempdir(), 'hypothesis'))
hypothesis.settings.register_profile('same', database=None, deadline=None, derandomize=True, max_examples=15)
hypothesis.settings.register_profile('random', database=None, deadline=None, print_blob=True, max_examples=150)
hypothesis.settings.load_profile(os.environ.get('HYPOTHESIS', 'same'))
