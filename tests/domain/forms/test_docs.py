"""docs/set-up-forms.md: its example can be published, and no kind of field is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import yaml

from domain.base import Language
from domain.forms import Form, Group, rows, validate
from domain.forms.fields import FormField
from domain.forms.formats import SimpleField

DOCS = (Path(__file__).parents[3] / "docs" / "set-up-forms.md").read_text(encoding="utf-8")
KINDS: tuple[type[FormField], ...] = get_args(get_args(SimpleField)[0])
SHARED = {"name", "title", "help", "required", "visible_when", "default", "type"}


def test_the_example_is_a_form_and_can_be_answered() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    form = Form.model_validate(yaml.safe_load(example))
    form.check_parameters({"licences": "25"})
    kept = validate(form, {"sites": [{"name": "berg"}], "dial_in": True, "country": "CH"}, {"licences": "25"})
    assert rows(form, kept, Language.EN)[0] == ("Site 1: Site name", "berg.meetings.example.com")


def test_every_kind_of_field_is_explained_with_all_that_narrows_it() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \|(.*)$", DOCS, re.MULTILINE))
    documented = {kind.model_fields["type"].default: kind for kind in (*KINDS, Group)}
    assert table.keys() == documented.keys()
    for name, kind in documented.items():
        for narrowing in kind.model_fields.keys() - SHARED:
            assert f"`{narrowing}`" in table[name]
