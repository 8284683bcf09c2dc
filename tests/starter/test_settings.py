from __future__ import annotations

from pathlib import Path

import pytest

from starter.dev.temporal import TemporalServer
from starter.settings import LogFormat, Misconfigured, Settings, connect, load


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)


def test_nothing_has_to_be_set() -> None:
    settings = load(Settings)
    assert settings.database_url == "sqlite+aiosqlite:///.countersign/countersign.db"
    assert settings.task_queue == "countersign"


def test_groups_are_set_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_LOG__FORMAT", "console")
    settings = load(Settings)
    assert settings.log.format is LogFormat.CONSOLE


def test_every_variable_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_LOG__LEVEL", "loud")
    monkeypatch.setenv("COUNTERSIGN_LOG__COLOUR", "red")
    with pytest.raises(Misconfigured) as refused:
        load(Settings)
    names = {line.partition(":")[0] for line in str(refused.value).splitlines()}
    assert names == {"COUNTERSIGN_LOG__LEVEL", "COUNTERSIGN_LOG__COLOUR"}


def test_a_group_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_LOG", "{")
    with pytest.raises(Misconfigured, match="COUNTERSIGN_LOG: must be JSON"):
        load(Settings)


@pytest.mark.parametrize("url", ["countersign.db", "mysql://host/db", "sqlite://"])
def test_a_database_url_that_fits_no_database_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", url)
    with pytest.raises(Misconfigured, match=r"^COUNTERSIGN_DATABASE_URL: database: "):
        load(Settings)


def test_the_database_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATABASE_URL", "postgresql://countersign:secret@db/countersign")
    assert "secret" not in repr(load(Settings))


def test_link_keys_are_separated_by_commas_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_LINK_KEYS", f"{'n' * 32}, {'o' * 40},")
    settings = load(Settings)
    assert settings.link_keys == ("n" * 32, "o" * 40)
    assert settings.links is not None
    assert "nnn" not in repr(settings)


@pytest.mark.parametrize("written", ["", " , "])
def test_without_link_keys_there_is_nothing_to_sign_with(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("COUNTERSIGN_LINK_KEYS", written)
    assert load(Settings).links is None


def test_a_link_key_that_can_be_guessed_is_named_but_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_LINK_KEYS", f"{'n' * 32},sesame")
    with pytest.raises(Misconfigured, match="COUNTERSIGN_LINK_KEYS: each key needs at least 32") as refused:
        load(Settings)
    assert "sesame" not in str(refused.value)


async def test_temporal_is_found_by_its_own_variables(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server.address)
    client = await connect()
    assert await client.service_client.check_health()


async def test_temporal_is_found_by_its_own_file(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "some.toml"
    file.write_text(f'[profile.default]\naddress = "{temporal_server.address}"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert await (await connect()).service_client.check_health()


async def test_an_absent_temporal_is_told_apart_from_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(RuntimeError, match="connect"):
        await connect()
