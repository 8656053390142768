"""What does not run, or is not built, in the version of today on the core: against a registry on this machine."""

import pytest
from conftest import wheel

REASON = 'import a name that NumPy 1.16 has not'


@pytest.fixture(scope='module', autouse=True)
def pictures(registry):
    """The releases of scikit-image of those years, the first good one with a requirement of its own day."""
    for version, day in (('0.13.1', '2017-09-28'), ('0.14.1', '2018-10-02'), ('0.15.0', '2019-04-03')):
        registry.add(wheel('scikit-image', version), day)
    registry.add(wheel('scikit-image', '0.14.2', requires=['dask>=1']), '2019-01-18')
    for version, day in (('0.18', '2018-06-01'), ('1.0', '2018-11-29'), ('1.1', '2019-03-01')):
        registry.add(wheel('dask', version), day)


@pytest.mark.parametrize(
    'asked, day, got, said',
    [
        ('scikit-image', '2018-08-22', '0.14.2', False),
        ('scikit-image==0.13.1', '2018-08-22', '0.14.2', True),
        ('scikit-image<0.14.2', '2019-05-01', '0.15.0', True),
        ('scikit-image==0.14.2', '2019-05-01', '0.14.2', False),
        ('scikit-image!=0.13.1', '2019-05-01', '0.15.0', False),
    ],
)
def test_it_gets_the_first_version_that_runs_or_what_it_asked(make, call, asked, day, got, said):
    result = call(make({'requirements.txt': f'{asked}\nkeras\n'}, day=day))
    assert result.code == 0, result.err
    assert result.lock['scikit-image'] == got
    assert result.lock.get('dask') == ({'2018-08-22': '1.0', '2019-05-01': '1.1'}[day] if got == '0.14.2' else None)
    assert (REASON in result.out) == said


@pytest.mark.parametrize('day, old', [('2019-08-12', True), ('2019-08-13', False)])
def test_who_does_not_ask_for_it_does_not_get_it_and_old_sources_get_an_old_setuptools(make, call, day, old):
    result = call(make({'requirements.txt': 'keras\n'}, day=day))
    assert result.code == 0 and 'scikit-image' not in result.lock
    assert ('setuptools<41.1\n' in (result.state / 'build.txt').read_text()) == old
