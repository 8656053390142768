"""Containers that work together, as `nox -s cluster` names their ENGINE and IMAGE."""

import json
import os
import pathlib
import random
import re
import subprocess
import time
import uuid

from tensorflow_with_keras import recipe

ROOT = pathlib.Path(recipe.ROOT)
ENGINE, IMAGE = os.environ.get('ENGINE', ''), os.environ.get('IMAGE', '')
TIMEOUT = 240  # seconds that a test waits on a slow machine
IMAGES, BATCH = 1437, 32  # of the digits to train on; the recipes' own batch


def ask(*command):
    return subprocess.run([ENGINE, *command], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def until(condition, what):
    """Waits for the condition, and returns what it returned."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f'waited {TIMEOUT} s in vain: {what}')


def saved(folder):
    """Of the checkpoint that a chief would go on from: the number that it bears; None where there is none."""
    for path in folder.glob('.resume-*/checkpoint'):
        try:
            return int(re.match(r'model_checkpoint_path: ".*/model-(\d+)"', path.read_text())[1])
        except FileNotFoundError:  # the run has ended just now
            pass


class Containers:
    """Containers by short names; `start` and `take_down` are a subclass's."""

    names, restarts = (), 0

    def __init__(self):
        self.project = 'tfk-test-' + uuid.uuid4().hex[:8]
        self.subnet = f'198.18.{random.randint(10, 250)}'

    def container(self, name):
        raise NotImplementedError

    def inspect(self, name):
        return json.loads(ask('container', 'inspect', self.container(name)))[0]

    def said(self, name):
        command = [ENGINE, 'logs', self.container(name)]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def ended_well(self, *names):
        """Whether all have ended with 0. Fails when one has ended otherwise and is not started again."""
        well = True
        for name in names:
            found = self.inspect(name)
            exited, code = found['State']['Status'] == 'exited', found['State']['ExitCode']
            assert not (exited and code) or found['RestartCount'] < self.restarts, f'{name} has ended with {code}'
            well = well and exited and code == 0
        return well

    def end(self):
        for name in self.names:
            if self.container(name):
                print(f'--- {name}\n{self.said(name)}')  # pytest shows it where the test has failed
        self.take_down()
        left = [ask(*kind, '--format', '{{.Name}}') for kind in (('network', 'ls'), ('volume', 'ls'))]
        left.append(ask('ps', '-a', '--format', '{{.Names}}'))
        assert self.project not in '\n'.join(left)
