# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Compare two models
#
# A model trained half a year ago serves. A new one is trained. Is it better, by how much, and whom would it move? The
# answer is a difference on the same customers with an interval, a look at money, and a gate that decides.

# %%
# %matplotlib inline
import tempfile
from datetime import date
from pathlib import Path

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace

folder = Path(tempfile.mkdtemp()) / "firm"
BEFORE, NOW = date(2025, 9, 1), date(2026, 3, 2)
make_workspace(folder, customers=800, seed=3)
ws = crm.open_workspace(folder)

# %% [markdown]
# ## Two trainings

# %%
old = crm.train(ws, "churn", as_of=BEFORE)
new = crm.train(ws, "churn", as_of=NOW)
print(old.version, old.verdict, old.model_kind)
print(new.version, new.verdict, new.model_kind)

# %% [markdown]
# What was tried in the new one: candidates and rules side by side, chosen on folds that end before the evaluation.

# %%
new.training.candidates[["name", "kind", "inner_log_loss", "auc", "auc_low", "auc_high", "ece", "chosen"]].round(3)

# %% [markdown]
# ## Side by side
#
# Differences are paired where both were judged on the same customers and days; where not, that is said.

# %%
compared = crm.compare(ws, "churn", as_of=NOW)
compared.table

# %%
compared.differences

# %%
compared.plot("reliability")

# %%
compared.plot("profit")

# %% [markdown]
# ## Would it have held at other times?
#
# One split says little. The backtest repeats the whole training at past days, each with what was known then.

# %%
backtest = crm.backtest(ws, "churn", as_of=NOW, n=2, workers=1)
backtest.table

# %%
backtest.plot()

# %% [markdown]
# ## The gate
#
# Nothing serves because it is newer. A version takes over only if it is better on rows that neither has seen, its
# calibration is not worse and the list is not turned over; what was decided, and why, is kept.

# %%
decided = crm.promote(ws, "churn", new.version, as_of=NOW, dry_run=True)
decided.table
