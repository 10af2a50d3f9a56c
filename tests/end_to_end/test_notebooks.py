"""The notebooks run from top to bottom on what they make themselves."""

from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own machinery: the notebook's process has its own filters
@pytest.mark.parametrize("name", sorted(path.name for path in NOTEBOOKS.glob("*.py")))
def test_notebook_runs(name: str, tmp_path: Path) -> None:
    import jupytext
    import nbclient

    notebook = jupytext.read(NOTEBOOKS / name)
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
