"""Average ranks, against scipy and the worked example of Demšar (2006)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from harness.statistics import average_ranks

unhurried = settings(max_examples=50, deadline=None)  # a busy machine takes its time
tables = arrays(float, st.tuples(st.integers(2, 8), st.integers(3, 6)), elements=st.integers(0, 4))

# AUC of C4.5 with parameters m and cf tuned or not, on 14 data sets (Demšar 2006, table 6); .9751 is printed as .975,
# but ranked before the other one
AUC = """.763 .768 .771 .798  .599 .591 .590 .569  .954 .971 .968 .967  .628 .661 .654 .657  .882 .888 .886 .898
.936 .931 .916 .931  .661 .668 .609 .685  .583 .583 .563 .625  .775 .838 .866 .875  1.0 1.0 1.0 1.0
.940 .962 .965 .962  .619 .666 .614 .669  .972 .981 .9751 .975  .957 .978 .946 .970"""


def test_the_worked_example_comes_out_as_printed():
    found = average_ranks(np.array(AUC.split(), float).reshape(14, 4))
    assert found.ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=0.001)
    assert found.critical == pytest.approx(1.25, abs=0.005)
    untied = 12 * 14 / 20 * np.square(np.array(found.ranks) - 2.5).sum()
    assert untied == pytest.approx(9.28, abs=0.01)  # as printed there; ties in the data make p smaller
    assert found.p < stats.chi2(3).sf(untied)
    assert found.cliques == ((3, 1, 2, 0),) and not found.few


@unhurried
@given(tables)
def test_p_is_friedmans(scores):
    tied = (scores == scores[:, :1]).all()  # then scipy divides by nothing
    expected = 1.0 if tied else stats.friedmanchisquare(*scores.T).pvalue
    assert average_ranks(scores).p == pytest.approx(expected, abs=1e-9)


@unhurried
@given(tables)
def test_ranks_are_those_of_scipy_the_best_first(scores):
    expected = np.mean([stats.rankdata(-row) for row in scores], axis=0)
    assert average_ranks(scores).ranks == pytest.approx(expected)


@unhurried
@given(tables)
def test_a_clique_holds_all_methods_between_its_ends_and_no_clique_is_within_another(scores):
    found = average_ranks(scores)
    rank = found.ranks
    for clique in found.cliques:
        low, high = rank[clique[0]], rank[clique[-1]]
        assert high - low <= found.critical and len(clique) > 1
        assert {place for place in range(len(rank)) if low < rank[place] < high} <= set(clique)
    together = [{*clique} for clique in found.cliques]
    assert not any(one < other for one in together for other in together)
    near = {(a, b) for a in range(len(rank)) for b in range(a) if abs(rank[a] - rank[b]) <= found.critical}
    assert near == {(a, b) for clique in together for a in clique for b in clique if b < a}


def test_few_data_sets_are_told_and_one_gives_ranks_alone():
    scores = np.array([[0.7, 0.6, 0.5]] * 5)
    assert not average_ranks(scores).few
    assert average_ranks(scores[:4]).few and average_ranks(scores[:4]).p is not None
    one = average_ranks(scores[:1])
    assert one.ranks == (1, 2, 3) and one.few and (one.p, one.critical, one.cliques) == (None, None, ())
