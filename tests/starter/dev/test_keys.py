from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from domain.links import LinkSigner
from starter.dev.keys import link_key


def test_a_stack_makes_its_key_once_and_keeps_it(tmp_path: Path) -> None:
    key = link_key(tmp_path / "new")
    assert link_key(tmp_path / "new") == key
    assert link_key(tmp_path / "other") != key
    assert LinkSigner((key,))


def test_only_its_owner_can_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    link_key(tmp_path)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_all_who_come_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(link_key, [tmp_path] * 64))) == 1
