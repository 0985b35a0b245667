"""The code in the README runs, block after block, as a reader would run it."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_code_blocks_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    namespace = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)
    out = capsys.readouterr().out
    assert "noise_factor" in out
    assert namespace["search"].best_score_ > 0.5
    assert namespace["right"].mean() > 0.8
    assert namespace["filled"].notna().all(axis=None)
    assert namespace["features"].shape == (569, 978)
    assert namespace["error"] < 0.1
