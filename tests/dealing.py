"""What is slow, and who does what: the longest file first, each to the worker that is free."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

MEASURED = Path(__file__).parent / "seconds.json"


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def lane(config: pytest.Config) -> str:
    """What -m says: a file takes another time in each lane."""
    return str(config.getoption("markexpr")).strip()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-seconds", action="store_true", help=f"keep in {MEASURED.name} what each file took")


# Examples carry no marks. Those of the upper rooms compile whole solves, as the tests of the same rooms do.
SLOW_EXAMPLES = (
    "README.md",
    "kinetic_nde/analysis/",
    "kinetic_nde/sensitivity/",
    "kinetic_nde/plotting/",
    "kinetic_nde/cli/",
)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(SLOW_EXAMPLES):
            item.add_marker(pytest.mark.slow)
    seconds = json.loads(MEASURED.read_text()).get(lane(config), {})
    items.sort(key=lambda item: -seconds.get(file_of(item.nodeid), 1.0))  # stable: within a file the order stays


class Stopwatch:
    """Adds up what the tests of each file take, on whichever worker."""

    def __init__(self, config: pytest.Config):
        self.lane, self.root = lane(config), config.rootpath
        self.spent: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.spent[file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        lanes = json.loads(MEASURED.read_text())
        seconds = lanes.get(self.lane, {}) | {file: round(spent, 1) for file, spent in self.spent.items()}
        lanes[self.lane] = {
            file: spent for file, spent in seconds.items() if spent >= 0.5 and (self.root / file).exists()
        }
        MEASURED.write_text(json.dumps(lanes, indent=1, sort_keys=True) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("record_seconds") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch(config))
