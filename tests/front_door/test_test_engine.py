"""scripts/test-engine/set-up where it must not or cannot bring up an engine; `nox -s image` runs it where it can."""

import os
import shutil
import subprocess

import pytest
from test_make import SYSTEM, program

from tensorflow_with_keras.recipe import ROOT


@pytest.fixture
def set_up(tmp_path):
    """Runs it on a machine whose engines do not answer, as the given user; what it would install is logged."""

    def set_up(user=1000, **env):
        folder = tmp_path / 'bin'
        for name in ('docker', 'podman', 'dockerd'):
            program(folder, name, 'exit 1\n')
        program(folder, 'id', 'echo %d\n' % user)
        program(folder, 'apt-get', 'echo "$@" >> %s\n' % (tmp_path / 'installed'))
        scripts = tmp_path / 'checkout' / 'scripts'  # a checkout whose own daemon runs nowhere
        shutil.copytree(os.path.join(ROOT, 'scripts'), str(scripts))
        done = subprocess.run(
            [str(scripts / 'test-engine' / 'set-up')],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env=dict(PATH='%s:%s' % (folder, SYSTEM), HOME=str(tmp_path), **env),
        )
        assert not (tmp_path / 'installed').exists()
        return done.returncode, done.stderr

    return set_up


@pytest.mark.parametrize(
    'env, said',
    [
        ({'ENGINE': 'local'}, 'ENGINE=local asks for no container, and this needs one.'),
        ({'ENGINE': 'podman'}, 'Podman is needed here, and only root on Debian can have it installed'),
        ({}, 'Podman is needed here, and only root on Debian can have it installed'),
        ({'ENGINE': 'docker'}, 'Docker does not answer, and only root can start it'),
        ({'ENGINE': 'lxc'}, "there is no engine 'lxc'; there are: docker, podman, local."),
        # the daemon that a person names is the one that is meant
        ({'ENGINE': 'docker', 'DOCKER_HOST': 'tcp://nowhere', 'user': 0}, 'ENGINE=docker does not answer'),
    ],
)
def test_what_it_cannot_do_is_one_sentence(set_up, env, said):
    code, err = set_up(**env)
    assert code in (2, 3) and len(err.splitlines()) == 1 and err.startswith('error: ') and said in err
