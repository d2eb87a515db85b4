"""Writes docs/statistics.md: what each number of a leaderboard means, and how well it does where the truth is known.

`python docs/calibration.py`, some ten minutes on one core; draws are fixed, so the same code gives the same page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

HOME = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(HOME / "tests/statistics"))

import numpy as np  # noqa: E402
import simulation as sim  # noqa: E402
from scipy.special import ndtr  # noqa: E402
from tables import table  # noqa: E402

from harness.scores import ece  # noqa: E402
from harness.statistics import (  # noqa: E402
    detectable,
    holm,
    interquartile_mean,
    probability_of_improvement,
    seeds_needed,
)

SEEDS = (3, 5, 10)
METRICS = ("war", "uar")
SHARES = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9)

READING = """\
# Statistics

What the numbers of a leaderboard mean, what they don't say, and how well they do on pretended runs whose true effects
are known. Code: `harness/statistics/`; this page is written by `python docs/calibration.py`.

## How to read an effect

An effect is a difference between runs that differ in one factor, in the unit of the score: how much better the test
score is with it. It is estimated within each seed first (runs of one seed share their initial weights and their order
of clips, so that their difference is steadier than their scores), and then averaged over the seeds.

- **The interval** (95 %) holds the effects that the runs are compatible with. Were the whole grid trained again with
  other seeds and scored on other test clips of the same kind, and this done over and over, 95 % of the intervals would
  hold the true effect. A wide one doesn't say that there is no effect: it says that these runs can't tell.
- **p** is how often a difference at least this large comes up where there is none. **p (Holm)** is corrected for how
  many rows one looks at: of all tables in which nothing has an effect, at most 5 % have a row below 0.05 (Holm 1979).
  *helps* and *hurts* go by it; all else is *can't tell*.
- **An interaction** is a difference of differences: how much more the one factor does when the other is on.

Two things are random, and the interval carries both. **Seeds**: another seed gives other weights. **Clips**: the test
set is a sample, and a factor that happens to suit its clips looks good with every seed. The standard error is √V with

    V = s²/n + c

s² is the variance over the n seeds of the seeds' differences. c is the covariance of two seeds' differences that comes
from sharing the test clips. It is the sum over clips of the products of the two seeds' *influences* (how much a clip
moves a difference), averaged over all pairs of seeds, and 0 where that is negative. More seeds make s²/n small; c stays
until there are more test clips. This is how studies in radiology treat readers × cases (Obuchowski & Rockette 1995).

The interval is d̄ ± k √V. With few seeds, s² is hardly known, and k is large: 4.3 with three seeds and no clips' part,
1.96 where the clips are all that varies. In between, k² = z² + (t² − z²) w^(1 + 5p): t is Student's with n − 1 degrees
of freedom, z the normal's, w the seeds' share of V. With the exponent 1 that is Howe's (1974) approximation, which is
never too narrow, but covers up to 97.7 % at three seeds. 1 + 5p was found by trying: 5/4 for the interval, and 1 for
the small p that hold after correction.

No interval is given for a single seed, and none where all seeds agree to the last digit: then either the seed changes
nothing, and the runs are one run repeated, or few clips made the agreement, and neither tells how far another seed
would be. Without stored predictions the interval carries the seeds alone, and the table says so.

**What is fixed**: the data sets of the grid (the row *all* is a mean over these sets, not a claim about others), their
training clips, splits and classes, and every hyper-parameter. For UAR and recalls, the number of test clips of each
class is fixed too.
"""

OTHERS = """\
## The other numbers

- **Average rank** of a method over the data sets (1 is best; seeds are averaged first). Friedman's p (1937) asks
  whether all methods might be alike; two methods whose ranks are closer than Nemenyi's critical difference (1963) can't
  be told apart (Demšar 2006). Seeds of one data set share its clips and don't count as more data sets. Both stand on an
  approximation for many data sets: with fewer than five read them as a description.
- **Interquartile mean**: the mean of the middle half of all scores over data sets and seeds, which a single failed run
  can't move much. **Probability of improvement**: how often a run of one method beats one of the other on the same data
  set, ties half, averaged over data sets (both Agarwal et al. 2021). Their intervals draw the seeds anew
  within each data set. They say nothing of other clips, and are too narrow for few seeds (below): no word in a table
  goes by them.
- **McNemar's test** compares two single runs on the same clips, by the clips that only one got right (1947; the exact
  binomial). It speaks of two trained networks, not of two methods: another seed may turn it round.
- **Variance split**: which part of the scores' variance goes with the data set, the method, both together, the seed
  within a data set, and what is left, by the method of moments of the crossed analysis of variance (Searle, Casella &
  McCulloch 1992). Parts that come out negative are set to 0 and named. The variance that a score has for its test clips
  stands apart: all runs of a data set share its clips, so most of it is in the data sets' part.
- **Detectable effect**: the smallest that the test above finds in 80 % of the grids with so many seeds, were s² and c
  what they seem: each factor's own on each data set, after Holm's first step over the table. Leaderboards show the
  smallest and the largest of a data set's factors, `harness plan` all of them. Above 100 points there is none. From few
  seeds they are a rough guide.
- **Seeds until a width is reached** (Stein 1945): a pilot's s² tells how many seeds are needed. Stopping by a variance
  that goes on to be used makes intervals too narrow, so s² stays the pilot's, and only the mean is over all seeds.
"""

LIMITS = """\
## Limits

- **Clips are taken for independent.** Clips of one person, or cut from one film, are alike. Then c is too small, and
  the intervals are too narrow for the claim "other people, other films"; they hold for other clips of these. The split
  of the set decides how much that matters: with one person in many test clips, much.
- **Tuned settings.** A setting that was chosen by looking at these test scores makes its factor look better than it is,
  and no interval shows that. Tune on `val`, or say what was tuned.
- **One training set.** Other training clips are a third source of variance (Bouthillier et al. 2021), which
  these intervals don't carry.
- **Two seeds** give intervals that are honest but hardly of use; three are the least that a table should stand on.
- **The pretended runs** above have normal seeds and clips. Seeds of which one in ten fails are not normal; a table of
  means can't say that, and the runs' scores in `results.csv` can.
- **A class with one test clip** has no variance to be seen; its clip is compared with the mean over all clips, which
  errs on the wide side (as Lumley 2010 does for a sampling unit that is alone in its stratum).

## Sources

Agarwal et al. 2021, Deep reinforcement learning at the edge of the statistical precipice, NeurIPS, arXiv 2108.13264 ·
Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks, MLSys, arXiv 2103.03098 ·
Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7 ·
Friedman 1937, The use of ranks to avoid the assumption of normality, JASA 32 ·
Hampel 1974, The influence curve and its role in robust estimation, JASA 69 ·
Hillis 2007, A comparison of denominator degrees of freedom methods for multiple observer ROC analysis, Stat. Med. 26 ·
Holm 1979, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6 ·
Howe 1974, Approximate confidence limits on the mean of X + Y, JASA 69 ·
Lumley 2010, Complex surveys ·
McNemar 1947, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 ·
Nemenyi 1963, Distribution-free multiple comparisons, thesis, Princeton ·
Obuchowski & Rockette 1995, Hypothesis testing of diagnostic accuracy for multiple readers and multiple tests, Commun.
Stat. Simul. 24 ·
Searle, Casella & McCulloch 1992, Variance components ·
Stein 1945, A two-sample test for a linear hypothesis whose power is independent of the variance, Ann. Math. Stat. 16.
"""


def by_integration() -> str:
    rows = []
    for seeds in (2, *SEEDS):
        for rule, hillis in (("ours", False), ("Satterthwaite", True)):
            covered = [1 - sim.exact_alarms(seeds, share, hillis=hillis) for share in SHARES]
            often = [sim.exact_alarms(seeds, share, 0.003, hillis=hillis) / 0.003 for share in SHARES]
            rows.append([f"{seeds}, {rule}", *(f"{100 * x:.1f}" for x in covered), f"{max(often):.2f}"])
    pilots = []
    for pilot in SEEDS:
        covered = [1 - sim.exact_alarms_after_stein(pilot, share) for share in SHARES]
        pilots.append([f"pilot of {pilot}", *(f"{100 * x:.1f}" for x in covered)])
    heads = [f"{share:.0%}" for share in SHARES]
    return (
        "## How well intervals do\n\n### worked out, for normal scores\n\nHow many of 95 % intervals hold the true "
        "effect (in %), by what share of V is the clips'. *Satterthwaite* are the degrees of freedom that are usual "
        "for this V (Hillis 2007). Last column: how much too often p ≤ 0.003 comes up, at worst; corrected p values "
        "stand on such small ones.\n\n"
        + table(rows, ["seeds", *heads, "p ≤ 0.003"])
        + "\n\nThe same with seeds added by Stein's rule, by the clips' share of the variance that the width allows.\n"
        + "\n"
        + table(pilots, ["", *heads])
        + "\n"
    )


def coverage(draws: int = 1500, drawn_anew: int = 400) -> str:
    rows = []
    for name, world in sim.WORLDS.items():
        for metric in METRICS:
            cells = [_covered(world, metric, seeds, draws, drawn_anew) for seeds in SEEDS]
            rows.append([name, metric.upper(), *(f"{100 * x:.1f}" for kind in zip(*cells, strict=True) for x in kind)])
            _say(*rows[-1])
    heads = [f"{kind} {n}" for kind in ("both parts,", "seeds alone,", "bootstrap,", "clips' share,") for n in SEEDS]
    return (
        "### on pretended runs\n\nRuns with and without a factor on a test set of 150 clips in three uneven classes. "
        "Whether a clip is right depends on its class, the seed, the clip, what the factor does with this seed and on "
        "this clip, and chance. A row says what varies in the difference; the true effect is 6 to 7 points. In %, with "
        f"3, 5 and 10 seeds: how many intervals hold it ({draws} experiments each, good to ±{_sure(0.95, draws)}). "
        "*Both parts* is what the tables have. *Seeds alone*: Student's paired t, without c. *Bootstrap*: percentiles "
        f"over seeds and clips drawn anew, by class for UAR ({drawn_anew} experiments, ±{_sure(0.9, drawn_anew)}).\n\n"
        + table(rows, ["what varies", "score", *heads])
        + "\n\nThat is why the tables have neither of the other two. The t of the seeds alone misses where the clips "
        "matter, and worse with every seed that is added: it grows sure of what these clips happen to show. The "
        "bootstrap of three seeds draws from three values, and their variance is on average a third too small.\n"
    )


def _covered(world: sim.World, metric: str, seeds: int, draws: int, drawn_anew: int) -> list[float]:
    rng, weights = np.random.default_rng(seeds), sim.main_effect(world, 0)
    true = sim.truth(world, metric, weights)
    both, alone, percentiles, shares = [], [], [], []
    for draw in range(draws):
        right = sim.trained(world, seeds, rng)
        values, influences = sim.scored(world, right, metric)
        found = sim.estimated(weights, values, influences)
        if found.low is not None:
            both.append(sim.covers(found, true))
            alone.append(sim.covers(sim.estimated(weights, values, None), true))
            shares.append(found.clip_variance / (found.clip_variance + found.seed_variance / seeds))
        if draw < drawn_anew:
            low, high = sim.resampled(world, right, metric, rng)
            percentiles.append(low <= true <= high)
    return [float(np.mean(kind)) for kind in (both, alone, percentiles, shares)]


def false_alarms(draws: int = 4500) -> str:
    """Of fewer tables with more seeds, which take as much longer."""
    rows = []
    for metric in METRICS:
        for seeds in SEEDS:
            rng = np.random.default_rng(seeds)
            count = draws // seeds
            tables = [[row.p for row in sim.family(sim.SETS, metric, seeds, rng)] for _ in range(count)]
            after, before = (np.mean([_any_below(kind(table)) for table in tables]) for kind in (holm, list))
            found = f"{100 * after:.1f} ± {_sure(0.05, count)}"
            rows.append([metric.upper(), str(seeds), str(count), found, f"{100 * before:.0f}"])
            _say(*rows[-1])
    return (
        "## False alarms\n\nTables of four factors on three data sets (120 to 200 test clips) and their mean: 16 rows, "
        "in which no factor does anything on average, though each does something with this seed and on that clip. How "
        "many tables call any row an effect (in %).\n\n"
        + table(rows, ["score", "seeds", "tables", "with Holm's correction", "without"])
        + "\n"
    )


def recovery(draws: int = 400) -> str:
    world, rows = sim.PLANTED, []
    contrasts = {f"factor {number + 1}": sim.main_effect(world, number) for number in range(4)}
    contrasts["1 × 2"] = sim.interaction(world, 0, 1)
    contrasts["3 × 4"] = sim.interaction(world, 2, 3)
    for metric in METRICS:
        for seeds in SEEDS:
            rng = np.random.default_rng(seeds)
            runs = [sim.scored(world, sim.trained(world, seeds, rng), metric) for _ in range(draws)]
            _say("recovery", metric, seeds)
            for name, weights in contrasts.items():
                found, true = [sim.estimated(weights, *run) for run in runs], sim.truth(world, metric, weights)
                values = [one.effect for one in found]
                held = np.mean([sim.covers(one, true) for one in found])
                called = np.mean([one.p is not None and one.p < 0.05 for one in found])
                points = [f"{100 * x:+.2f}" for x in (true, np.mean(values))]
                error = f"{100 * np.std(values) / draws**0.5:.2f}"
                rows.append(
                    [metric.upper(), str(seeds), name, *points, error, f"{100 * held:.1f}", f"{100 * called:.0f}"]
                )
    heads = ["score", "seeds", "effect of", "true", "estimated", "±", "intervals that hold it", "p < 0.05"]
    return (
        "## Planted effects\n\nA grid of four factors on one data set of 150 test clips: two help, and help more "
        f"together; one does nothing; one hurts. Effects in points, averaged over {draws} experiments (± is the "
        "simulation's standard error); how many intervals hold the true one, and how many p are below 0.05 before "
        "correction (in %).\n\n" + table(rows, heads) + "\n"
    )


def stein_rule(draws: int = 600, width: float = 0.2, most: int = 40) -> str:
    rows = []
    for name, world in sim.WORLDS.items():
        true = sim.truth(world, "war", sim.main_effect(world, 0))
        for pilot in SEEDS:
            rng = np.random.default_rng(pilot)
            found = [sim.stopped(world, "war", pilot, width, most, rng) for _ in range(draws)]
            known = [one for one in found if one.low is not None]
            held = np.mean([sim.covers(one, true) for one in known])
            narrow = np.mean([one.high - one.low <= 1.1 * width for one in known])
            seeds = np.quantile([one.n_seeds for one in found], [0.1, 0.5, 0.9]).astype(int)
            shown = "{1} ({0} to {2})".format(*seeds)
            rows.append([name, str(pilot), shown, f"{100 * held:.1f}", f"{100 * narrow:.0f}"])
            _say(*rows[-1])
    heads = ["what varies", "pilot", "seeds", "intervals that hold it", "as narrow as wished"]
    return (
        "## Seeds until a width is reached\n\nThe same pretended runs (WAR), with seeds added by Stein's rule until "
        f"the interval is {100 * width:.0f} points wide, or until {most} seeds. Seeds: the median (and the middle "
        f"80 %) of {draws} experiments. How many intervals hold the true effect (in %, ±{_sure(0.95, draws)}), and how "
        "many are at most a tenth wider than wished: c is estimated again from all seeds. Where the clips alone give "
        "a wider interval no seeds are added.\n\n" + table(rows, heads) + "\n"
    )


def influences(draws: int = 1000) -> str:
    rows = []
    for metric, sharpness in {"war": [2.0], "uar": [2.0], "f1": [2.0], "ece": [1.2, 2.0, 4.0]}.items():
        for clips in (150, 1000):
            for sharp in sharpness:
                ratios = sim.spread_of_scores(metric, clips, draws, np.random.default_rng(clips), sharp)
                error = f"{100 * _miscalibrated(sharp):.0f} %" if metric == "ece" else "–"
                rows.append([metric.upper(), str(clips), error, *(f"{x:.2f}" for x in ratios)])
                _say(*rows[-1])
    heads = ["score", "clips", "calibration error", "one run", "difference", "covariance"]
    return (
        "## Influences of clips\n\nThe variance of a run's score over draws of the test set, that of the difference of "
        "two runs' scores, and the covariance of the two: what the influences make of it, over what it is (1 is right; "
        f"{draws} draws, variances good to ±{2 * (2 / draws) ** 0.5:.2f}, covariances to about twice that). For WAR, "
        "UAR and F1 they are right. The calibration error has a kink where a bin's gap is 0. Where many gaps are near "
        "it, its variance comes out up to a quarter too small, and intervals are up to a seventh too narrow in their "
        "clips' part.\n\n" + table(rows, heads) + "\n"
    )


def bootstrap(draws: int = 1000) -> str:
    rows, chance = [], float(ndtr(0.5 / 2**0.5))
    for seeds in SEEDS:
        rng, mean, better = np.random.default_rng(seeds), [], []
        for _ in range(draws):
            x, y = rng.standard_normal((3, seeds)) + 0.5, rng.standard_normal((3, seeds))
            one, two = interquartile_mean(x.tolist()), probability_of_improvement(x.tolist(), y.tolist())
            mean.append(one.low <= 0.5 <= one.high)
            better.append(two.low <= chance <= two.high)
        rows.append([str(seeds), f"{100 * np.mean(mean):.1f}", f"{100 * np.mean(better):.1f}"])
    return (
        "## Intervals of interquartile mean and probability of improvement\n\nHow many of the 95 % intervals hold the "
        f"true value (in %), three data sets with normal scores, {draws} experiments (±{_sure(0.9, draws)}).\n\n"
        + table(rows, ["seeds", "interquartile mean", "probability of improvement"])
        + "\n"
    )


def detectable_effects() -> str:
    rows = []
    for seeds in (2, *SEEDS, 20, 50):
        least = [detectable(2.0**2, clips**2, seeds) for clips in (0, 0.5, 1, 2)]
        rows.append([str(seeds), *(f"{x:.1f}" for x in least)])
    needed = [seeds_needed(3.0, 2.0**2, clips**2) for clips in (0, 0.5, 1, 2)]
    rows.append(["seeds for an effect of 3", *("none is enough" if n is None else str(n) for n in needed)])
    heads = ["seeds", *(f"√c = {clips}" for clips in (0, 0.5, 1, 2))]
    return (
        "## What so many seeds can find\n\nThe smallest effect, in points, that is found in 80 % of grids (p < 0.05, a "
        "single row) where a seed's difference has a standard deviation of 2 points, by the clips' part √c. Where the "
        "clips matter little, five seeds find effects half as large as three do; with many seeds the clips are what is "
        "left.\n\n" + table(rows, heads) + "\n"
    )


def _miscalibrated(sharp: float) -> float:
    """The first run's calibration error on very many clips."""
    runs, labels = sim.predicted(100_000, np.random.default_rng(0), sharp=sharp)
    return ece(runs[0], labels)


def _any_below(ps: list[float | None]) -> bool:
    return any(p is not None and p < 0.05 for p in ps)


def _sure(share: float, draws: int) -> str:
    return f"{200 * (share * (1 - share) / draws) ** 0.5:.1f}"


def _say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


MEASURED: tuple[Callable[[], str], ...] = (
    by_integration,
    coverage,
    false_alarms,
    recovery,
    stein_rule,
    detectable_effects,
)


def page() -> str:
    parts = [READING, *(part() for part in MEASURED), OTHERS, bootstrap(), influences(), LIMITS]
    return "\n".join(parts)


if __name__ == "__main__":
    path = HOME / "docs/statistics.md"
    path.write_text(page(), encoding="utf-8")
    print(f"written: {path}")
