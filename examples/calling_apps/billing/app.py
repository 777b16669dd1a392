"""Prices, and how often each was asked for. The counts outlive reloads: they are handed over."""

import moult

PRICES = {"tea": 4, "coffee": 5}
asked = {}


@moult.export
def price(item: str) -> int:
    """The price of one piece, in euros. KeyError for what is not sold."""
    asked[item] = asked.get(item, 0) + 1
    return PRICES[item]


@moult.export
def history():
    """Yields (item, how often its price was asked for), item by item."""
    yield from sorted(asked.items())


@moult.handoff
def give():
    return asked


@moult.adopt
def take(state, generation):
    asked.update(state)
    print(f"took over {sum(state.values())} questions from generation {generation}")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"billing, generation {moult.current().generation}, asked {sum(asked.values())} times\n".encode()]
