"""params.yaml with any text, and with any values."""

import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tqdm import tqdm

from clone import ROOT
from fashion.params import check
from fashion.settings.parsing import load_yaml
from hostile import NASTY_TEXT, altered, damaged, read_or_refused

TEXT = (
    (ROOT / "src/fashion/own_images.yaml")
    .read_text(encoding="utf-8")
    .replace("SOURCE", "csv")
    .replace("SCHEME", "fractions")
)
PARAMS = YAML(typ="safe").load(io.StringIO(TEXT))

SCALARS = st.sampled_from(
    [*NASTY_TEXT, "1", "1e3", ".nan", "2020-13-45", "!!int x", "!!python/name:os.system", "*a", "&a x", "<<: *a"]
)
NESTED = st.recursive(
    SCALARS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]")
        | st.lists(inner, max_size=3).map(
            lambda parts: f"{{{', '.join(f'k{n}: {part}' for n, part in enumerate(parts))}}}"
        )
    ),
    max_leaves=20,
)


@given(
    content=damaged([TEXT.encode()])
    | NESTED.map(lambda text: f"a: &a {text}\nb: *a\n".encode("utf-8", "surrogatepass"))
)
def test_any_text_is_read_or_refused(content: bytes, place: Path, bar: tqdm) -> None:
    bar.update()
    path = place / "params.yaml"
    path.write_bytes(content)
    read_or_refused(lambda: check(load_yaml(path), source="params.yaml"), len(content))


@given(params=altered(PARAMS))
def test_any_values_are_accepted_or_refused(params: dict, bar: tqdm) -> None:
    bar.update()
    read_or_refused(lambda: check(params, source="params.yaml"), len(TEXT))
