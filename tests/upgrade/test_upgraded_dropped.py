# SPDX-License-Identifier: MIT
"""An ``Upgraded`` that nobody closed: the collector does, with a warning."""

import gc
import warnings
from typing import cast

from live import TIMEOUT, connect, eventually, read_head, read_to_end, upgrade_request
from marks import each_pair, over_tls_too
from sessions import Pair, Pairs


@over_tls_too(each_pair)
def test_a_dropped_stream_is_closed_with_a_resource_warning(pair: Pair) -> None:
    """The client is not left waiting because somebody forgot."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pairs = cast("Pairs", pair)
        with connect(pairs.daemon) as sock:
            sock.sendall(upgrade_request())
            read_head(sock)
            pairs.streams.get(timeout=TIMEOUT)
            gc.collect()
            assert read_to_end(sock) == b""
        eventually(lambda: pairs.daemon.upgraded == 0, "the end of the session")
        eventually(lambda: bool(caught), "the warning")
    (warning,) = caught
    assert warning.category is ResourceWarning
    assert "was not closed" in str(warning.message)


@over_tls_too(each_pair)
def test_a_dropped_stream_in_a_cycle_is_closed_by_the_collector(pair: Pair) -> None:
    """Whatever thread the collector runs on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pairs = cast("Pairs", pair)
        with connect(pairs.daemon) as sock:
            sock.sendall(upgrade_request())
            read_head(sock)
            cycle: list[object] = [pairs.streams.get(timeout=TIMEOUT)]
            cycle.append(cycle)
            del cycle
            eventually(lambda: gc.collect() >= 0 and bool(caught), "the warning")
            assert read_to_end(sock) == b""
    assert [warning.category for warning in caught] == [ResourceWarning]
