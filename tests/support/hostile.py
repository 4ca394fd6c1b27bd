# SPDX-License-Identifier: MIT
"""Requests that hostile or broken clients send, and how they are to end.

A case is a name, the bytes, the statuses that may come, and the number of requests that
a handler may see. Each is sent with one more request behind it, ``SMUGGLED``, so a
body's end that is seen in the wrong place, or a refusal that does not close, shows.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from pymhd import lib

VERSION: int = lib.MHD_VERSION
HOST = b"Host: test\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
BEFORE_1_0 = VERSION < 0x01000000
BEHIND_CHUNKS = 0 if BEFORE_1_0 else 1
"""Before 1.0 the end of a body in chunks is not certain, so no request follows one."""
IS_0_9_72 = VERSION < 0x00097400


class Case(NamedTuple):
    """One row."""

    name: str
    sent: bytes
    statuses: tuple[int, ...] = (400,)
    """0: the connection is closed without a byte, before pymhd is asked."""
    reached: int | None = 0
    """How many requests a handler sees, with the one behind it; None: as many as are
    answered 200."""


def refused(name: str, sent: bytes, *statuses: int, silent: bool = False) -> Case:
    """Return a case for a 400, or other statuses; silent: or only a close."""
    return Case(name, sent, (statuses or (400,)) + ((0,) if silent else ()))


def served(name: str, sent: bytes, then: int = 1) -> Case:
    """Return a case for a 200, with the one behind it served, too, or not."""
    return Case(name, sent, (200,), 1 + then)


def get(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> bytes:
    """Return a request without a body; each field is a line without its CRLF."""
    return line + b"\r\n" + host + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


def post(*fields: bytes, body: bytes = b"hello", version: bytes = b"1.1") -> bytes:
    """Return a request whose fields say where its body ends."""
    return get(*fields, line=b"POST / HTTP/" + version) + body


# --- header lines ---

LINES = {
    "a colon": b":",
    "two colons": b"::",
    "a colon and a value": b": v",
    "a blank and a colon": b" :",
    "a tab and a colon": b"\t:",
    "a NUL": b"\0",
    "two NULs": b"\0\0",
    "a NUL and a field": b"\0X: a",
    "a NUL and a colon": b"\0:",
    "a NUL in a name": b"X\0Y: a",
    "a NUL behind a name": b"X\0: a",
    "a NUL before a value": b"X: \0a",
    "a NUL in a value": b"X: a\0b",
    "a NUL behind a value": b"X: a\0",
    "NULs behind a value": b"X: a\0\0\0",
    "a value of NUL": b"X:\0",
    "a blank before a colon": b"X : a",
    "a tab before a colon": b"X\t: a",
    "a fold": b" folded",
    "a fold with a colon": b" X: folded",
    "a fold by a tab": b"\tfolded",
    "only a blank": b" ",
    "only a tab": b"\t",
    "a name in brackets": b"X[]: a",
    "a name in quotes": b'"X": a',
    "a name with a slash": b"X/Y: a",
    "a name with an e acute": b"X\xe9: a",
    "a name with DEL": b"X\x7f: a",
    "a name with BEL": b"X\a: a",
    "a CR before a name": b"\rX: a",
    "a CR behind a name": b"X\r: a",
    "a CR in a value": b"X: a\rb",
    "a CR before a field": b"X: a\rY: b",
    "a CR behind a value": b"X: a\r",
    "only a CR": b"\r",
    "an LF in a value": b"X: a\nb",
    "an LF before a field": b"X: a\nY: b",
    "only an LF": b"\n",
    "a NUL and an LF with a field": b"\0\nX: a",
}
WITHOUT_COLON = {
    "no colon": b"X",
    "a semicolon": b"X; a",
    "a CR and no colon": b"\rX",
    "a request line": b"GET /smuggled HTTP/1.1",
}


def header_lines() -> Iterator[Case]:
    """Give lines that are no field, in each place (RFC 9112, section 5)."""
    length = b"Content-Length: 5"
    trap = b"X-Trap: GET /smuggled HTTP/1.1"
    for name, line in (LINES | WITHOUT_COLON).items():
        if BEFORE_1_0 and line.startswith(b"\0\n"):
            continue  # it looks as a CRLF there: ARCHITECTURE.md
        for place, fields in (
            ("first", (line, HOST[:-2], length)),
            ("between", (HOST[:-2], length, line, trap)),
            ("last", (HOST[:-2], length, line)),
        ):
            sent = get(*fields, line=b"POST / HTTP/1.1", host=b"") + b"hello"
            yield refused(f"{name}, {place}", sent)


def values() -> Iterator[Case]:
    """Give control characters, which no value has (RFC 9110, section 5.5)."""
    for code in [*range(1, 9), 11, 12, *range(14, 32), 127]:
        for value in (b"a%cb", b"%ca", b"a%c"):
            field = b"X: " + value % code
            yield refused(f"{field!r}", get(field))
            yield refused(f"{field!r}, 1.0", get(field, line=b"GET / HTTP/1.0"))
    for value in (b"", b" ", b"\t", b"a\tb", b"\xe9\x80\xff", b'"a b"', b":"):
        yield served(f"X: {value!r}", get(b"X: " + value))


# --- where the body ends ---


def lengths() -> Iterator[Case]:
    """Give lengths that are no number, or several (RFC 9112, section 6.3)."""
    for value in (
        *(b"+5", b"-5", b"-0", b"5,5", b"5, 5", b"5 5", b"0x5", b"5x", b"1_0", b"5.0"),
        *(b"5e0", b"5;", b'"5"', b"five", b"", b" ", b"\v5", b"5\f", b"5\0", b"\0005"),
        *(b"\xb25", b"5\xa0", b"5\0 ", b"5\r", b"-123456789123456789123456789"),
    ):
        yield refused(f"length {value!r}", post(b"Content-Length: " + value))
    for value in (b"9" * 20, b"9" * 40, b"18446744073709551616"):
        sent = post(b"Content-Length: " + value)
        yield refused(f"length {value!r}", sent, 400, 413)
    for first, second in ((b"5", b"5"), (b"5", b"6"), (b"0", b"5"), (b"5", b"")):
        sent = post(b"Content-Length: " + first, b"content-length: " + second)
        yield refused(f"lengths {first!r} and {second!r}", sent)
    yield served("length 005", post(b"Content-Length: 005"))
    for blank in (b" ", b"\t", b" \t "):
        sent = post(b"Content-Length: 5" + blank)
        # RFC 9110, section 5.5; releases before 1.0 do not count with it.
        status, reached = (400, 0) if BEFORE_1_0 else (200, 2)
        yield Case(f"length 5{blank!r}", sent, (status,), reached)


CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"


def codings() -> Iterator[Case]:
    """Give codings that we do not know (RFC 9112, sections 6.1 and 6.3)."""
    for value in (
        *(b"gzip", b"identity", b"x", b"gzip, chunked", b"chunked, gzip", b"chunke"),
        *(b"chunked, chunked", b"chunked,", b",chunked", b"chunked;q=1", b"chunkedx"),
        *(
            b"chunked identity",
            b'"chunked"',
            b"xchunked",
            b"chunked;",
            b"",
            b"\vchunked",
        ),
        *(b"chunked\f", b"chunked\0", b"\0chunked", b"chun\0ked", b"chunked\0 ", b"5"),
    ):
        sent = post(b"Transfer-Encoding: " + value, body=CHUNKED)
        yield refused(f"coding {value!r}", sent, 400, 501)
    field = b"Transfer-Encoding: chunked"
    length = b"Content-Length: 5"
    for first, second in (
        (field, field),
        (field, b"Transfer-Encoding: gzip"),
        (b"Transfer-Encoding: gzip", field),
        (b"Transfer-Encoding:", field),
        (length, field),
        (field, length),
        (field, b"Content-Length: 0"),
        (field, b"Content-Length: x"),
        (b"Content-Length: x", field),
    ):
        sent = post(first, second, body=CHUNKED)
        yield refused(f"{first!r} and {second!r}", sent, 400, 501)
    yield refused("chunked in 1.0", post(field, body=CHUNKED, version=b"1.0"), 400, 501)
    for spelling in (b"chunked", b"Chunked", b"CHUNKED", b" \tchunked"):
        sent = post(b"Transfer-Encoding: " + spelling, body=CHUNKED)
        yield served(f"coding {spelling!r}", sent, then=BEHIND_CHUNKS)
    for blank in (b" ", b"\t", b" \t "):
        sent = post(field + blank, body=CHUNKED)
        # RFC 9110, section 5.5; releases before 1.0 do not know it for a coding.
        status, reached = (400, 0) if BEFORE_1_0 else (200, 2)
        yield Case(f"chunked{blank!r}", sent, (status,), reached)


TRAILERS = {
    "a colon": b":",
    "a NUL": b"\0X: a",
    "a NUL in a value": b"X: a\0b",
    "a name in brackets": b"X[]: a",
    "BEL": b"X: a\a",
    "a fold": b"X: a\r\n b",
    "a blank before the colon": b"X : a",
}


def chunks() -> Iterator[Case]:
    """Give bodies whose chunks are none (RFC 9112, section 7.1)."""
    field = b"Transfer-Encoding: chunked"
    for body in (
        *(b"g\r\n", b"-1\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"\r\n", b"5helloXX\r\n"),
        *(b"0x5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b";\r\nhello\r\n"),
        *(b"1_0\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"\0\r\n", b"5\0\r\nhello\r\n0\r\n"),
    ):
        yield refused(f"chunk {body!r}", post(field, body=body))
    for size in (b"f" * 17, b"1" + b"0" * 16):
        yield refused(f"chunk {size!r}", post(field, body=size + b"\r\n"), 400, 413)
    for name, line in TRAILERS.items():
        for more in (b"", b"T: t\r\n"):
            body = b"0\r\n" + more + line + b"\r\nX: GET /smuggled HTTP/1.1\r\n" + HOST
            sent = post(field, body=body + b"\r\n")
            # Before 1.0 a trailer may end too early, or hide what follows a NUL or a
            # fold; nothing behind it is read.
            early = BEFORE_1_0 and (line[0] in b":\0" or b"\0" in line or b"\n" in line)
            case = Case(f"trailer with {name} {more!r}", sent)
            yield case._replace(statuses=(200, 400), reached=None) if early else case


# --- the request line ---


def request_lines() -> Iterator[Case]:
    """Give request lines that are none (RFC 9112, section 3)."""
    # Later releases close without a word if the line is no line at all.
    for line in (
        *(b"GET", b"GET ", b"GET  ", b"GET /", b"GET / ", b"GET /  "),
        *(b"GET HTTP/1.1", b"GET  HTTP/1.1", b"GET / HTTP/1.1 x", b"GET / HTTP/1.1 "),
        *(b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET / a HTTP/1.1"),
        *(b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\0", b"GET / HTTP/1.1\t"),
        *(
            b"GET /\tHTTP/1.1",
            b"GET\t/ HTTP/1.1",
            b"GET\t/\tHTTP/1.1",
            b"GET\0X / HTTP/1.1",
        ),
        *(
            b"GET\0/ HTTP/1.1",
            b"GET /\0 HTTP/1.1",
            b"GET \0/ HTTP/1.1",
            b"GET / \0HTTP/1.1",
        ),
        *(b" GET / HTTP/1.1", b"\tGET / HTTP/1.1", b"\0GET / HTTP/1.1", b":"),
        *(b"Extra lineGET / HTTP/1.1", b"Extra line", b"/ HTTP/1.1", b" / HTTP/1.1"),
        *(
            b"G(T / HTTP/1.1",
            b"G\xe9T / HTTP/1.1",
            b"G\aT / HTTP/1.1",
            b"GET: / HTTP/1.1",
        ),
        *(b"GET /\rHTTP/1.1", b"GET / HTTP/1.1\rX: a", b"GET /\r HTTP/1.1"),
    ):
        if IS_0_9_72 and line[0] == 0:
            continue  # an empty line, behind which it waits: ARCHITECTURE.md
        yield refused(f"line {line!r}", get(line=line), silent=closes_silently(line))
    for method in (b"GET", b"get", b"BREW", b"M-SEARCH", b"!#$%&'*+-.^_`|~"):
        yield served(f"method {method!r}", get(line=method + b" / HTTP/1.1"))


def closes_silently(line: bytes) -> bool:
    """Tell whether this release ends the connection before pymhd is asked."""
    known = line.startswith(b"GET ")
    if BEFORE_1_0:
        # 0.9.72 takes a CR for the end, and what follows for a field.
        cut = IS_0_9_72 and b"\r" in line
        return b" " not in line or line.startswith((b"\0", b" ")) or cut
    return not known or any(c in line for c in b"\0")


def versions() -> Iterator[Case]:
    """Give other versions (RFC 9112, section 2.3; RFC 9110, section 15.6.6)."""
    for version in (
        *(
            b"http/1.1",
            b"Http/1.1",
            b"HTTP/1.10",
            b"HTTP/01.1",
            b"HTTP/1.01",
            b"HTTP/1",
        ),
        *(b"HTTP/1.", b"HTTP/.1", b"HTTP/1,1", b"HTTP/a.b", b"HTTP/-1.1", b"HTTP/1.x"),
        *(b"HTTP /1.1", b"HTTP/ 1.1", b"HTTPS/1.1", b"XTTP/1.1", b"ICY/1.1", b"HTTP/"),
        *(b"HTTP/11.1", b"HTTP/1.1,", b"HTTP\\1.1", b"HTTP/1.\xb1"),
    ):
        yield refused(f"version {version!r}", get(line=b"GET / " + version))
    for version in (b"HTTP/0.9", b"HTTP/0.0", b"HTTP/2.0", b"HTTP/3.0", b"HTTP/9.9"):
        yield refused(f"version {version!r}", get(line=b"GET / " + version), 400, 505)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield refused("a preface of HTTP/2", preface, 400, 505)
    for minor in (b"1.1", b"1.2", b"1.9"):
        yield served(f"version {minor!r}", get(line=b"GET / HTTP/" + minor))
        sent = post(b"Transfer-Encoding: chunked", body=CHUNKED, version=minor)
        yield served(f"chunked in {minor!r}", sent, then=BEHIND_CHUNKS)
        sent = get(line=b"GET / HTTP/" + minor, host=b"")
        yield refused(f"no Host in {minor!r}", sent)
    yield served("version 1.0", get(line=b"GET / HTTP/1.0"), then=0)
    yield served("no Host in 1.0", get(line=b"GET / HTTP/1.0", host=b""), then=0)


# --- the target and the host ---


def targets() -> Iterator[Case]:
    """Give targets in none of the four forms (RFC 9112, section 3.2)."""
    for target in (
        *(
            b"x",
            b"x/y",
            b"*",
            b"?a",
            b"#a",
            b"test:80",
            b"test",
            b"../x",
            b"\\",
            b":80",
        ),
        *(b"http:", b"http:/", b"http:/x", b"http://", b"http:///x", b"http://?a"),
        *(b"http://u@test/", b"http://u:p@test/", b"http://te st/", b"http://test:x/"),
        *(b"http://test:99999/", b"http://[::1/", b"http://te/st:x@/#", b"http://t\\/"),
        *(b"ftp://test/", b"://test/", b"httpx://test/", b"file:///etc/passwd"),
        *(
            b"/#",
            b"/a#b",
            b"/a?b#c",
            b"http://test/#a",
            b"/<x>",
            b'/"',
            b"/\\",
            b"/a\\b",
        ),
        *(
            b"/\xe9",
            b"/caf\xc3\xa9",
            b"/?\xe9",
            b"/\x80",
            b"/%00",
            b"/?a=%00",
            b"/%%00",
        ),
    ):
        yield refused(f"target {target!r}", get(line=b"GET %s HTTP/1.1" % target))
    for code in [*range(1, 9), 11, 12, *range(14, 32), 127]:
        for target in (b"/a%cb", b"/?a=%c", b"http://test/%c"):
            line = b"GET %s HTTP/1.1" % (target % code)
            # Later releases know some as whitespace.
            silent = not BEFORE_1_0 and code in (11, 12)
            yield refused(f"{line!r}", get(line=line), silent=silent)
    for line in (
        b"POST * HTTP/1.1",
        b"OPTIONS *a HTTP/1.1",
        b"OPTIONS test:80 HTTP/1.1",
    ):
        yield refused(f"{line!r}", get(line=line))
    for line in (
        *(b"OPTIONS * HTTP/1.1", b"OPTIONS / HTTP/1.1", b"GET // HTTP/1.1"),
        *(b"GET http://test HTTP/1.1", b"GET HTTP://test:80/a?b HTTP/1.1"),
        *(b"GET https://test?a HTTP/1.1", b"GET http://[::1]:80/ HTTP/1.1"),
        *(
            b"GET /?a[b]={c}|d^e`f\\g HTTP/1.1",
            b"GET /a;b=c,d:e@f!$&'()*+~._- HTTP/1.1",
        ),
        *(b"GET http://test:/ HTTP/1.1", b"GET /?a=/b?c HTTP/1.1"),
    ):
        yield served(f"{line!r}", get(line=line))


def hosts() -> Iterator[Case]:
    """Give hosts that are none, or several (RFC 9112, section 3.2)."""
    for host in (
        *(
            b"a b",
            b"a/b",
            b"a?b",
            b"a#b",
            b"u@h",
            b"u:p@h",
            b"a\\b",
            b"<a>",
            b'"a"',
            b"a,b",
        ),
        *(b"h:x", b"h:8x", b"h:-1", b"h:80:80", b"h: 80", b"h :80", b"h:99999", b":80"),
        *(
            b"[::1",
            b"::1",
            b"[]",
            b"[zz]",
            b"[::1]x",
            b"[::1]]",
            b"[1.2.3.4]",
            b"[::1]:x",
        ),
        *(
            b"a%zz",
            b"a%",
            b"a%4",
            b"a%00",
            b"a\xe9",
            b"a\x80b",
            b"a\ab",
            b"a\tb",
            b"a[b",
        ),
        *(b"http://h", b"h/", b"a\0", b"\0a", b"a;\0b", b"{a}", b"a|b", b"a^b", b"a`b"),
    ):
        if IS_0_9_72 and host == b"a\0":
            continue  # a NUL at the very end of a header: ARCHITECTURE.md
        sent = get(b"Host: " + host, host=b"")
        yield refused(f"host {host!r}", sent)
        sent = get(b"Host: " + host, line=b"GET / HTTP/1.0", host=b"")
        yield refused(f"host {host!r} in 1.0", sent)
    for host in (
        *(b"h:", b"h:80", b"h:0", b"h:65535", b"1.2.3.4:80", b"[::1]", b"[::1]:80"),
        *(b"a_b.example", b"xn--bcher-kva.example.", b"[fe80::1%25lo]:80", b"a%41"),
        *(b"HOST", b"", b"[::ffff:1.2.3.4]", b" \th"),
    ):
        yield served(f"host {host!r}", get(b"hOST: " + host, host=b""))
    yield refused("no host", get(host=b""))
    yield refused("no host, and a body", get(b"Content-Length: 5", host=b"") + b"hello")
    for again in (HOST[:-2], b"Host: other", b"host:", b"HOST: test"):
        yield refused(f"Host and {again!r}", get(again))
        yield refused(f"{again!r} and Host", get(again, HOST[:-2], host=b""))
    for target in (b"http://test/", b"https://test:80", b"http://other/"):
        line = b"GET %s HTTP/1.1" % target
        yield refused(f"empty host, {target!r}", get(b"Host:", line=line, host=b""))
        yield refused(f"no host, {target!r}", get(line=line, host=b""))
        yield served(
            f"another host, {target!r}", get(b"Host: else", line=line, host=b"")
        )


def tunnels() -> Iterator[Case]:
    """Give CONNECT, behind whose 200 a proxy lets everything through."""
    for target in (b"h:1", b"h", b"/", b"*", b"http://h/", b"[::1]:80", b"h:99999"):
        for version in (b"1.1", b"1.0", b"1.2"):
            line = b"CONNECT %s HTTP/%s" % (target, version)
            yield refused(f"{line!r}", get(line=line), 501)
            sent = get(b"Content-Length: 5", line=line) + b"hello"
            yield refused(f"{line!r} with a body", sent, 501)
    line = b"CONNECT h:1 HTTP/1.1"
    sent = get(b"Transfer-Encoding: chunked", line=line) + CHUNKED
    yield refused("CONNECT with chunks", sent, 501)
    sent = get(b"Connection: Upgrade", b"Upgrade: echo", line=line)
    yield refused("CONNECT with an upgrade", sent, 501)
    sent = get(b"Expect: 100-continue", b"Content-Length: 5", line=line)
    yield refused("CONNECT that expects", sent, 501)


# --- ends of lines ---


def line_ends() -> Iterator[Case]:
    """Give ends of lines that are no CRLF (RFC 9112, section 2.2)."""
    # What has no end for some releases gets one in what follows.
    for sent in (
        *(b"GET / HTTP/1.1\nHost: h\n\n", b"GET / HTTP/1.1\nHost: h\r\n\r\n"),
        *(
            b"GET / HTTP/1.1\r\nHost: h\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\nX: a\r\n\r\n",
        ),
        *(b"GET / HTTP/1.1\r\nHost: h\r\n\n", b"GET / HTTP/1.1\r\nHost: h\r\nX: a\n\n"),
        *(
            b"GET / HTTP/1.1\rHost: h\r\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\rX: a\r\n\r\n",
        ),
        *(
            b"GET / HTTP/1.1\r\nHost: h\r\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n\rX: a\r\n",
        ),
        *(
            b"GET / HTTP/1.1\r\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\r\n\r\n",
        ),
        *(b"GET / HTTP/1.1\n\rHost: h\n\r\n\r", b"GET / HTTP/1.1\r\nHost: h\r\n\r\r"),
    ):
        if IS_0_9_72 and sent.endswith(b"h\n\r\n"):
            continue  # it shows only if something follows: ARCHITECTURE.md
        yield refused(f"{sent!r}", sent)
    if IS_0_9_72:
        return  # it waits for more bytes than have come: ARCHITECTURE.md
    yield served("an empty line before a request", b"\r\n" + get())
    # RFC 9112, section 2.2: one; later releases close at a second one.
    two = b"\r\n\r\n" + get()
    yield (served if BEFORE_1_0 else partial(refused, silent=True))(
        "two empty lines", two
    )


GROUPS = {
    "header lines": header_lines,
    "values": values,
    "lengths": lengths,
    "codings": codings,
    "chunks": chunks,
    "request lines": request_lines,
    "versions": versions,
    "targets": targets,
    "hosts": hosts,
    "tunnels": tunnels,
    "ends of lines": line_ends,
}
