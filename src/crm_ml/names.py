"""The names everything hangs on: canonical tables and the columns that other floors speak of."""

from __future__ import annotations

from typing import Final

# tables
CUSTOMERS: Final = "customers"
ACCOUNT_MANAGERS: Final = "account_managers"
PRODUCTS: Final = "products"
ORDER_LINES: Final = "order_lines"
INVOICES: Final = "invoices"
PAYMENTS: Final = "payments"
INTERACTIONS: Final = "interactions"
SURVEYS: Final = "surveys"
CONTRACTS: Final = "contracts"
LEADS: Final = "leads"
LEAD_EVENTS: Final = "lead_events"
LEAD_STAGES: Final = "lead_stages"
DEALS: Final = "deals"
DEAL_STAGES: Final = "deal_stages"
MARKETING_COSTS: Final = "marketing_costs"
ACTION_LOG: Final = "action_log"
RATES: Final = "rates"

# columns that several floors use
AS_OF: Final = "as_of"
CUSTOMER_ID: Final = "customer_id"
LEAD_ID: Final = "lead_id"
KNOWN_AT: Final = "known_at"
LABEL: Final = "churned"

# features that rules, values and notes are built on
DAYS_SINCE_LAST_ORDER: Final = "days_since_last_order"
DAYS_SINCE_FIRST_ORDER: Final = "days_since_first_order"
DAYS_SINCE_LAST_ORDER_OVER_OWN_GAP: Final = "days_since_last_order_over_own_gap"
ORDER_DAYS_COUNT: Final = "order_days_count"
ORDER_GAP_DAYS_MEAN: Final = "order_gap_days_mean"
ORDERS_COUNT_365D: Final = "orders_count_365d"
NET_REVENUE_365D: Final = "orders_net_revenue_365d"
EMPLOYEES: Final = "employees"
COST_365D: Final = "orders_cost_365d"

# one money unit is 10,000 of these: amounts are integers inside, so sums do not depend on their order
MONEY_SCALE: Final = 10_000
