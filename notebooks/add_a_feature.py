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
# # Add a feature and see what it brings
#
# "Whoever was visited lately does not leave", says the head of sales. That is a feature of a few lines. Whether it
# brings anything is a question with an answer: train with and without it, look at the same customers on the same days,
# and read the difference with its interval. An interval that holds zero means: not shown, so leave it out.

# %%
# %matplotlib inline
import tempfile
from datetime import date
from pathlib import Path

import pandas as pd

import crm_ml as crm
from crm_ml.features import remove_feature
from crm_ml.jobs.demo import make_workspace
from crm_ml.models.evaluation import evaluate

folder = Path(tempfile.mkdtemp()) / "firm"
DAY = date(2026, 3, 2)
make_workspace(folder, customers=900, seed=11)
ws = crm.open_workspace(folder)

# %% [markdown]
# ## Before: the catalogue as it stands
#
# `dry_run` trains and measures, but registers nothing.

# %%
before = crm.train(ws, "churn", as_of=DAY, dry_run=True)
before.table

# %% [markdown]
# ## The new feature
#
# Visible rows only, whatever window is asked for: the engine sees to that, not the person who declares.

# %%
visits = crm.Feature(
    id="interactions_visit_count_60d",
    source="interactions",
    window_days=60,
    where={"channel": "visit"},
    text_de="Besuche in 60 Tagen",
    text_en="visits in 60 days",
)
crm.add_feature(visits)
crm.build_features(ws, as_of=[DAY])[visits.id].describe()

# %%
after = crm.train(ws, "churn", as_of=DAY, dry_run=True)
after.table

# %% [markdown]
# ## What does it bring?
#
# Both trainings were judged on the same customers and days, so the difference is paired: each draw of customers is
# ranked by both.


# %%
def difference(new, old, level=0.95):
    """AUC of the new training minus that of the old one, on the rows both were judged on."""
    keys = ["customer_id", "as_of"]
    both = new.training.evaluation.merge(old.training.evaluation, on=keys, suffixes=("_new", "_old"))
    return evaluate(
        both["y_new"].to_numpy(bool),
        {"new": both["margin_new"].to_numpy(), "old": both["margin_old"].to_numpy()},
        {"new": both["p_new"].to_numpy(), "old": both["p_old"].to_numpy()},
        both["customer_id"],
    ).auc_difference("new", "old", level=level)


brought = difference(after, before)
print(f"{brought.value:+.4f} AUC ({brought.low:+.4f} to {brought.high:+.4f})")
print("worth keeping" if brought.low > 0 else "not shown to bring anything: leave it out")
remove_feature(visits.id)

# %% [markdown]
# ## Three more ideas, and a warning
#
# Each is one declaration. Who tries twenty ideas finds one whose 95 % interval lies above zero by chance: so the level
# is made stricter with every look, as the verdict of a training does it.

# %%
ideas = [
    crm.Feature(
        id="interactions_inbound_phone_count_30d",
        source="interactions",
        window_days=30,
        where={"channel": "phone", "direction": "inbound"},
        text_de="Anrufe des Kunden in 30 Tagen",
        text_en="calls by the customer in 30 days",
    ),
    crm.Feature(
        id="orders_products_count_60d",
        source="order_lines",
        measure="product_id",
        aggregate="distinct",
        window_days=60,
        text_de="verschiedene Artikel in 60 Tagen",
        text_en="different items in 60 days",
    ),
    crm.Feature(
        id="interactions_offer_count_90d",
        source="interactions",
        window_days=90,
        where={"topic": "offer"},
        text_de="Gespräche über Angebote in 90 Tagen",
        text_en="talks about offers in 90 days",
    ),
]
rows = []
for looks, idea in enumerate(ideas, start=2):
    crm.add_feature(idea)
    trained = crm.train(ws, "churn", as_of=DAY, dry_run=True)
    remove_feature(idea.id)
    found = difference(trained, before, level=1 - 0.05 / looks)
    rows.append(
        {
            "idea": idea.id,
            "AUC difference": found.value,
            "low": found.low,
            "high": found.high,
            "level": 1 - 0.05 / looks,
        }
    )
pd.DataFrame(rows, columns=["idea", "AUC difference", "low", "high", "level"]).round(4)
