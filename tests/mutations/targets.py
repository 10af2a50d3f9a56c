"""What is mutated, and the tests that must see it.

Only bodies of functions are changed: signatures, decorators and docstrings stay. Compiled functions
run as plain Python here, so that an index beyond the end raises; a negative one counts from the end, as it does
compiled.
"""

from __future__ import annotations

from dataclasses import dataclass

ORACLES = "tests/features/test_kernel_oracles.py"
DAYS = "tests/features/test_timeline_days.py"
VISIBLE = "tests/features/test_visibility_and_hash.py"
LEXICAL = "tests/features/test_parts_of_subjects.py::test_order_within_is_the_stable_lexical_order"
ORDERS = "tests/features/test_order_features.py"
PAYMENTS = "tests/features/test_payment_features.py"
LABELS = "tests/features/test_spine_and_labels.py"
OUTCOMES = "tests/features/test_outcomes.py"
DECLARATIONS = "tests/features/test_feature_declarations.py"
LOOPS = "tests/features/test_kernel_loops.py"
VERSIONS = "tests/features/test_event_versions.py"
WINDOWS = "tests/features/test_window_oracles.py"
SORTING = "tests/features/test_kernel_sorting.py"
CODES = "tests/tables/test_identifiers.py"
ROW_ORDER = "tests/tables/test_row_order.py"
TREES = "tests/models/test_tree_kernels.py"
MASKS = "tests/models/test_tree_margin_kernels.py"


@dataclass(frozen=True)
class Target:
    """Functions of a file, and what must turn red when one of them is changed: paths or names of tests.

    Where `named`, tests whose names hold the function's are the ones for it. `seconds` of processor time are more than
    any of these tests takes; the time of zones and imports is in it.
    """

    file: str
    functions: tuple[str, ...]
    tests: tuple[str, ...]
    seconds: float = 3.0
    named: bool = False


TARGETS = (
    Target(
        "features/kernels.py",
        (
            "rows_above",
            "running_sum",
            "running_max",
            "latest",
            "distinct",
            "supersede",
            "group_states",
            "gap_states",
            "balance_states",
            "greatest_sum",
        ),
        (LOOPS, ORACLES),
        0.3,
        named=True,
    ),
    Target(
        "features/timeline.py",
        (
            "ZoneClock.wall",
            "ZoneClock.day",
            "ZoneClock.instant",
            "ZoneClock.shift",
            "_offset_at",
            "zone_clock",
            "cutoff_us",
            "shift_days",
            "date_of",
        ),
        (DAYS,),
    ),
    Target(
        "features/visibility.py",
        (
            "known_times",
            "visible",
            "sees_any",
            "_visible_frame",
            "seen_at",
            "with_late_values_hidden",
            "_without_later_customer",
            "_with_stage_values",
        ),
        (VISIBLE,),
    ),
    Target("features/rows.py", ("row_codes", "seen_span"), (WINDOWS, VISIBLE, ORDERS)),
    Target(
        "features/events.py",
        ("Events.ordered", "Events.split", "joined", "order_within"),
        (VERSIONS, LEXICAL, WINDOWS, ORDERS),
    ),
    Target("features/spine.py", ("Spine.unsorted", "sort_spine", "crossed"), (WINDOWS, LABELS, ORDERS)),
    Target("features/spec.py", ("windowed", "Feature.__post_init__"), (DECLARATIONS,)),
    Target(
        "features/build.py",
        ("Evaluation._above", "Evaluation._run", "Evaluation._make_run", "Evaluation._mask", "Evaluation._edge"),
        (WINDOWS, DECLARATIONS, ORDERS, PAYMENTS),
    ),
    Target(
        "features/labels.py",
        ("_above", "_looking_back", "_in_windows", "_approachable", "_under_contract"),
        (LABELS, OUTCOMES),
    ),
    Target("features/kernels_sort.py", ("is_ordered", "refine"), (SORTING,), 0.3, named=True),
    Target("tables/kernels.py", ("by_code", "order_within"), (ROW_ORDER,)),
    Target("tables/row_order.py", ("_taken", "same_as_before"), (ROW_ORDER,)),
    Target(
        "tables/identifiers.py",
        (
            "numbered",
            "_of_one_width",
            "_of_many_widths",
            "coded",
            "coded_numbers",
            "ranked",
            "_by_length",
            "_written",
            "_with_nulls",
            "codes_of",
            "used_levels",
            "places_among",
            "_row_places",
            "looked_up",
            "put_back",
            "_places",
            "_number_places",
        ),
        (CODES,),
    ),
    Target("models/explain/tree_margin.py", ("_add_up", "_close"), (MASKS,), 0.3, named=True),
    Target("models/explain/tree_bins.py", ("_decide", "bin_numbers", "bin_codes"), (TREES,), 0.3, named=True),
    Target(
        "models/explain/tree_cells.py",
        (
            "refine",
            "_cells_of_tree",
            "_leaves_in_order",
            "_leaf_conditions",
            "_plan",
            "_cells_of_runs",
            "tree_runs",
        ),
        (TREES,),
        0.3,
        named=True,
    ),
    Target("models/explain/tree_tables.py", ("leaf_table", "_fill", "_steps_of_bins"), (TREES,), 0.3, named=True),
    Target("models/explain/treeshap.py", ("_add_up",), (TREES,), 0.3, named=True),
)
