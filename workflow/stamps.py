"""What a driver looks at before it starts: whether what earlier jobs left is still as they left it."""

import json
from collections.abc import Iterator
from pathlib import Path


def broken(folder: Path, notebooks: list[Path]) -> Iterator[tuple[Path, str]]:
    """Stamps under `folder` that name a file which is gone or of another size, and executed notebooks that are not
    whole, each with the reason. Contents are checked where they are read: every artifact carries its digest."""
    for stamp in sorted(folder.rglob("*.json")):
        made = _json(stamp)
        if made is None:
            yield stamp, "not a stamp"
            continue
        for file, size in made.items():
            if not Path(file).exists():
                yield stamp, f"{file} is gone"
                break
            if Path(file).stat().st_size != size:
                yield stamp, f"{file} has changed"
                break
    for notebook in notebooks:
        if notebook.exists() and _json(notebook) is None:
            yield notebook, "not a whole notebook"


def _json(file: Path) -> dict | None:
    try:
        return json.loads(file.read_text())
    except ValueError:
        return None
