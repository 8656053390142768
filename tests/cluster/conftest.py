import subprocess

import pytest
from containers import ENGINE, IMAGE


@pytest.fixture(autouse=True)
def fresh_graph():
    """In place of the other tests' fixture of this name: an engine wants its user's home, with images and plugins."""


@pytest.fixture
def started():
    """Starts `Containers`, and takes them down whatever becomes of the test."""
    made = []

    def start(containers):
        made.append(containers)
        containers.start()
        return containers

    yield start
    for containers in made:
        containers.end()


@pytest.fixture
def kill():
    """Sends a process SIGKILL at once, from above its container, as a machine out of memory does.

    What is ended by an engine's own `kill` counts as ended by a person, and is not started again.
    """
    above = '--rm -i --network none --pid host --user 0 --cap-drop ALL --cap-add KILL'.split()
    command = [ENGINE, 'run', *above, IMAGE, 'sh', '-c', 'echo ready; read pid; kill -9 $pid && echo killed']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killer:
        assert killer.stdout.readline() == 'ready\n'

        def kill(pid):
            killer.stdin.write(f'{pid}\n')
            killer.stdin.flush()
            assert killer.stdout.readline() == 'killed\n'

        yield kill
        killer.stdin.close()
