"""How well the guard tells illicit extraction from lawful use, on simulated traffic. Seeded.

    python benchmarks/guard_detection.py [--part lawful|volume|illicit|curious|peers|all] [--seeds 0 1 2 3 4]
        [--processes 2] [--only 'relay/*' ...] [--peers VENV/bin/python [--hub]] [--most N] [--days N]
        [--every N] [--small] [--json] [--out FILE] [--fresh]

lawful   200 tenants and more of every lawful profile, 10 classes of 300, an app of 10,000 keys: tiers at any
         window and at the end, with the Clopper-Pearson upper bound (95%, one-sided) on the share of tier 2
volume   three tenants of every lawful profile among others, then with a thousand times their requests
illicit  every campaign among lawful bystanders, by purity and by how it hides: when it is found, what leaked
curious  lawful people who quote and try what campaigns say: how often may they?
peers    unmimic and honeypotllm on the same traffic; guard_peers.py says how to install and what is asked
         (--hub: unmimic's own embeddings and prompts are to be had)

What is measured is what ``inbond guard evaluate`` says, judged after every window of ten minutes. A case that
is done is kept under the digest of the guard's source and its own, so that a run can be interrupted and taken
up. Campaigns are reduced as guard_cases.REDUCED says; fewer accounts are harder to find. Simulated traffic is
not real traffic.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import guard_tables
from guard_cases import PARTS, Case, Peers, Sizes, cases

import inbond.guard
from inbond.digest import of_bytes, of_value
from inbond.workspace import cache_folder, write_json

SMALL = Sizes(most=10, days=0.5, classes=1, times=20, share=0.05, every=6)
Found = list[tuple[Case, dict[str, Any]]]


def source() -> str:
    """The digest of all that decides a result."""
    guard = Path(str(inbond.guard.__file__)).parent
    here = Path(__file__).parent
    files = [
        *guard.glob("*.py"),
        *guard.glob("*.toml"),
        *guard.glob("detect/*"),
        *guard.glob("simulate/**/*"),
    ]
    kept = [each for each in files if each.suffix in (".py", ".toml", ".json")]
    kept += [here / "guard_trial.py", here / "guard_cases.py", here / "guard_peers.py"]
    return of_value(
        {str(each.name) + str(i): of_bytes(each.read_bytes()) for i, each in enumerate(sorted(kept))}
    )


def place(case: Case, decided: str) -> Path:
    """Where a case's result is kept."""
    folder = cache_folder(os.environ) / "benchmarks" / "guard-detection"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{of_value({'case': asdict(case), 'source': decided})[7:31]}.json"


def results(todo: Sequence[Case], processes: int, fresh: bool) -> Found:
    """What is kept already, and the rest made now, in the order of ``todo``."""
    decided = source()
    kept = {} if fresh else {each: place(each, decided) for each in todo}
    found = {each: json.loads(file.read_text()) for each, file in kept.items() if file.exists()}
    for number, (case, result) in enumerate(
        _made([each for each in todo if each not in found], processes), 1
    ):
        write_json(place(case, decided), result)
        found[case] = json.loads(json.dumps(result))
        _tell(number, len(todo) - len(found))
    return [(case, found[case]) for case in todo]


_BEGAN = time.monotonic()


def _tell(done: int, left: int) -> None:
    each = (time.monotonic() - _BEGAN) / done
    print(f"{done} cases done, {left} left, about {each * left / 60:.0f} min", file=sys.stderr)


def _made(todo: Sequence[Case], processes: int) -> Iterator[tuple[Case, dict[str, Any]]]:
    if processes == 1:
        yield from ((case, case.run()) for case in todo)
        return
    with ProcessPoolExecutor(processes) as pool:
        running = {pool.submit(case.run): case for case in todo}
        for each in as_completed(running):
            yield running[each], each.result()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=(*PARTS, "all"), default=["all"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", help="names of cases, for example 'relay/10%%*'", default=[])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--peers", metavar="PYTHON", help="python of a venv with both peers")
    parser.add_argument("--hub", action="store_true", help="unmimic's own embeddings can be downloaded")
    parser.add_argument("--most", type=float, default=Sizes.most, help="requests a day of a lawful account")
    parser.add_argument("--days", type=float, default=Sizes.days)
    parser.add_argument("--every", type=int, default=Sizes.every, help="judge after every so many windows")
    parser.add_argument(
        "--small", action="store_true", help="a look at whether it runs; figures mean nothing"
    )
    parser.add_argument("--json", action="store_true", help="one object instead of tables")
    parser.add_argument("--out", type=Path, help="a file for the object")
    parser.add_argument("--fresh", action="store_true", help="nothing that is kept counts")
    return parser.parse_args()


def chosen(given: argparse.Namespace) -> list[Case]:
    sizes = SMALL if given.small else Sizes(most=given.most, days=given.days, every=given.every)
    parts: Iterable[str] = PARTS if "all" in given.part else given.part
    peers = Peers(given.peers, not given.hub) if given.peers else None
    found = cases(parts, given.seeds, sizes, peers)
    return [
        each for each in found if not given.only or any(fnmatchcase(each.name, one) for one in given.only)
    ]


def main() -> None:
    """Prints tables, or one object."""
    given = options()
    found = results(chosen(given), given.processes, given.fresh)
    value = {"cases": [{**asdict(case), "found": result} for case, result in found]}
    if given.out:
        given.out.write_text(json.dumps(value))
    print(json.dumps(value) if given.json else "\n".join(guard_tables.tables(found)))
    if not given.peers and "all" in given.part:
        print("peers: left out, as there is no --peers", file=sys.stderr)


if __name__ == "__main__":
    main()
