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
# # Train a churn model and look at it
#
# A synthetic manufacturer, small enough for a coffee break: its tables are made, checked, turned into point-in-time
# features, a model is trained as of a day, judged against simple rules, and one day is scored. Because the firm is
# synthetic, the truth is known, so the last section shows what no real firm can: how close the scores come to it.

# %%
# %matplotlib inline
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace

folder = Path(tempfile.mkdtemp()) / "firm"
TRAIN_DAY = date(2026, 3, 2)
firm = make_workspace(folder, customers=1200, seed=7)
ws = crm.open_workspace(folder)

# %% [markdown]
# ## What the firm has

# %%
found = crm.check(ws)
found.table[["severity", "table", "column", "code", "count"]]

# %% [markdown]
# ## What was known, when
#
# One row per eligible customer and cutoff, one column per declared feature. Nothing from the cutoff on is in it.

# %%
features = crm.build_features(ws, as_of=[TRAIN_DAY])
features[["customer_id", "as_of", "days_since_last_order", "order_gap_days_mean", "orders_net_revenue_365d"]].head()

# %% [markdown]
# ## Training, judged on the newest mature snapshots

# %%
trained = crm.train(ws, "churn", as_of=TRAIN_DAY)
print(trained.verdict, trained.model_kind, trained.metrics["auc"])
trained.table

# %%
trained.plot()

# %% [markdown]
# ## The day's scores

# %%
scored = crm.score(ws, "churn", as_of=TRAIN_DAY)
scored.table[["customer_id", "p_churn", "risk_tier", "value_at_stake", "priority", "notes"]].head(10)

# %% [markdown]
# ## Against the truth
#
# The firm was simulated from a hidden satisfaction; going forward from it gives each customer's true probability.

# %%
truth = firm.truth(TRAIN_DAY, horizon_days=90)
both = scored.table.merge(truth, on="customer_id")
correlation = np.corrcoef(both.p_churn, both.p_no_purchase)[0, 1]
print(f"{len(both)} customers, correlation with the true probability {correlation:.2f}")
both.groupby("risk_tier", observed=True)[["p_churn", "p_no_purchase"]].mean().join(
    both.risk_tier.value_counts().rename("customers")
)

# %%
bins = pd.qcut(both.p_churn, 10, duplicates="drop")
both.groupby(bins, observed=True)[["p_churn", "p_no_purchase"]].mean().round(3)
