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
# # Whom to call first
#
# Monday morning, and more leads are open than anybody can call today. Who comes first? A model is trained on what
# became of earlier leads, held against the rules a sales team would use without it, and its scores are read. Then three
# questions about all leads: what does waiting cost, where do they get lost, and from which score on is a lead an MQL?

# %%
# %matplotlib inline
import tempfile
from datetime import date
from pathlib import Path

import matplotlib.pyplot as plt

import crm_ml as crm
from crm_ml.jobs.demo import make_workspace
from crm_ml.jobs.funnel import funnel
from crm_ml.jobs.speed import speed_to_lead
from crm_ml.models.evaluation.thresholds import thresholds

folder = Path(tempfile.mkdtemp()) / "firm"
TODAY = date(2026, 3, 2)
make_workspace(folder, customers=1500, seed=1)
ws = crm.open_workspace(folder)

# %% [markdown]
# ## A model that knows no more than a salesperson did
#
# Rows are a lead's creation, its touches, and days on which it is open, each with what was known then. The label: is it
# won within 90 days? The newest rows whose 90 days are over judge it.

# %%
trained = crm.train(ws, "leads", as_of=TODAY)
print(trained.verdict, trained.model_kind)
trained.table.round(3)

# %% [markdown]
# ## Is it better than a rule?
#
# The rules to beat: how often leads of this source are won, how far the lead has come, and the best single column there
# is. The differences in AUC are on the same rows; where the lower end is above zero, the model orders leads better than
# the rule beyond chance. A firm with fewer leads may see another verdict: then the best rule serves, and every list
# says so.

# %%
for rule, gap in trained.training.differences.items():
    auc = trained.training.baselines[rule]
    print(f"{rule:12} AUC {auc:.3f}   model minus rule {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})")

# %%
trained.plot()

# %% [markdown]
# ## Today's scores
#
# `p_win` is the chance, `expected_value` the chance times what such leads bring, `grade` its place among today's leads.
# The order is another one: `priority` is the value lost until tomorrow. A lead that waits for an answer loses more by
# the hour than one that is being talked to, so a good lead that was answered may stand below a fair one that waits.

# %%
scored = crm.score(ws, "leads", as_of=TODAY)
columns = ["lead_id", "grade", "p_win", "deal_value", "expected_value", "waited_hours", "priority"]
scored.table[columns].head(10).round(2)

# %% [markdown]
# Why the first one stands there, in the words its owner reads:

# %%
first = scored.table.iloc[0]
for reason in first.reasons:
    print("+" if reason["contribution"] > 0 else "-", reason["text_en"])

# %% [markdown]
# What the grades are worth: few leads hold most of the value.

# %%
by_grade = scored.table.groupby("grade").agg(leads=("lead_id", "size"), value=("expected_value", "sum"))
by_grade.assign(share_of_value=by_grade.value / by_grade.value.sum()).round(2)

# %% [markdown]
# ## What does waiting cost?
#
# The chance of being won by how soon the first answer came. Quick answers often go to good leads, so leads of equal
# source, size and title are compared; what the salesperson saw besides stays in it, and the sentence says so.

# %%
speed = speed_to_lead(ws, as_of=TODAY)
print(speed.sentence("en"))
speed.table.round(3)

# %%
drawn = speed.plot(plt.subplots()[1])

# %% [markdown]
# ## Where do leads get lost?
#
# Each step's rate counts leads for as long as they were seen: those of last week have not failed yet. Where no lead was
# seen for the whole 90 days there is no rate.

# %%
way = funnel(ws, as_of=TODAY)
way.table[["step", "entered", "moved_on", "lost", "still_open", "rate", "rate_low", "rate_high", "median_days"]].round(
    2
)

# %%
drawn = way.plot(plt.subplots()[1])

# %% [markdown]
# ## From which score on is a lead an MQL?
#
# Say there is time for a quarter of the leads. The cut follows from the scores alone; what it brings is measured on
# the evaluation rows, from which the model has not learnt. `agrees`: the score keeps what it promises above the cut.

# %%
rows = trained.training.evaluation
p, y, lead = rows["p"].to_numpy(), rows["y"].to_numpy(bool), rows["customer_id"]  # holds the lead's id
for share in (0.1, 0.25, 0.5):
    mql = thresholds(p, y, share=share, subjects=lead)
    print(
        f"{share:.0%} of the rows: from p {mql.cut:.2f} on; {mql.precision.value:.0%} of them are won "
        f"({mql.precision.low:.0%} to {mql.precision.high:.0%}, promised {mql.expected_precision:.0%}), "
        f"which is {mql.recall.value:.0%} of all that are won; agrees: {mql.agrees}"
    )

# %% [markdown]
# So: answer first who waits and is worth it, take the MQL cut from the time there is, and look again in a month. What
# was answered comes back with `crm-ml feedback import`, and the lists leave those leads alone.
