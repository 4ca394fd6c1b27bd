# SPDX-License-Identifier: MIT
"""Names and values of header fields, and the mappings of them."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymhd.headers import (
    Headers,
    MultiMapping,
    Query,
    check_field,
    check_protocols,
    tokens,
)

TOKEN_CHARACTERS = (
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
VISIBLE = st.characters(codec="latin-1", exclude_categories=["Cc"])

names = st.text(TOKEN_CHARACTERS, min_size=1)
pairs = st.lists(st.tuples(st.sampled_from(["a", "A", "b", "B"]), st.text()))


# --- names ---


@given(names)
def test_every_token_is_a_name(name: str) -> None:
    """RFC 9110, section 5.6.2, and nothing less."""
    assert check_field(name, "x") == (name, "x")


@given(st.characters().filter(lambda c: c not in TOKEN_CHARACTERS))
def test_no_other_character_may_stand_in_a_name(character: str) -> None:
    """Wherever it stands."""
    for name in (character, f"{character}a", f"a{character}", f"a{character}a"):
        with pytest.raises(ValueError, match="is no name of a header field"):
            check_field(name, "x")


@pytest.mark.parametrize("name", ["", " ", "X:", "X\n", "X\r\nY", "X\0", "Ünïcode"])
def test_a_malformed_name_is_refused(name: str) -> None:
    """Also one that ends with a line break, which ``$`` would overlook."""
    with pytest.raises(ValueError, match="is no name"):
        check_field(name, "x")


# --- values ---


@given(st.text(VISIBLE).filter(lambda value: value.strip(" \t")))
def test_every_visible_latin_1_character_may_stand_in_a_value(value: str) -> None:
    """Spaces around it are not part of it."""
    assert check_field("X", value) == ("X", value.strip(" \t"))


def test_a_tab_may_stand_within_a_value() -> None:
    """RFC 9110, section 5.5."""
    assert check_field("X", "\ta\tb\t") == ("X", "a\tb")


@given(
    st.text(VISIBLE),
    st.characters(categories=["Cc"], exclude_characters="\t").filter(
        lambda c: ord(c) < 0x80
    ),
    st.text(VISIBLE),
)
def test_no_control_character_may_stand_in_a_value(
    before: str, character: str, after: str
) -> None:
    """CR and LF would end the field, NUL would cut it."""
    with pytest.raises(ValueError, match="may not stand in a header field"):
        check_field("X", before + character + after)


@given(st.characters(min_codepoint=0x100))
def test_no_character_beyond_latin_1_may_stand_in_a_value(character: str) -> None:
    """It has no byte."""
    with pytest.raises(ValueError, match="latin-1"):
        check_field("X", character)


@pytest.mark.parametrize("value", ["", " ", "\t", " \t "])
def test_a_value_must_not_be_empty(value: str) -> None:
    """libmicrohttpd would refuse it much later."""
    with pytest.raises(ValueError, match="without a value"):
        check_field("X", value)


@pytest.mark.parametrize(
    ("name", "value"), [(b"X", "x"), ("X", b"x"), ("X", 1), (1, "x"), ("X", None)]
)
def test_names_and_values_must_be_str(name: Any, value: Any) -> None:
    """Bytes and numbers are a mistake, not something to guess at."""
    with pytest.raises(TypeError, match="must be str"):
        check_field(name, value)


# --- lists and protocols ---


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ("", []),
        (",", []),
        (" , ,", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ("\ta , b\t,,c ", ["a", "b", "c"]),
        ("a b, c", ["a b", "c"]),
    ],
)
def test_a_list_is_split_at_commas(value: str, members: list[str]) -> None:
    """Empty members do not count (RFC 9110, section 5.6.1)."""
    assert tokens(value) == members


@given(st.lists(names))
def test_tokens_that_were_joined_come_apart_again(members: list[str]) -> None:
    """Whatever whitespace stands around the commas."""
    assert tokens(" ,\t".join(members)) == members


@pytest.mark.parametrize(
    ("value", "protocols"),
    [
        ("echo", ["echo"]),
        ("HTTP/2.0, SHTTP/1.3", ["HTTP/2.0", "SHTTP/1.3"]),
        ("tcp,", ["tcp"]),
    ],
)
def test_protocols_may_have_a_version(value: str, protocols: list[str]) -> None:
    """RFC 9110, section 7.8."""
    assert check_protocols(value) == protocols


@pytest.mark.parametrize(
    "value", ["", " ", ",", "a b", "a/", "/1", "a/b/c", "a\n", "ä", "a;b", "a, b c"]
)
def test_a_malformed_protocol_is_refused(value: str) -> None:
    """A list is refused for one of its members."""
    with pytest.raises(ValueError, match="protocol to upgrade to"):
        check_protocols(value)


# --- the mappings ---


@given(pairs)
def test_pairs_gives_everything_in_its_order(
    given_pairs: list[tuple[str, str]],
) -> None:
    """What goes in comes out."""
    assert MultiMapping(given_pairs).pairs() == tuple(given_pairs)


@given(pairs)
def test_get_all_gives_the_values_of_a_name_in_order(
    given_pairs: list[tuple[str, str]],
) -> None:
    """With regard to case in a Query, without in Headers."""
    expected = [value for name, value in given_pairs if name == "a"]
    assert Query(given_pairs).get_all("a") == expected
    expected = [value for name, value in given_pairs if name in "aA"]
    assert Headers(given_pairs).get_all("A") == expected


@given(pairs)
def test_as_a_mapping_it_has_every_pair(given_pairs: list[tuple[str, str]]) -> None:
    """Length, iteration, the views and membership agree, as multidict's do."""
    for mapping in (MultiMapping(given_pairs), Headers(given_pairs)):
        assert list(mapping.items()) == given_pairs
        assert list(mapping) == list(mapping.keys()) == [n for n, _ in given_pairs]
        assert list(mapping.values()) == [value for _, value in given_pairs]
        sizes = map(len, (mapping, mapping.keys(), mapping.values(), mapping.items()))
        assert set(sizes) == {len(given_pairs)}
        for name, value in given_pairs:
            assert name in mapping
            assert name in mapping.keys()  # noqa: SIM118 - the view's own
            assert (name, value) in mapping.items()
            assert value in mapping.values()
            assert mapping[name] == mapping.getall(name)[0]
        assert ("c", "") not in mapping.items()
        assert "never" not in mapping.values()


@given(pairs)
def test_a_dict_made_of_a_mapping_has_the_first_values(
    given_pairs: list[tuple[str, str]],
) -> None:
    """Whichever way it is made of it."""
    query = Query(given_pairs)
    first = {name: query[name] for name in query}
    assert dict(query) == {**query} == first


@given(pairs)
def test_a_mapping_made_of_another_one_loses_nothing(
    given_pairs: list[tuple[str, str]],
) -> None:
    """Also a copy, a pickled one, and one made of pairs in an iterator."""
    for kind in (Headers, Query):
        mapping = kind(given_pairs)
        others = [
            kind(mapping),
            kind(iter(given_pairs)),
            mapping.copy(),
            copy.copy(mapping),
            copy.deepcopy(mapping),
            pickle.loads(pickle.dumps(mapping)),
        ]
        for other in others:
            assert type(other) is kind
            assert other.pairs() == tuple(given_pairs)
            assert other == mapping


def test_getall_gives_a_default_or_raises() -> None:
    """As multidict's does; get_all() gives an empty list."""
    headers = Headers([("A", "1"), ("a", "2")])
    assert headers.getall("A") == headers.getall("a", None) == ["1", "2"]
    assert headers.getall("B", None) is None
    assert headers.getall("B", ["3"]) == ["3"]
    with pytest.raises(KeyError, match="B"):
        headers.getall("B")


def test_a_mapping_equals_a_dict_that_has_each_name_once() -> None:
    """In any order; the names of Headers without regard to case."""
    headers = Headers([("A", "1"), ("B", "2")])
    assert headers == {"b": "2", "a": "1"}
    assert Query([("A", "1")]) != {"a": "1"}
    others: list[Any] = [{"a": "1"}, {"a": "1", "b": "3"}, {"a": "1", 2: "2"}, [], None]
    assert not any(headers == other for other in others)
    assert Headers([("A", "1"), ("a", "1")]) != {"A": "1"}


def test_headers_are_found_without_regard_to_case() -> None:
    """And keep the spelling in which they came."""
    headers = Headers([("X-One", "1"), ("x-one", "2")])
    assert headers["X-ONE"] == "1"
    assert headers.get("x-One") == "1"
    assert "x-ONE" in headers
    assert list(headers) == ["X-One", "x-one"]


def test_parameters_are_found_with_regard_to_case() -> None:
    """``?A=1&a=2`` are two."""
    query = Query([("A", "1"), ("a", "2")])
    assert (query["A"], query["a"], len(query)) == ("1", "2", 2)


def test_a_name_that_is_not_there_is_a_key_error_with_its_spelling() -> None:
    """The folded name would puzzle."""
    with pytest.raises(KeyError, match="X-Missing"):
        Headers()["X-Missing"]


def test_a_name_that_is_not_there_has_no_values() -> None:
    """get_all() gives an empty list, get() its default."""
    headers = Headers([("A", "1")])
    assert headers.get_all("B") == []
    assert headers.get("B") is None
    assert headers.get("B", "2") == "2"


def test_what_is_no_str_is_not_in_a_mapping() -> None:
    """Membership does not raise."""
    others: list[Any] = [1, b"A", None]
    assert not any(other in Headers([("A", "1")]) for other in others)


def test_the_list_of_get_all_is_the_callers_own() -> None:
    """Changing it leaves the mapping alone."""
    headers = Headers([("A", "1")])
    headers.get_all("A").append("2")
    assert headers.get_all("A") == ["1"]


def test_a_mapping_cannot_be_changed() -> None:
    """It is what the client has sent."""
    headers: Any = Headers([("A", "1")])
    with pytest.raises(TypeError):
        headers["A"] = "2"
    with pytest.raises(TypeError):
        del headers["A"]
    with pytest.raises(AttributeError):
        headers.other = 1


def test_list_of_joins_fields_of_one_name() -> None:
    """RFC 9110, section 5.3."""
    headers = Headers([("Via", "a, b"), ("X", "no"), ("via", ",c")])
    assert headers.list_of("VIA") == ["a", "b", "c"]
    assert headers.list_of("Other") == []


def test_repr_shows_the_class_and_every_pair() -> None:
    """It can be pasted back."""
    headers = Headers([("A", "1"), ("a", "2")])
    assert repr(headers) == "Headers([('A', '1'), ('a', '2')])"
    assert eval(repr(headers)).pairs() == headers.pairs()
    assert repr(Query()) == "Query([])"


def test_equal_mappings_compare_equal() -> None:
    """As any mapping does."""
    assert Query([("a", "1")]) == Query([("a", "1")])
    assert Query([("a", "1")]) == {"a": "1"}
    assert Query([("a", "1")]) != Query([("a", "2")])
