"""`stonks backup` and `stonks restore`: copies of everything, tried, and put back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import acting
from cli.commands.operate import actor, ask, links
from cli.commands.stack import DEFAULT_STATE, Json, State
from cli.groups import Commands
from cli.output import err, print_json
from cli.stack.names import PartName
from cli.stack.state import StateDirectory
from domain.errors import ConfigurationError, NotFound, VendorUnavailable

if TYPE_CHECKING:
    from activities.backing_up import Backups
    from activities.backup_directory import BackupFiles
    from api.operations.backups import BackupView, DrillView
    from domain.backup_run import BackupOutcome, RestoreReport
    from domain.backups import Flaw
    from workers.parts import Parts
    from workers.settings import Settings

LISTED = 20

Which = Annotated[
    str, typer.Argument(metavar="ID_OR_DIRECTORY", help="A backup as the list shows it, or the directory it lies in")
]
BackupId = Annotated[str, typer.Argument(metavar="ID", help="A backup as the list shows it")]


def register(app: typer.Typer) -> None:
    backup = typer.Typer(
        cls=Commands, help="Copies of the book and its objects: make, list, verify, try.", no_args_is_help=True
    )
    backup.command(name="run")(run)
    backup.command(name="list")(list_backups)
    backup.command(name="verify")(verify)
    backup.command(name="drill")(drill)
    backup.command(name="fetch")(fetch)
    app.add_typer(backup, name="backup")
    app.command()(restore)


def run(
    direct: Annotated[bool, typer.Option("--direct", help="Without Temporal, API or worker")] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Back up now, and wait until it is read back. One is made every night by itself.

    Where the API is away it is done directly; a stack that is stopped is started as far as that needs, and stopped
    again.

    Example: stonks backup run
    """
    from api.operations.backups import BackupView
    from cli import backup_views as views

    if not direct:
        try:
            begun = acting.act(state, BackupView, "POST", "/v1/backups", {})
        except (VendorUnavailable, ConfigurationError, NotFound) as error:
            err.print(f"{error.code}: it is done without the API.", style="yellow", markup=False)
        else:
            err.print(f"{begun.backup_id} is being made...", style="dim")
            done = ask(state, lambda parts: _wait(parts, begun.backup_id))
            if json:
                print_json(done.model_dump(mode="json"))
            else:
                views.show_backup(done)
            return
    outcome = _directly(state)
    if json:
        print_json(outcome.model_dump(mode="json"))
    else:
        views.show_outcome(outcome)


def list_backups(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most")] = LISTED,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """List backups with their last drills, the newest first."""
    from api.operations import backups
    from cli import backup_views as views

    found = ask(state, lambda parts: backups.list_recent(parts.database, links(parts), limit=limit))
    if json:
        print_json({"data": [each.model_dump(mode="json") for each in found]})
    else:
        views.show_backups(found)


def verify(which: Which, state: State = DEFAULT_STATE, json: Json = False) -> None:
    """Read a whole backup and say what is missing or was changed. Needs no server.

    Example: stonks backup verify 20261127T083000Z
    """
    from cli import backup_views as views

    files = _files(which, state)
    flaws = asyncio.run(_flaws(files, state))
    if json:
        print_json({"backup_id": files.root.name, "flaws": [each.model_dump(mode="json") for each in flaws]})
    else:
        views.show_flaws(files.root.name, flaws)
    if flaws:
        raise typer.Exit(1)


def drill(
    which: Annotated[str, typer.Argument(metavar="ID", help="A backup; the newest verified one without it")] = "",
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Restore a backup to a scratch database, compare it, drop it. Every week one is tried by itself."""
    from api.operations import backups
    from api.operations.backups import DrillView
    from cli import backup_views as views

    wanted = which or ask(state, _newest)
    begun = acting.act(state, DrillView, "POST", f"/v1/backups/{acting.segment(wanted)}/drill", {})
    err.print(f"{wanted} is being restored to a scratch database...", style="dim")

    async def wait(parts: Parts) -> DrillView:
        return await backups.wait_drill(parts.client, parts.database, links(parts), begun.drill_id)

    done = ask(state, wait)
    if json:
        print_json(done.model_dump(mode="json"))
    else:
        views.show_drill(done)
    if done.state != "passed":
        raise typer.Exit(1)


def fetch(which: BackupId, state: State = DEFAULT_STATE) -> None:
    """Bring a backup back from the other place that STONKS_BACKUP_S3_ENDPOINT names, and read it."""
    from activities.backing_up import not_verified
    from cli.book_servers import backup_settings
    from workers.backups import elsewhere_of

    settings = backup_settings(state)

    async def work() -> None:
        async with AsyncExitStack() as until:
            elsewhere, directory = elsewhere_of(settings, until)
            with directory.held():
                await elsewhere.fetch(which)
            flaws = await _flaws(directory.of(which), state)
            if flaws:
                raise not_verified(which, flaws)

    asyncio.run(work())
    err.print(f"{settings.backups / which} is whole. `stonks restore` puts it back.", markup=False, soft_wrap=True)


def restore(
    which: Which,
    replace: Annotated[
        bool, typer.Option("--replace", help="Over a book that is in use, which is set aside, not removed")
    ] = False,
    state: State = DEFAULT_STATE,
    json: Json = False,
) -> None:
    """Put a backup back: into a new state directory, or with --replace over a book that is in use.

    The stack must not run. Afterwards trading halts and sources rest until somebody has compared book and broker, and
    resumes.

    Example: stonks restore /mnt/backups/20261127T083000Z --state .stonks-restored
    """
    from activities.restoring import require_known_release
    from cli import backup_views as views
    from cli.book_servers import known_errors, servers_to_restore_into

    files = _files(which, state)
    require_known_release(files)
    by = actor()
    with (
        servers_to_restore_into(state) as (settings, ours),
        temporal_set_aside(state, ours=ours),
        known_errors(),
    ):
        report = asyncio.run(_restore(settings, files, replace=replace, by=by))
        if ours and _put_brokers_book_back(files, state):
            report = report.model_copy(update={"broker_book": True})
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        views.show_restored(report)


async def _wait(parts: Parts, backup_id: str) -> BackupView:
    from api.operations import backups

    return await backups.wait(parts.client, parts.database, links(parts), backup_id)


async def _newest(parts: Parts) -> str:
    from api.operations import backups

    standing = await backups.standing(parts.database, links(parts))
    if standing.newest_verified is None:
        raise NotFound("NO_VERIFIED_BACKUP", "`stonks backup run` makes one")
    return standing.newest_verified.backup_id


def _directly(state: Path) -> BackupOutcome:
    """Take every step here: needs the database and the object store alone."""
    from cli.book_servers import known_errors, servers_of_the_book
    from domain.backup_run import BackupStep
    from domain.backups import Trigger, backup_id

    now = datetime.now(UTC)
    step = BackupStep(backup_id=backup_id(now), trigger=Trigger.DIRECT, requested_by=actor(), as_of=now)

    async def work(settings: Settings) -> BackupOutcome:
        async with AsyncExitStack() as until:
            return await _backups(settings, until).run(step, say=lambda what: err.print(f"  {what}", style="dim"))

    with servers_of_the_book(state) as settings, known_errors():
        return asyncio.run(work(settings))


def _backups(settings: Settings, until: AsyncExitStack) -> Backups:
    from store.database import Database
    from store.objects import ObjectStore
    from workers.backups import backups_of

    database, objects = Database(settings.database()), ObjectStore(settings.objects())
    until.push_async_callback(database.close)
    until.callback(objects.close)
    return backups_of(settings, database, objects, until)


async def _restore(settings: Settings, files: BackupFiles, *, replace: bool, by: str) -> RestoreReport:
    from activities.adapters.postgres_programs import PostgresPrograms
    from activities.restoring import Restorer
    from store.objects import ObjectStore

    objects = ObjectStore(settings.objects())
    try:
        restorer = Restorer(
            settings.database(),
            objects,
            PostgresPrograms(settings.backup_programs),
            now=lambda: datetime.now(UTC),
            say=lambda what: err.print(f"  {what}", style="dim"),
        )
        return await restorer.restore(files, replace=replace, actor=by)
    finally:
        objects.close()


async def _flaws(files: BackupFiles, state: Path) -> list[Flaw]:
    from activities.adapters.postgres_programs import PostgresPrograms
    from activities.backing_up import flaws_of
    from cli.book_servers import backup_settings

    return await flaws_of(files, PostgresPrograms(backup_settings(state).backup_programs))


def _files(which: str, state: Path) -> BackupFiles:
    """The backup of an id in the directory of backups, or of a directory anywhere.

    Raises:
        NotFound: there is none.
    """
    from activities.backup_directory import OBJECTS, BackupDirectory, BackupFiles
    from cli.book_servers import backup_settings

    there = Path(which).expanduser()
    if there.is_dir():
        there = there.resolve()
        return BackupFiles(there, there.parent / OBJECTS)
    directory = BackupDirectory(backup_settings(state).backups)
    if which not in directory.ids():
        raise NotFound(
            "BACKUP_NOT_FOUND",
            "Name the directory that its manifest lies in, or bring it from the other place: `stonks backup fetch ID`",
            found=which,
            looked_in=directory.root,
        )
    return directory.of(which)


@contextmanager
def temporal_set_aside(state: Path, *, ours: bool) -> Iterator[None]:
    """Let Temporal begin anew: what it remembers is of another book. It comes back where nothing was restored."""
    there = StateDirectory(state).data(PartName.TEMPORAL)
    if not ours or not there.exists():
        yield
        return
    aside = there.with_name(f"{there.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    there.rename(aside)
    try:
        yield
    except BaseException:
        aside.rename(there)
        raise


def _put_brokers_book_back(files: BackupFiles, state: Path) -> bool:
    """Put the paper broker's book back where there is none: one that is there is ahead of ours, as a vendor's is."""
    from cli.book_servers import brokers_book

    target = brokers_book(state)
    if not files.broker_path.exists() or target.exists():
        return False
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(files.broker_path, target)
    target.chmod(0o600)
    return True
