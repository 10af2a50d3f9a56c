"""``python -m crm_ml`` is ``crm-ml``."""

from __future__ import annotations

from crm_ml.cli import main

if __name__ == "__main__":
    main()
