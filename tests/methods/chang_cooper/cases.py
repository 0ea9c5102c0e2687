"""How the implicit Fokker-Planck solver is run."""

import kinetic_nde as kn

CELLS = 60


def run(law, start, t1, steps=None, tolerance=1e-4, adjoint=None, **options):
    method = kn.ChangCooper(tolerance, steps)
    return kn.solve(law, start, t1=t1, method=method, adjoint=adjoint or kn.CheckpointAdjoint(), **options)


def often(law, start, t1, times):
    """12 * times equal steps, by one compiled program whatever the number."""
    for _ in range(times):
        start = run(law, start, t1 / times, steps=12).final
    return start


def in_time(law, start, t1, times=8):
    """The averages without the error of first order in time, from two numbers of steps."""
    coarse, fine = (often(law, start, t1, each).values for each in (times, 2 * times))
    return 2 * fine - coarse
