"""A synthetic manufacturer with a known truth, for demos, tests and benchmarks."""

from crm_ml.tables.synth.firm import DEFAULT_CUSTOMERS, DEFAULT_UNTIL, SEASONAL, Firm, make_firm, write_firm

__all__ = ["DEFAULT_CUSTOMERS", "DEFAULT_UNTIL", "SEASONAL", "Firm", "make_firm", "write_firm"]
