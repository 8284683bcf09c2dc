"""`countersign demo`: plays the example orders on an embedded stack of their own and shows what happened."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from domain.links import LinkSigner
from starter.client import Countersign
from starter.dev.examples import read_examples
from starter.dev.keys import link_key
from starter.dev.player import Outcome, Player
from starter.dev.samples import ORDERS, copy_zones, load_samples
from starter.dev.stack import Stack
from starter.dev.stage import Surroundings
from storage.mails import Mail
from storage.processes import TimelineEntry

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a demo that was told to end; what it started has ended with it."""


def run_demo(keep: bool) -> int:
    """Plays every example and prints one timeline and the outcomes.

    Args:
        keep: Leave everything running afterwards, until Ctrl-C.

    Returns:
        0 if every order ended as its file says, else 1.
    """
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="countersign-demo-", ignore_cleanup_errors=True) as folder:
        try:
            return asyncio.run(_demo(Path(folder), console, keep=keep))
        except asyncio.CancelledError:
            return TERMINATED


async def _demo(folder: Path, console: Console, *, keep: bool) -> int:
    playing = asyncio.current_task()
    assert playing is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    console.print("Starting Temporal, worker, mail catcher and name server on loopback …")
    copy_zones(folder / "zones")
    async with Stack(folder) as stack:
        await load_samples(stack.database, datetime.now(UTC))
        countersign = Countersign(
            stack.virtual_time.client,
            stack.database,
            clock=lambda: None,
            allow_special_use=True,
            links=LinkSigner((link_key(folder),)),
        )
        papers = folder / "papers"
        around = Surroundings(countersign, stack.virtual_time, stack.zone_folder, stack.mail, papers)

        def say(order: str, what: str) -> None:
            console.print(f"[dim]{order:>26}[/dim]  {escape(what)}", soft_wrap=True)

        player = Player(around, say)
        outcomes = await asyncio.gather(*(player.play(example) for example in read_examples(ORDERS)))
        console.print()
        await _show_timeline(console, countersign, outcomes)
        _show_outcomes(console, outcomes, stack.running.ui_url)
        people = {mail.recipient for mail in stack.mail.messages}
        for paper in sorted(papers.glob("*.pdf")):
            console.print(f"{paper.name} has {paper.stat().st_size} bytes.")
        console.print(f"{len(stack.mail.messages)} mails were handed over by SMTP to {len(people)} people.")
        if keep:
            await _stay(console, stack)
    return 1 if any(outcome.complaints for outcome in outcomes) else 0


async def _show_timeline(console: Console, countersign: Countersign, outcomes: Iterable[Outcome]) -> None:
    """One line for every step of every process, in the order of its own clock."""
    steps: list[tuple[TimelineEntry, list[Mail]]] = []
    for outcome in outcomes:
        if outcome.order is None:
            continue
        sent = await countersign.mails(order=outcome.order, limit=1000)
        timeline = (await countersign.show(outcome.order)).timeline
        steps += [
            (step, [m for m in sent if (m.process, m.seq) == (step.process, step.seq)]) for step in timeline
        ]
    console.print("[bold]What happened, in virtual time (UTC)[/bold]")
    for step, mails in sorted(steps, key=lambda each: (each[0].at, each[0].process, each[0].seq)):
        for line in _told(step, mails):
            console.print(line, soft_wrap=True)
    console.print()


def _told(step: TimelineEntry, mails: list[Mail]) -> list[str]:
    """A step on one line, and the mails it caused on lines of their own: terminals cut tables to pieces."""
    who = f"[dim]{escape(step.actor)}[/dim]"
    first = f"{step.at:%Y-%m-%d %H:%M:%S}  {step.process}  {_in_words(step)}  {who}"
    return [first, *(f"    mail {escape(letter)}" for letter in _letters(mails))]


def _letters(mails: list[Mail]) -> list[str]:
    """Who got which mail, one mention of each kind."""
    recipients: dict[str, list[str]] = {}
    for mail in mails:
        recipients.setdefault(mail.template, []).append(mail.recipient)
    return [f"{kind}: {', '.join(sorted(people))}" for kind, people in recipients.items()]


def _in_words(step: TimelineEntry) -> str:
    moved = f"{step.from_state} → {step.to_state}" if step.from_state != step.to_state else step.to_state
    refused = f" [red]refused: {step.code}[/red]" if not step.accepted else ""
    return f"{escape(step.action)}  [dim]{escape(moved)}[/dim]{refused}"


def _show_outcomes(console: Console, outcomes: Iterable[Outcome], ui: str) -> None:
    console.print("[bold]How the orders ended[/bold]")
    for outcome in outcomes:
        verdict = (
            "[red]not as its file says[/red]" if outcome.complaints else "[green]as its file says[/green]"
        )
        console.print(f"{escape(outcome.example.name)}: {verdict}", soft_wrap=True)
        about = [outcome.ended, *outcome.complaints]
        if outcome.order:
            about.append(f"{ui}/namespaces/default/workflows/order-{outcome.order}")
        for line in about:
            console.print(f"    {escape(line)}", soft_wrap=True)
    console.print()


async def _stay(console: Console, stack: Stack) -> None:
    """Leaves the stack running until SIGINT or SIGTERM and says where everything is."""
    running = stack.running
    console.print(f"Everything keeps running until Ctrl-C. Temporal UI: {running.ui_url}", soft_wrap=True)
    for what, where in (
        ("State", running.folder),
        ("Mails", running.folder / "mails"),
        ("Papers", running.folder / "papers"),
        ("Zones", stack.zone_folder),
    ):
        console.print(f"{what}: {where}", soft_wrap=True)
    console.print("For the command line in another terminal:")
    for name, value in running.environment.items():
        console.print(f"  export {name}='{value}'", markup=False, soft_wrap=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
