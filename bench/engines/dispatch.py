"""Hand Composer's events to those that listen: of a step's 13 events and a run's 10 callbacks most pairs do nothing.

Composer calls every callback at every event and words a debug message for each call, which it then drops. Here the
order is the same (algorithms, callbacks, loggers) and so are the calls that do something.
"""

import os
from collections.abc import Sequence

from composer.core import Callback, Engine, Event
from composer.loggers import LoggerDestination


def listens(callback: Callback, event: Event) -> bool:
    """Tell whether a callback does anything at an event: it has a method of its own for it, or for all events."""
    kind = type(callback)
    own = getattr(kind, event.value) is not getattr(Callback, event.value)
    return own or kind.run_event is not Callback.run_event or event.value in vars(callback)


def in_order(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return callbacks as Composer calls them after start-up: loggers last, so that they send what others logged."""
    return sorted(callbacks, key=lambda callback: isinstance(callback, LoggerDestination))


def dispatch_to_listeners(engine: Engine) -> None:
    """Make an engine, whose callbacks are all there, call only those of them that listen to an event.

    Unchanged where Composer does more: while it profiles, and where `ENGINE_DEBUG` asks for a message at every call.
    """
    if engine.state.profiler is not None or os.environ.get("ENGINE_DEBUG"):
        return
    callbacks = in_order(engine.state.callbacks)
    listeners = {event: [callback for callback in callbacks if listens(callback, event)] for event in Event}

    def run_event(event: Event | str) -> object:
        """Run the algorithms that match, then the listeners."""
        if engine._is_closed:
            raise RuntimeError("the engine is closed; a new Trainer is needed")
        event = Event(event)
        traces = engine._run_algorithms(event)
        for callback in listeners[event]:
            callback.run_event(event, engine.state, engine.logger)
        return traces

    engine.run_event = run_event
    engine._debug_log = lambda event, message: None
