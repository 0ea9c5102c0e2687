"""Residual networks as kinetic equations: a differentiable solver for the distribution of what they compute."""

import importlib
import importlib.metadata
import sys
import types
import typing

if typing.TYPE_CHECKING:
    from ._public import *  # noqa: F403

    __all__: list[str]
    __version__: str


class _Package(types.ModuleType):
    """The package, whose public names are imported when the first of them is asked for (PEP 562 does that, but for the last
    method): JAX takes seconds, in which the command could neither answer `--help` nor end by Ctrl-C in a line."""

    def __getattr__(self, name: str) -> typing.Any:
        if name == "__version__":
            return importlib.metadata.version(self.__name__)
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        public = importlib.import_module("._public", self.__name__)
        if name == "__all__":
            found = vars(public).items()
            return [each for each, it in found if not (each.startswith("_") or isinstance(it, types.ModuleType))]
        try:
            # The import may also have brought the submodule of this name.
            return vars(self)[name] if name in vars(self) else getattr(public, name)
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.__getattr__("__all__")})

    def __setattr__(self, name: str, value: typing.Any) -> None:
        # The import of a submodule binds its name here: of `solve` it is the function that is public.
        if isinstance(value, types.ModuleType):
            value = vars(value).get(name, value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
