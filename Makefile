PYTHON ?= python3
HARNESS := .venv/bin/harness

.PHONY: grid test test-slow test-slurm tiny lint format postmortem sentinels reliability soak statistics docs tiny-model lock audit clean

grid: .venv/installed  ## train the default grid and write leaderboards/default/
	$(HARNESS) run --grid

tiny: .venv/installed  ## every pair of the default grid as a smoke test
	$(HARNESS) run --grid --tiny --out runs/leaderboard-tiny

test: .venv/installed lint  ## what CI runs
	.venv/bin/python -m pytest -m "not slow and not slurm" -n auto

test-slow: .venv/installed  ## checks that take minutes
	.venv/bin/python -m pytest -m "slow and not slurm"

test-slurm: .venv/installed  ## a two-node SLURM cluster on this machine (root, Debian's slurm-wlm and munge), a quarter of an hour
	tests/slurm/cluster.sh up
	.venv/bin/python -m pytest -m slurm tests/slurm

lint: .venv/installed  ## style, types, layers
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: .venv/installed
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

postmortem: .venv/installed  ## train the post-mortem's grid and write docs/postmortem.md
	-$(HARNESS) run --grid grids/postmortem.toml --out runs/leaderboard-postmortem
	.venv/bin/python docs/postmortem.py

sentinels: .venv/installed  ## plant every defect, train healthy runs, and write docs/sentinels.md (half an hour)
	.venv/bin/python docs/sentinels.py

reliability: .venv/installed  ## write docs/reliability.md from the tests of faults
	.venv/bin/python docs/reliability.py

soak: .venv/installed  ## an hour of kills, power cuts and damaged files, then everything compared
	.venv/bin/python benchmarks/soak.py --minutes 60

statistics: .venv/installed  ## simulate how well the statistics do and write docs/statistics.md (minutes)
	.venv/bin/python docs/calibration.py

docs: .venv/installed  ## build the site into build/site; whatever leads nowhere fails
	.venv/bin/python docs/website/build.py build/site

tiny-model: .venv/installed  ## pretrain the embedded model again (minutes)
	.venv/bin/python -m harness.miniature.pretrain --out harness/assets/tiny

lock: .venv/installed  ## note which versions the tests have passed with
	.venv/bin/python -m pip freeze --exclude-editable > requirements.lock

audit:  ## known vulnerabilities of the locked versions; asks pypi.org, and fails where it can't
	test -x build/audit/bin/pip-audit || $(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --upgrade pip-audit
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements.lock

.venv/installed: pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:  ## remove the environment; runs and leaderboards stay
	rm -rf .venv
