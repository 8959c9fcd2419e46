"""What a component of a config can be given."""

import inspect
from collections.abc import Mapping
from pydoc import locate
from typing import Any

from monai.bundle import ComponentLocator, ConfigComponent

_locator = ComponentLocator()


class _Anything(tuple[str, ...]):
    """Holds every name."""

    def __contains__(self, name: object) -> bool:
        return True


def arguments(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of what a component takes; none for what is no component."""
    if not ConfigComponent.is_instantiable(item):
        return ()
    component = ConfigComponent(config=dict(item), locator=_locator)
    target = locate(str(component.resolve_module_name()))
    try:
        parameters = inspect.signature(target).parameters.values()  # type: ignore[arg-type]
    except (TypeError, ValueError):  # of what Python does not know the arguments
        return _Anything()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return _Anything()
    return (*ConfigComponent.non_arg_keys, *(parameter.name for parameter in parameters))
