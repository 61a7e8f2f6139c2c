"""The embedded CARLA world under clients that die: ``python -m bench.carla_soak [PART ...] --map FILE.xodr``.

``worlds``: 1,000 fresh clients that each find the world. ``soak``: clients of every kind of `bench.soak_victims` are
started, three at once, some stopped for a while, and killed at a random moment, for so many minutes; after every round
a witness asks the server something, ticks, and loads the world again. Printed are the server's memory over time (its
median in the first and the last fifth after a warm-up of a tenth), its open files and threads, and the witness's
longest wait. The exit code is 1 where the server died, kept a client waiting for 10 s, or grew by more than 5 %.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import carla_bridge
from avrec.errors import require
from bench.soak_victims import KINDS

__all__ = ["Sample", "Soak", "fresh_worlds", "main", "sample_process"]

AT_ONCE = 3
PATIENCE_S = 10.0
FLAT = 0.05


@dataclass(frozen=True)
class Sample:
    """What a process holds: seconds since the start, memory in MiB, open files, threads."""

    at_s: float
    memory_mib: float
    files: int
    threads: int


def sample_process(pid: int, at_s: float = 0.0) -> Sample:
    """What a process holds now."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(round(at_s, 1), int(lines["VmRSS"].split()[0]) / 1024, files, int(lines["Threads"]))


@dataclass(frozen=True)
class Soak:
    """What a soak found.

    Attributes:
        samples: after every round, when its clients were dead.
        deaths: clients by kind; most were killed.
        crashes: of those, the ones that had crashed before (a signal, not an error) by kind.
        slowest_s: the witness's longest wait for an answer.
        alive: whether the server still ran at the end.
    """

    samples: tuple[Sample, ...]
    deaths: Counter[str]
    crashes: Counter[str]
    slowest_s: float
    alive: bool

    def fifths(self) -> tuple[list[Sample], list[Sample]]:
        """The first and the last fifth after the warm-up."""
        settled = self.samples[len(self.samples) // 10 :]
        part = max(len(settled) // 5, 1)
        return list(settled[:part]), list(settled[-part:])

    def growth(self) -> float:
        """Of the memory, as a share of what it was."""
        first, last = (statistics.median(each.memory_mib for each in part) for part in self.fifths())
        return last / first - 1.0

    def sound(self) -> bool:
        """Whether nothing hung, died or leaked."""
        first, last = self.fifths()
        return (
            self.alive
            and self.slowest_s < PATIENCE_S
            and abs(self.growth()) <= FLAT
            and min(each.files for each in last) <= max(each.files for each in first)
            and min(each.threads for each in last) <= max(each.threads for each in first)
        )


def soak(server: carla_bridge.Server, minutes: float, seed: int = 2, log: Path | None = None) -> Soak:
    """Let clients die on a server for some minutes; each sample is appended to ``log`` as a line of JSON."""
    client = require("carla", "carla").Client(server.host, server.port)
    client.set_timeout(60.0)
    generator, samples, slowest = random.Random(seed), list[Sample](), 0.0
    deaths: Counter[str] = Counter()
    crashes: Counter[str] = Counter()
    start = time.monotonic()
    while time.monotonic() - start < minutes * 60 and server.running:
        names, crashed = _round(server.port, generator)
        deaths.update(names)
        crashes.update(crashed)
        before = time.monotonic()
        world = client.reload_world(False)
        settings = world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
        world.apply_settings(settings)
        world.tick()
        slowest = max(slowest, time.monotonic() - before)
        samples.append(sample_process(server.pid, time.monotonic() - start))
        if log is not None:
            with log.open("a") as lines:
                lines.write(json.dumps(asdict(samples[-1])) + "\n")
    return Soak(tuple(samples), deaths, crashes, slowest, server.running)


def _round(port: int, generator: random.Random) -> tuple[list[str], list[str]]:
    """Names of a round's clients, and of those that crashed by themselves."""
    crashed = []
    names = [generator.choice(list(KINDS)) for _ in range(AT_ONCE)]
    command = [sys.executable, "-m", "bench.soak_victims"]
    victims = [
        subprocess.Popen(
            [*command, name, str(port), str(generator.randrange(10**6))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in names
    ]
    try:
        time.sleep(generator.uniform(0.5, 2.0))
        for name, victim in zip(names, victims, strict=True):
            time.sleep(generator.uniform(0.1, 3.0))
            if (victim.poll() or 0) < 0:
                crashed.append(name)
            if generator.random() < 0.3:  # silent, but not gone
                victim.send_signal(signal.SIGSTOP)
                time.sleep(generator.uniform(0.1, 2.0))
            victim.kill()
            victim.wait()
    finally:
        for victim in victims:
            victim.kill()
            victim.wait()
    return names, crashed


def fresh_worlds(server: carla_bridge.Server, count: int = 1000) -> float:
    """Fresh clients, one after another, that each get the world; the slowest one's seconds."""
    slowest = 0.0
    for _ in range(count):
        start = time.perf_counter()
        client = require("carla", "carla").Client(server.host, server.port)
        client.set_timeout(60.0)
        client.get_world().get_snapshot()
        slowest = max(slowest, time.perf_counter() - start)
    return slowest


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.carla_soak", description=__doc__)
    parser.add_argument("part", nargs="*", choices=["worlds", "soak", []], help="what to do (default: all)")
    parser.add_argument("--map", type=Path, required=True, help="an OpenDRIVE map or a scene")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak (default 30)")
    parser.add_argument("--log", type=Path, help="file for the samples, one line of JSON each")
    options = parser.parse_args(arguments)
    failed = False
    for name in options.part or ["worlds", "soak"]:
        with (
            tempfile.TemporaryDirectory() as folder,
            carla_bridge.serve(options.map, port=0, recordings=folder) as server,
        ):
            if name == "worlds":
                before = sample_process(server.pid)
                slowest = fresh_worlds(server)
                after = sample_process(server.pid)
                print(
                    f"1,000 fresh get_world()     none failed, slowest {slowest:.2f} s, memory {before.memory_mib:.0f} "
                    f"to {after.memory_mib:.0f} MiB, files {before.files} to {after.files}"
                )
                continue
            found = soak(server, options.minutes, log=options.log)
            _print(found, options.minutes)
            failed = failed or not found.sound()
    return int(failed)


def _print(found: Soak, minutes: float) -> None:
    first, last = found.fifths()
    sizes = [each.memory_mib for each in found.samples]
    print(
        f"soak, {minutes:g} min             {found.deaths.total()} clients killed in {len(sizes)} rounds, "
        f"server {'up' if found.alive else 'DOWN'}, longest wait of the witness {found.slowest_s:.2f} s"
    )
    before, after = (statistics.median(each.memory_mib for each in part) for part in (first, last))
    print(f"  memory {before:.1f} to {after:.1f} MiB ({found.growth():+.1%}), most {max(sizes):.1f}")
    print(f"  files {first[0].files} to {last[-1].files}, threads {first[0].threads} to {last[-1].threads}")
    print("  killed: " + ", ".join(f"{name} {count}" for name, count in sorted(found.deaths.items())))
    print("  crashed before: " + (", ".join(f"{name} {count}" for name, count in found.crashes.items()) or "none"))


if __name__ == "__main__":
    raise SystemExit(main())
