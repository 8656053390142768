"""What keeps TensorFlow 1.9 from running on this machine, told before it is imported."""


def cpu_problem(cpuinfo='/proc/cpuinfo'):
    """One sentence where this processor lacks AVX, which TensorFlow's wheels use since 1.6; else None."""
    try:
        with open(cpuinfo) as f:
            flags = [line.split(':', 1)[1].split() for line in f if line.startswith('flags')]
    except OSError:
        return None  # no such file, no verdict
    if flags and 'avx' not in flags[0]:
        return (
            'This processor has no AVX, and the TensorFlow 1.9.0 wheel is compiled for it (it would end with '
            '"Illegal instruction"): use a machine with AVX, Intel Sandy Bridge or AMD Bulldozer of 2011 or newer.'
        )
    return None
