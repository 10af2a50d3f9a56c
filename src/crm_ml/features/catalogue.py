"""All declared features, and their catalogue as a page for people."""

from __future__ import annotations

from crm_ml.errors import UsageError
from crm_ml.features import (
    attributes,
    bills,
    contracts,
    goods,
    habits,
    interactions,
    leads,
    orders,
    payments,
    pools,
    service,
)
from crm_ml.features.spec import (
    AnyFeature,
    AttributeFeature,
    Feature,
    FunctionFeature,
    PeakFeature,
    PeerFeature,
    PooledFeature,
)
from crm_ml.features.streams import streams_of
from crm_ml.features.subjects import CUSTOMER, LEAD, Subject

CATALOGUE: tuple[AnyFeature, ...] = (
    *orders.FEATURES,
    *payments.FEATURES,
    *interactions.FEATURES,
    *attributes.FEATURES,
)
"""The features that are on by default, in the order of the feature table."""

OPTIONAL: tuple[AnyFeature, ...] = (
    *habits.FEATURES,
    *goods.FEATURES,
    *bills.FEATURES,
    *contracts.FEATURES,
    *service.FEATURES,
    *pools.FEATURES,
)
"""Features of the families that are off until `features.yaml` switches them on."""

LEAD_CATALOGUE: tuple[AnyFeature, ...] = leads.FEATURES
"""The features of leads that come with the package."""

INPUTS: tuple[AnyFeature, ...] = (*orders.INPUTS, *payments.INPUTS, *interactions.INPUTS)
"""Features that only serve as inputs of others: known by id, not part of the feature table."""

OPTIONAL_INPUTS: tuple[AnyFeature, ...] = (
    *habits.INPUTS,
    *goods.INPUTS,
    *bills.INPUTS,
    *contracts.INPUTS,
    *service.INPUTS,
    *pools.INPUTS,
)
"""Those of the features that are off by default."""

_ADDED: dict[str, list[AnyFeature]] = {CUSTOMER.name: [], LEAD.name: []}
_FAMILIES = {
    "orders": "Order patterns",
    "payments": "Payment behaviour",
    "interactions": "Interaction frequency",
    "attributes": "Attributes",
    "calendar": "Calendar",
    "leads": "Leads",
    "own": "Own features",
    "regularity": "Regularity",
    "season": "Season",
    "price": "Price and discount",
    "products": "Products",
    "categories": "Product categories",
    "deliveries": "Deliveries and call-offs",
    "credit_notes": "Credit notes",
    "paying": "Ways of paying",
    "contracts": "Contracts",
    "tickets": "Tickets",
    "response": "Response and resolution",
    "silence": "After a complaint",
    "people": "Persons on both sides",
    "surveys": "Surveys",
    "group": "Group of companies",
    "peers": "Industry and size class",
}
_LEAD_CAUSES = {
    "lead_interest": "Interest",
    "lead_dialogue": "Dialogue",
    "lead_response": "Response",
    "lead_stage": "Stages",
    "lead_person": "Person",
    "lead_company": "Company",
    "lead_source": "Source and campaign",
    "lead_owner": "Owner",
    "lead_age": "Age",
    "": "Own features of leads",
}
_PURPOSE = "estimate of the risk that the customer stops buying"
_LEAD_PURPOSE = "estimate of the chance that the lead is won"


def default_features(of: Subject = CUSTOMER) -> tuple[AnyFeature, ...]:
    """Return the features of the catalogue about a kind of subject and those added in this process."""
    return (*(LEAD_CATALOGUE if of == LEAD else CATALOGUE), *_ADDED[of.name])


def optional_features(of: Subject = CUSTOMER) -> tuple[AnyFeature, ...]:
    """Return the features about a kind of subject that are off by default."""
    return () if of == LEAD else OPTIONAL


def inputs_of(of: Subject) -> tuple[AnyFeature, ...]:
    """Return the features that only serve as inputs of others."""
    return leads.INPUTS if of == LEAD else (*INPUTS, *OPTIONAL_INPUTS)


def families_of(of: Subject = CUSTOMER) -> dict[str, bool]:
    """Return the families of features by name, and whether they are on by default.

    Examples
    --------
    >>> families_of()["orders"], families_of()["contracts"]
    (True, False)
    """
    found: dict[str, bool] = {feature.family: False for feature in optional_features(of)}
    return {feature.family: True for feature in default_features(of)} | found


def add_feature(feature: AnyFeature, *, of: Subject = CUSTOMER) -> tuple[AnyFeature, ...]:
    """Add a feature to the default set of this process (a feature with the same id is replaced) and return that set.

    Raises
    ------
    UsageError
        If the id belongs to the catalogue, or the declaration names an unknown stream or column.

    Examples
    --------
    >>> from crm_ml.features import Feature
    >>> mine = Feature(id="orders_lines_max_90d", source="orders", measure="lines", aggregate="max", window_days=90,
    ...                unit="count", text_de="meiste Positionen", text_en="most lines in an order")
    >>> add_feature(mine)[-1].id
    'orders_lines_max_90d'
    >>> remove_feature("orders_lines_max_90d")
    """
    from crm_ml.features.declared import check_feature

    if any(feature.id == known.id for known in (*CATALOGUE, *LEAD_CATALOGUE, *INPUTS, *OPTIONAL, *OPTIONAL_INPUTS)):
        raise UsageError(
            f"feature id {feature.id!r} is taken by the catalogue", remedy="Choose another id for your feature."
        )
    check_feature(feature, of=of)
    remove_feature(feature.id)
    _ADDED[of.name].append(feature)
    return default_features(of)


def remove_feature(id: str) -> None:
    """Take an added feature out of the default set; nothing happens if it is not there."""
    for added in _ADDED.values():
        added[:] = [feature for feature in added if feature.id != id]


def sources(feature: AnyFeature, *, of: Subject = CUSTOMER) -> tuple[str, ...]:
    """Return the source columns (``table.column``) a feature is computed from, sorted.

    Examples
    --------
    >>> sources(CATALOGUE[0])
    ('order_lines.customer_id', 'order_lines.net_amount', 'order_lines.order_id', 'order_lines.ordered_at')
    """
    if isinstance(feature, AttributeFeature):
        return (f"{feature.table}.{feature.column}",)
    if isinstance(feature, PeerFeature):
        own = {f"{of.table}.{column}" for column in (of.key, feature.column, "created_at")}
        ends = () if feature.what == "created" else leads.STREAMS["lead_stages"].needs
        return tuple(sorted({*own, *ends}))
    known = {other.id: other for other in (*inputs_of(of), *optional_features(of), *default_features(of))}
    found: set[str] = set()
    for id in feature.uses:
        found |= set(sources(known[id], of=of))
    if isinstance(feature, Feature | FunctionFeature):
        stream = streams_of(of)[feature.source]
        found |= set(stream.needs)
        if isinstance(feature, Feature):
            by = [feature.by] if isinstance(feature, PeakFeature) else []
            for column in (*feature.where, *([feature.measure] if feature.measure else []), *by):
                found |= set(stream.measures[column].needs)
        if isinstance(feature, PooledFeature):
            found |= set(pools.needs_of(feature))
    return tuple(sorted(found))


def catalogue_markdown() -> str:
    """Return the catalogue of the default features as Markdown, the same text every time.

    Examples
    --------
    >>> [line for line in catalogue_markdown().splitlines() if line.startswith("# ")]
    ['# Feature catalogue', '# Off by default', '# Leads']
    """
    customers, of_leads = default_features(), default_features(LEAD)
    lines = [
        "# Feature catalogue",
        "",
        f"{len(customers)} features, generated from their declarations. c is the cutoff; a window of w days is "
        "`[c - w days, c)` in calendar days of the workspace's zone. An event counts only while it is visible at c. "
        "Where a table or column is not mapped, its features are null; with the table and no event, counts and sums "
        "are 0 and everything else is null. "
        "Direction: + higher means more risk expected, - less, 0 no expectation. "
        "Cause: what the feature tells of; among the reasons of a score, features of one cause count once.",
        "",
        f"Purpose of all: {_PURPOSE}. PII class `person`: the value may describe a person; for a customer who is a "
        "natural person (sole trader) every feature is personal data.",
        "",
        "## Streams",
        "",
        *_streams(CUSTOMER),
        *_families(CUSTOMER),
    ]
    lines += ["", "## Inputs of ratios only", "", "| id | definition |", "|---|---|", *map(_input, INPUTS)]
    lines += [
        "",
        "# Off by default",
        "",
        f"{len(OPTIONAL)} features of customers in families that `features.yaml` switches on "
        "([how](features-yaml.md); [what each brings](feature-families.md)).",
        *_families(CUSTOMER, OPTIONAL),
        "",
        "## Inputs of these",
        "",
        *("| id | definition |", "|---|---|"),
        *map(_input, OPTIONAL_INPUTS),
    ]
    lines += [
        "",
        "# Leads",
        "",
        f"{len(of_leads)} features of leads, by the same rules of time. A lead is won or lost by lead_stages, without "
        "that table by the deals that name it; one that was lost and enters a stage again stays closed. "
        "Direction: + higher means a better chance expected, - a worse one, 0 no expectation. Shares of earlier leads "
        "count leads whose days to be won are over, drawn towards the share of all leads. "
        "A lead counts among its own peers.",
        "",
        f"Purpose of all: {_LEAD_PURPOSE}.",
        "",
        "## Streams of leads",
        "",
        *_streams(LEAD),
        *_families(LEAD),
    ]
    return "\n".join(lines) + "\n"


def _input(feature: AnyFeature) -> str:
    return f"| `{feature.id}` | {feature.meaning} |"


def _streams(of: Subject) -> list[str]:
    lines = ["| stream | what an event is | columns |", "|---|---|---|"]
    for stream in streams_of(of).values():
        columns = "; ".join(f"`{name}`: {measure.definition}" for name, measure in stream.measures.items())
        lines.append(f"| {stream.name} | {stream.definition} | {columns} |")
    return lines


def _families(of: Subject, features: tuple[AnyFeature, ...] | None = None) -> list[str]:
    """Return a table per family; those of leads, which are one family, are divided by cause."""
    features = default_features(of) if features is None else features
    titles = _LEAD_CAUSES if of == LEAD else _FAMILIES
    lines: list[str] = []
    for name, title in titles.items():
        own = [feature for feature in features if name == (feature.cause if of == LEAD else feature.family)]
        if own:
            lines += ["", f"## {title}", "", *_HEAD, *(_row(feature, of) for feature in own)]
    return lines


_HEAD = (
    "| id | deutsch | english | definition | unit | direction | cause | PII | sources |",
    "|---|---|---|---|---|---|---|---|---|",
)


def _row(feature: AnyFeature, of: Subject) -> str:
    sign = {1: "+", -1: "-", 0: "0"}[feature.direction]
    cells = (
        f"`{feature.id}`", feature.text_de, feature.text_en, feature.meaning, feature.unit, sign, feature.cause,
        feature.pii, ", ".join(sources(feature, of=of)),
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
