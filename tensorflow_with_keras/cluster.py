"""Recipes of several processes: how they are started on this machine, and how a process learns that it is one of them.

`recipe.main(run, launcher)` asks the launcher. Where the environment already says which process this is, as Kubernetes
operators, horovodrun and mpirun see to, the recipe runs in it; elsewhere the launcher starts all processes here.
"""

import contextlib
import ctypes
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from . import recipe

TIMEOUT = int(os.environ.get('TFK_TIMEOUT', 30))  # seconds that a process waits for another
RESTARTS = 3  # of each process, as a container engine with restart: on-failure:3
WORKERS = ('chief', 'master', 'worker')  # TensorFlow's names for the jobs that train
RESUMES = 'what is saved stays, and the same command resumes from there'


@contextlib.contextmanager
def give_up(sentence, seconds=TIMEOUT):
    """Ends the process with one sentence when the block takes longer: TensorFlow waits for a lost server for ever."""

    def end():
        print('error: ' + sentence, file=sys.stderr, flush=True)
        os._exit(recipe.FAILED)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Process:
    """A process whose lines are shown as they come, and that does not outlive this one.

    # Arguments
        name: str, for messages.
        command: list of str.
        environment: dict.
        show: function of a line that returns the text to show.
    """

    def __init__(self, name, command, environment, show):
        self.name, self.command, self.environment, self.show = name, command, environment, show
        self.starts, self.child, self.relays = 0, None, []

    def start(self):
        self.starts += 1
        # A terminal's Ctrl-C is the launcher's to handle.
        self.child = subprocess.Popen(
            self.command,
            env=dict(self.environment, PYTHONUNBUFFERED='1'),  # else lines come when a block of them is full
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        streams = (self.child.stdout, sys.stdout), (self.child.stderr, sys.stderr)
        self.relays = [threading.Thread(target=self._relay, args=pair, daemon=True) for pair in streams]
        for relay in self.relays:
            relay.start()

    def _relay(self, source, target):
        for line in source:
            target.write(self.show(line))
            target.flush()

    def code(self):
        """None while it runs, else its exit code; -9 when it was killed."""
        return self.child.poll()

    def runs(self):
        return self.child is not None and self.code() is None

    def how(self):
        return 'was killed by signal %d' % -self.code() if self.code() < 0 else 'ended with %d' % self.code()

    def start_again(self):
        """Whether it was started again: not when it has been often enough."""
        self.heard()
        if self.starts > RESTARTS:
            return False
        print('%s %s; starting it again (%d of %d)' % (self.name, self.how(), self.starts, RESTARTS), file=sys.stderr)
        time.sleep(1)
        self.start()
        return True

    def heard(self):
        for relay in self.relays:
            if relay.ident is not None:  # a Ctrl-C may have come between the two
                relay.join(5)


def stop(processes):
    for signum, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, None)):
        running = [p for p in processes if p.runs()]
        for p in running:
            p.child.send_signal(signum)
        for p in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.child.wait(seconds)
    for p in processes:
        p.heard()


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of Linux


def _named(name, line):
    if line == 'Using TensorFlow backend.\n':  # the launcher itself has said it
        return ''
    return '%s | %s' % (name, line) if name else line


class Launcher:
    """Starts a recipe's processes on this machine, where the environment does not yet say which of them this is."""

    interrupted = False

    def join(self):
        """Whether the environment says which process this is. Exits with one sentence where it says it wrongly."""
        raise NotImplementedError

    def index(self):
        """The number of this process among those of its kind, from 0. After `join`."""
        raise NotImplementedError

    def chief(self):
        """Whether this process initialises, saves and records. After `join`."""
        raise NotImplementedError

    def launch(self, command):
        """Runs the command in every process, ends them all when the work is done, and returns an exit code."""
        processes = self._processes(command)
        try:
            for p in processes:
                p.start()
            while not self._done(processes):
                time.sleep(0.1)
        except KeyboardInterrupt:
            print('interrupted; ' + RESUMES, file=sys.stderr)
            self.interrupted = True
            return recipe.INTERRUPTED
        finally:
            stop(processes)
        return 0


class ParameterServer(Launcher):
    """TensorFlow's own cluster: TF_CONFIG in the environment says which process this is.

    # Arguments
        servers, workers: int. How many processes to start where there is no TF_CONFIG.
    """

    def __init__(self, servers=1, workers=2):
        self.sizes = [('ps', servers), ('worker', workers)]

    def join(self):
        """Whether the environment says which process this is. Exits with one sentence where it says it wrongly."""
        text = os.environ.get('TF_CONFIG')
        if not text:
            return False
        try:
            config = json.loads(text)
            task = config['task']
            addresses = config['cluster'][task['type']]
            if task['index'] not in range(len(addresses)) or task['type'] not in ('ps',) + WORKERS:
                raise LookupError(task)
            config['cluster']['ps'][0], next(job for job in WORKERS if config['cluster'].get(job))
        except (ValueError, LookupError, TypeError, StopIteration) as e:
            recipe.fail(
                'TF_CONFIG must be {"cluster": {"ps": [...], "worker": [...]}, "task": {"type": ..., "index": ...}} '
                'with a task that is in the cluster (%r); it is %s' % (e, text)
            )
        return True

    def index(self):
        return json.loads(os.environ['TF_CONFIG'])['task']['index']

    def chief(self):
        """Whether this process initialises, saves and records: the job chief or master, or else the first worker."""
        config = json.loads(os.environ['TF_CONFIG'])
        first = next(job for job in WORKERS if config['cluster'].get(job))
        return config['task']['type'] == first and config['task']['index'] == 0

    def _processes(self, command):
        cluster, sockets = {}, []
        for job, size in self.sizes:
            sockets += [socket.socket() for _ in range(size)]
            for s in sockets[-size:]:
                s.bind(('127.0.0.1', 0))
            cluster[job] = ['127.0.0.1:%d' % s.getsockname()[1] for s in sockets[-size:]]
        for s in sockets:  # all open until now, so that no port was given out twice
            s.close()

        def process(job, index):
            name = '%s %d' % (job, index)
            config = {'cluster': cluster, 'task': {'type': job, 'index': index}}
            show = functools.partial(_named, '' if name == 'worker 0' else name)
            return Process(name, command, dict(os.environ, TF_CONFIG=json.dumps(config)), show)

        return [process(job, index) for job, size in self.sizes for index in range(size)]

    def _done(self, processes):
        """Whether the chief has ended well. Starts again what died."""
        if next(p for p in processes if p.name == 'worker 0').code() == 0:
            return True
        for p in processes:
            if p.code() not in (None, 0) and not p.start_again():
                recipe.fail('%s has failed %d times (see above); %s' % (p.name, p.starts, RESUMES))
        return False


class Horovod(Launcher):
    """Horovod's ranks: horovodrun, mpirun, or an indexed job of Kubernetes says which one this is.

    # Arguments
        ranks: int. How many processes to start where nothing says it.
    """

    def __init__(self, ranks=2):
        self.ranks = ranks

    @staticmethod
    def _number(what):
        # what horovodrun, Open MPI's mpirun, and MPICH's or Slurm's set
        names = [
            'HOROVOD_' + what,
            'OMPI_COMM_WORLD_' + what,
            {'LOCAL_RANK': 'MPI_LOCALRANKID'}.get(what, 'PMI_' + what),
        ]
        return next((int(os.environ[name]) for name in names if name in os.environ), None)

    def join(self):
        """Whether the environment says which rank this is."""
        _join_job()
        if self.index() is None:
            return False
        # one GPU for each rank of a machine, before the first session takes them all
        os.environ.setdefault('CUDA_VISIBLE_DEVICES', str(self._number('LOCAL_RANK') or 0))
        return True

    def index(self):
        return self._number('RANK')

    def chief(self):
        return self.index() == 0

    def _processes(self, command):
        self.own_words = []

        def show(line):
            found = re.match(r'.*?\[(\d+)\]<std(?:out|err)>:(.*\n?)', line)
            if not found:
                self.own_words.append(line)  # a traceback
            if not found or self.interrupted:  # the shells of the ranks each say so
                return ''
            return _named('' if found.group(1) == '0' else 'rank ' + found.group(1), found.group(2))

        # not from the folder of this, where examples/distributed has a file of that name
        start = 'import sys; sys.path.remove(""); from horovod.run.runner import run_commandline as run; run()'
        horovodrun = [sys.executable, '-c', start]
        options = ['-np', str(self.ranks), '--gloo', '--disable-cache']
        return [Process('horovodrun', horovodrun + options + command, dict(os.environ), show)]

    def _done(self, processes):
        """Whether horovodrun has ended well. Says which rank ended it where it has not."""
        (p,) = processes
        if not p.code():
            return p.code() == 0
        p.heard()
        ended = re.findall(r'Process (\d+) exit with status code (\d+)', ''.join(self.own_words))
        if not ended:
            recipe.fail('horovodrun %s: %s' % (p.how(), self.own_words[-1].strip() if p.code() > 0 else RESUMES))
        # when one is lost the others abort, and which ends first is chance
        ended.sort(key=lambda rank_and_code: rank_and_code[1] == '134')
        recipe.fail('rank %s ended with %s, and so all were stopped; ' % ended[0] + RESUMES)


def _join_job():
    """A rank's variables for Horovod out of what an indexed job of Kubernetes and its manifest set.

    HOROVOD_SIZE, HOROVOD_GLOO_RENDEZVOUS_ADDR and _PORT are the manifest's; the first pod serves the others.
    """
    index, address = os.environ.get('JOB_COMPLETION_INDEX'), os.environ.get('HOROVOD_GLOO_RENDEZVOUS_ADDR')
    if index is None or address is None or 'HOROVOD_RANK' in os.environ:
        return
    try:
        size, port = (os.environ['HOROVOD_' + name] for name in ('SIZE', 'GLOO_RENDEZVOUS_PORT'))
        size, port = str(int(size)), int(port)
    except (KeyError, ValueError) as e:
        recipe.fail('HOROVOD_SIZE and HOROVOD_GLOO_RENDEZVOUS_PORT must be whole numbers in a job (%r)' % e)
    os.environ.update(
        {
            'HOROVOD_RANK': index,
            'HOROVOD_CROSS_RANK': index,
            'HOROVOD_CROSS_SIZE': size,
            'HOROVOD_LOCAL_RANK': '0',
            'HOROVOD_LOCAL_SIZE': '1',
            'HOROVOD_CONTROLLER': 'gloo',
            'HOROVOD_CPU_OPERATIONS': 'gloo',
        }
    )
    os.environ.setdefault('HOROVOD_GLOO_IFACE', 'eth0')
    if index == '0':
        from horovod.run.gloo_run import _allocate
        from horovod.run.http.http_server import RendezvousHandler, RendezvousHTTPServer

        try:
            server = RendezvousHTTPServer(('', port), RendezvousHandler, 0)
        except OSError as e:
            recipe.fail('cannot listen on port %d (%s): end what has it, or name another port' % (port, e.strerror))
        server.extract_scope_size(_allocate(','.join('%d:1' % i for i in range(int(size))), int(size)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
    deadline = time.time() + TIMEOUT
    while True:
        try:
            socket.create_connection((address, port), timeout=2).close()
            return
        except OSError as e:
            if time.time() > deadline:
                recipe.fail(
                    'rank %s could not reach rank 0 at %s:%d within %d s (%s)' % (index, address, port, TIMEOUT, e)
                )
            time.sleep(0.5)
