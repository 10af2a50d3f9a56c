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
# # Why did this customer rise?
#
# An account manager asks: "Four weeks ago this customer was fine, and today it is on my list. What happened?" This
# story takes the customer of a made-up manufacturer whose risk rose most within four weeks, and answers in the
# order in which one would ask: how did the score move, what moved it, which orders, invoices and contacts are
# behind that, and what does the list propose.

# %%
# %matplotlib inline
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

import crm_ml as crm
from crm_ml.jobs.daily import run_daily
from crm_ml.jobs.demo import make_workspace
from crm_ml.jobs.explain import explain

folder = Path(tempfile.mkdtemp()) / "firm"
TODAY = date(2026, 3, 2)
BEFORE = TODAY - timedelta(days=28)
make_workspace(folder, customers=600, seed=7)
ws = crm.open_workspace(folder)

# %% [markdown]
# One model serves on both days, trained as of the first: whatever moved in between is the customer, not the model.

# %%
trained = crm.train(ws, "churn", as_of=BEFORE)
then, now = run_daily(ws, as_of=BEFORE), run_daily(ws, as_of=TODAY)
print(trained.verdict, trained.model_kind, then.scored.rows, now.scored.rows)

# %% [markdown]
# ## Who rose most?
#
# Only customers whose own rhythm is shorter than the horizon: of the others a high score means little, and every
# list says so.

# %%
scores = then.scored.table.merge(now.scored.table, on="customer_id", suffixes=("_then", "_now"))
usual = ~scores.notes_now.map(lambda notes: "rhythm_longer_than_horizon" in notes)
scores["rise"] = scores.p_churn_now - scores.p_churn_then
risen = scores[usual].sort_values(["rise", "customer_id"], ascending=[False, True])
risen[["customer_id", "p_churn_then", "p_churn_now", "risk_tier_then", "risk_tier_now", "value_at_stake_now"]].head()

# %%
customer = risen.customer_id.iloc[0]
before = explain(ws, "churn", customer, as_of=BEFORE, dry_run=True)
today = explain(ws, "churn", customer, as_of=TODAY, language="en")
print(f"{customer}: {before.p_churn:.0%} on {BEFORE}, {today.p_churn:.0%} on {TODAY}")

# %% [markdown]
# ## How the score moved
#
# The dashed line is the model of today asked about earlier month starts, each time with what was known then. The
# squares are what was really published.

# %%
today.score_history()

# %% [markdown]
# ## What moved it
#
# Contributions are exact: on each day, the base plus all contributions is the margin that the probability is made
# of. The base is the same on both days, so the differences by cause add up to the whole way from then to now.

# %%
causes = before.groups().merge(today.groups(), on="group", how="outer", suffixes=("_then", "_now")).fillna(0.0)
causes["cause"] = [today.label(group, "en") for group in causes.group]
causes["moved"] = causes.contribution_now - causes.contribution_then
moved = causes.sort_values("moved", key=abs, ascending=False)[
    ["cause", "contribution_then", "contribution_now", "moved"]
]
moved.round(2)

# %%
whole_way = today.margin - before.margin
assert abs(moved.moved.sum() - whole_way) < 1e-9
print(f"{whole_way:+.2f} in all, {moved.moved.head(3).sum():+.2f} of it from {', '.join(moved.cause.head(3))}")

# %% [markdown]
# And the features behind the cause that moved most, then and now:

# %%
parts = pd.DataFrame(before.contributions).merge(
    pd.DataFrame(today.contributions), on=["group", "feature"], suffixes=("_then", "_now")
)
parts["moved"] = parts.contribution_now - parts.contribution_then
most = causes.loc[causes.moved.abs().idxmax(), "group"]
shown = ["feature", "value_then", "value_now", "moved"]
parts[parts.group == most].sort_values("moved", key=abs, ascending=False)[shown].head().round(2)

# %% [markdown]
# ## What happened
#
# Orders as stems, late invoices, complaints and contacts below; the right edge is today.

# %%
today.timeline()

# %% [markdown]
# ## The reasons of today, and the rows behind them

# %%
today.plot()

# %%
for reason in today.reasons:
    print(f"{'+' if reason['contribution'] > 0 else '-'} {reason['text_en']}")
    for row in reason["rows"][:3]:
        print("     ", {name: str(value) for name, value in row.items() if value is not None})

# %% [markdown]
# ## What would have to be different
#
# The model asked again about the same customer, with one thing changed. It is what the model says, not a promise.

# %%
for answer in today.as_dict()["counterfactuals"]:
    print(answer["text_en"])

# %% [markdown]
# ## What the list says
#
# The same customer as the account manager reads it this morning, and the page that `crm-ml explain` writes beside
# it.

# %%
listed = now.table[now.table.subject_id == customer]
listed[["account_manager_id", "rank", "risk_tier", "action", "channel", "due_on", "expected_gain", "text_en"]].T

# %%
print(today.page.relative_to(folder), f"{today.page.stat().st_size / 1000:.0f} kB")
