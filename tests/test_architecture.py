"""The plan of the house: who may import whom, how classes are built, what a public name owes its reader, and where the
tests of what stand."""

import ast
import doctest
import functools
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import equinox as eqx

import kinetic_nde

# From the ground up. Names on one line share a floor.
ROOMS = """
    _values
    network
    distributions
    equations
    adjoints
    methods
    solution solve
    analysis
    sensitivity
    plotting
    sweep
    cli
    __main__
"""
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS.split("\n")) for room in rooms.split()}
PACKAGE = Path(kinetic_nde.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
SOURCES = {path.relative_to(PACKAGE.parent): ast.parse(path.read_text("utf-8")) for path in FILES}


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def modules() -> list[ModuleType]:
    return [importlib.import_module(module_name(path)) for path in SOURCES if path.name != "__main__.py"]


# Imports


def imports(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and absolute name of every module that a file imports, inside functions too."""
    package = path.parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = [*package[: len(package) + 1 - node.level]] if node.level else []
            origin += (node.module or "").split(".") if node.module else []
            for alias in node.names:
                yield node.lineno, ".".join([*origin, alias.name])


def test_a_room_imports_only_from_below():
    faults = []
    for path in SOURCES:
        if path in (Path("kinetic_nde/__init__.py"), Path("kinetic_nde/_public.py")):
            continue
        room = path.with_suffix("").parts[1]
        if room not in FLOOR:
            faults.append(f"{path}: {room} is not among ROOMS in this file")
            continue
        for line, name in imports(path, SOURCES[path]):
            package, _, rest = name.partition(".")
            if package != "kinetic_nde":
                continue
            # What is no room is a public name, and those come from the roof: `from kinetic_nde import Density`.
            if FLOOR.get(rest.partition(".")[0], len(FLOOR)) > FLOOR[room]:
                faults.append(f"{path}:{line}: {room} imports {name}, which is above it")
    assert not faults, "\n".join(faults)


def test_importing_the_package_changes_no_configuration_and_loads_no_matplotlib():
    script = """
import json, sys
import jax
before = dict(jax.config.values)
import kinetic_nde
changed = [name for name, value in before.items() if jax.config.values[name] != value]
print(json.dumps({"changed": changed, "matplotlib": "matplotlib" in sys.modules}))
"""
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"changed": [], "matplotlib": False}


# Classes: abstract or final, never between


def own_modules() -> list[type[eqx.Module]]:
    """Every `eqx.Module` that the package defines."""
    return [
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, eqx.Module) and value.__module__ == module.__name__
    ]


def parents(cls: type[eqx.Module]) -> list[type[eqx.Module]]:
    return [base for base in cls.__bases__ if issubclass(base, eqx.Module) and base is not eqx.Module]


def is_abstract(cls: type[eqx.Module]) -> bool:
    # The name decides for a base class that only groups its children and leaves nothing open.
    named = cls.__name__.lstrip("_").startswith("Abstract")
    return named or inspect.isabstract(cls) or bool(cls.__abstractvars__ | cls.__abstractclassvars__)


def depth(cls: type[eqx.Module]) -> int:
    """Length of the longest chain of classes of this package that ends in `cls`."""
    own = cls.__module__.partition(".")[0] == "kinetic_nde"
    return own + max(map(depth, parents(cls)), default=0)


def test_concrete_modules_are_never_subclassed():
    faults = [
        f"{cls.__module__}.{cls.__qualname__} extends {parent.__qualname__}, which is concrete"
        for cls in own_modules()
        for parent in parents(cls)
        if not is_abstract(parent)
    ]
    assert not faults, "\n".join(faults)


def test_no_chain_of_modules_is_deeper_than_three():
    faults = [f"{cls.__module__}.{cls.__qualname__}: depth {depth(cls)}" for cls in own_modules() if depth(cls) > 3]
    assert not faults, "\n".join(faults)


def test_no_class_calls_the_constructor_of_its_parent():
    faults = [
        f"{path}:{node.lineno}"
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "__init__"
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
    ]
    assert not faults, "super().__init__ at " + ", ".join(faults)


# Public names


def public_objects() -> dict[str, object]:
    """Public classes and functions by name; submodules are not offered, and other values carry no docstring."""
    names = {name for name in vars(kinetic_nde) if not name.startswith("_")} | set(getattr(kinetic_nde, "__all__", ()))
    found = {name: getattr(kinetic_nde, name) for name in sorted(names)}
    return {name: value for name, value in found.items() if callable(value) and not isinstance(value, ModuleType)}


def test_public_names_have_docstrings():
    # A dataclass without one is given its signature.
    missing = [
        name
        for name, value in public_objects().items()
        if not (text := (value.__doc__ or "").strip()) or text.startswith(f"{getattr(value, '__name__', name)}(")
    ]
    assert not missing, "no docstring: " + ", ".join(missing)


def test_public_names_have_examples_that_run():
    # Not a search for ">>>": doctest overlooks what it does not take for a class or a function of the module.
    finder = doctest.DocTestFinder()
    collected = {
        test.name
        for module in modules()
        for test in finder.find(module)
        if any(not example.options.get(doctest.SKIP) for example in test.examples)
    }
    missing = [
        name
        for name, value in public_objects().items()
        if f"{value.__module__}.{getattr(value, '__qualname__', name)}" not in collected
    ]
    assert not missing, "no example in the docstring: " + ", ".join(missing)


# Tests

ROOT = PACKAGE.parent
TESTS = {path.relative_to(ROOT): path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("*.py"))}
# What is tested from outside, by public names.
OUTSIDE = ("experiments", "notebooks", "benchmarks")
MOST_LINES = 300


def room_of(folder: Path) -> Path:
    return Path(PACKAGE.name, *folder.parts[1:])


def test_tests_stand_in_the_rooms_of_what_they_test():
    places = {path for file in SOURCES for path in (file, file.parent)}
    faults = [
        f"{folder}: the package has no such room or module"
        for folder in sorted({path.parent for path in TESTS} - {Path("tests")})
        if folder.parts[1] not in OUTSIDE and not {room_of(folder), room_of(folder).with_suffix(".py")} & places
    ]
    assert not faults, "\n".join(faults)


def test_no_file_of_tests_is_longer_than_three_hundred_lines():
    lengths = {path: len(text.splitlines()) for path, text in TESTS.items()}
    faults = [f"{path}: {length} lines" for path, length in lengths.items() if length > MOST_LINES]
    assert not faults, "\n".join(faults)


def test_no_file_of_tests_imports_another():
    """What several need stands in a module that is no test."""
    faults = [
        f"{path}:{line}: imports {name}"
        for path, text in TESTS.items()
        for line, name in imports(path, ast.parse(text))
        if name.partition(".")[0] == "tests" and any(part.startswith("test_") for part in name.split(".")[1:])
    ]
    assert not faults, "\n".join(faults)


def inside(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of whatever a file takes from a room of the package, by import or as an attribute of the package."""
    rooms = set(FLOOR) - {"solve", "plotting", "_values"}
    for line, name in imports(path, tree):
        package, *rest = name.split(".")
        if package == PACKAGE.name and rest and (rest[0] in rooms or any(part.startswith("_") for part in rest[1:])):
            yield line, name
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="kn" | "kinetic_nde"), attr=room) if room in rooms:
                yield node.lineno, f"{PACKAGE.name}.{room}"


def test_tests_know_the_inside_of_their_own_room_only():
    faults = []
    for path, text in TESTS.items():
        room = path.parts[1] if len(path.parts) > 2 else None
        for line, name in inside(path, ast.parse(text)):
            if name.split(".")[1] != room:
                faults.append(f"{path}:{line}: {name} is not of this room, and not a public name")
    assert not faults, "\n".join(faults)


def test_the_documentation_names_tests_that_there_are():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    faults = [
        f"{page.relative_to(ROOT)}: there is no {name}"
        for page in pages
        for name in re.findall(r"(?:tests|experiments|benchmarks)/[\w/]+\.py", page.read_text("utf-8"))
        if not (ROOT / name).exists()
    ]
    assert not faults, "\n".join(faults)
