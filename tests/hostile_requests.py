"""Two hundred requests that a server must refuse, as the bytes that travel."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from web_problem import HOST, disc, png

API = "/api/v1"
NOBODY = "0" * 32


def request(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, host: str | None = HOST
) -> bytes:
    """The bytes of a request."""
    fields = {"Connection": "close", "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *([] if host is None else [f"Host: {host}"])]
    lines += [f"{name}: {value}" for name, value in fields.items() if value != "-"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def post(path: str, document: Any, **options: Any) -> bytes:
    """A request with a JSON body; bytes are sent as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return request("POST", f"{API}{path}", body, {"Content-Type": "application/json", **options.pop("headers", {})})


def upload(name: str, content: bytes, kind: str = "silhouette", **more: Any) -> bytes:
    """A request that sends an object."""
    return post("/objects", {"kind": kind, "name": name, "data": base64.b64encode(content).decode(), **more})


def form(filename: str, content: bytes, kind: str = "silhouette") -> bytes:
    """The same as a form."""
    mark = "xyzzy"
    parts = f'--{mark}\r\nContent-Disposition: form-data; name="kind"\r\n\r\n{kind}\r\n--{mark}\r\n'
    parts += f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    body = parts.encode("utf-8") + content + f"\r\n--{mark}--\r\n".encode()
    return request("POST", f"{API}/objects", body, {"Content-Type": f"multipart/form-data; boundary={mark}"})


def hosts() -> Iterator[tuple[str, bytes]]:
    """Foreign names, as of pages that were made to point here."""
    names = [
        *(
            "evil.example",
            "127.0.0.1.evil.example:8000",
            "localhost.evil.example",
            "evil.example:8000",
            "localhost:99999",
        ),
        *("127.0.0.1:80", "127.0.0.2:8000", "0.0.0.0:8000", "[::1", "[::2]:8000", "user@evil.example", "127.1:8000"),
        *("2130706433:8000", "0x7f000001:8000", "localhost.:8000", "127.0.0.1:8000,evil.example", "a" * 5_000, "%00"),
    ]
    for name in names:
        yield f"host {name[:30]}", request("GET", f"{API}/kinds", host=name)
    yield "no host", request("GET", f"{API}/kinds", host=None)
    yield "two hosts", request("GET", f"{API}/kinds", headers={"host": "evil.example"})


def origins() -> Iterator[tuple[str, bytes]]:
    """Pages of other sites."""
    names = [
        *(
            "http://evil.example",
            "https://evil.example:8000",
            "null",
            "file://",
            "http://localhost:8001",
            "http://[::1",
        ),
        *(f"http://{HOST}.evil.example", f"ftp://{HOST}", "http://127.0.0.1", "//", "chrome-extension://abc", ""),
    ]
    for name in names:
        yield f"origin {name}", post("/predict", {}, headers={"Origin": name})
    for method in ("GET", "POST"):
        fetch = {"Sec-Fetch-Site": "cross-site"}
        yield f"cross-site {method}", request(method, f"{API}/kinds", headers=fetch)
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    yield "preflight", request("OPTIONS", f"{API}/predict", headers=preflight)


def paths() -> Iterator[tuple[str, bytes]]:
    """Ways out of the folders."""
    names = [
        *("/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..\\..\\etc\\passwd"),
        *(
            "/vendor/../kind.py",
            "/vendor/..%2fkind.py",
            "/vendor/%2e%2e/kind.py",
            "/vendor//etc/passwd",
            "/vendor/\x7f",
        ),
        *(
            "/vendor/%00",
            "//etc/passwd",
            "/static/../app.py",
            "/app.py",
            "/.git/config",
            "/index.html%00.js",
            "/%ff%fe",
        ),
        *(
            f"{API}/objects/../../etc/passwd/file",
            f"{API}/objects/..%2f..%2fetc%2fpasswd/file",
            f"{API}/objects/%00/file",
        ),
        *(f"{API}/objects/{NOBODY}/file", f"{API}/objects/{'a' * 4_000}/file", f"{API}/objects/{NOBODY}/picture.py"),
        *(
            f"{API}/jobs/{NOBODY}/files/../../task.json",
            f"{API}/jobs/..%2f..%2f/files/x",
            f"{API}/jobs/{NOBODY}/files//etc",
        ),
        *(
            f"{API}/jobs/{NOBODY}/archive.zip",
            f"{API}/jobs/{NOBODY}/events",
            f"{API}/nothing",
            "/openapi.json",
            "/docs",
        ),
        *(f"{API}/jobs?count=x", f"{API}/jobs/{'%41' * 1_000}", "/metrics/../api", "/" + "a" * 20_000),
    ]
    for name in names:
        yield f"path {name[:50]}", request("GET", name)


def methods() -> Iterator[tuple[str, bytes]]:
    """Methods that nothing takes."""
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "PROPFIND", "X" * 300):
        yield f"method {method[:10]}", request(method, f"{API}/predict")
    yield "post to the page", request("POST", "/")


def bodies() -> Iterator[tuple[str, bytes]]:
    """What is no request of a prediction."""
    good = {"model": "overlap", "first": NOBODY, "second": NOBODY}
    broken = [
        *(
            b"",
            b"{",
            b"[",
            b"null",
            b"[]",
            b'"x"',
            b"1e999",
            b"{}{}",
            b"\xff\xfe{\x00}\x00",
            b"\xef\xbb\xbf{}",
            b"\x00",
        ),
        *(
            b"[" * 200_000,
            b'{"a":' * 100_000,
            b'{"model":' + b"9" * 100_000 + b"}",
            b"NaN",
            b"-" * 100_000,
            b"\x1f\x8b\x08",
        ),
    ]
    for number, body in enumerate(broken):
        yield f"body {number}", post("/predict", body)
    wrong: list[dict[str, Any]] = [
        *({"model": None}, {"model": ""}, {"model": "x" * 10_000}, {"model": "../overlap"}, {"model": ["overlap"]}),
        *(
            {"model": "no-model"},
            {"model": "overlap\x00"},
            {"first": None},
            {"first": "x"},
            {"first": 7},
            {"first": {}},
        ),
        *(
            {"first": {"rows": []}},
            {"first": {"rows": [""]}},
            {"first": {"rows": ["2"]}},
            {"first": {"rows": ["01", "0"]}},
        ),
        *(
            {"first": {"rows": ["0" * 2_000]}},
            {"first": {"rows": [[1, 2]]}},
            {"first": {"rows": ["\u0661"]}},
            {"fit": "x"},
        ),
        *({"first": {"rows": [[0.5]]}}, {"first": {"rows": ["0" * 200] * 200}}, {"extra": 1}, {"first": {"png": "!"}}),
        *({"first": {"kind": "silhouette"}}, {"first": {"kind": "x", "text": "y"}}, {"first": {"smiles": "CCO"}}),
        *({"first": {"kind": "molecule", "smiles": "CCCCO", "data": "AA=="}}, {"model": "affinity"}),
    ]
    for change in wrong:
        yield f"predict {str(change)[:40]}", post("/predict", good | change)
    for path in ("/solve", "/align", "/search", "/latent/walk", "/latent/plane", "/encode", "/jobs", "/session"):
        yield f"empty {path}", post(path, {})
    yield "infinite steps", post("/latent/walk", {"first": NOBODY, "second": NOBODY, "steps": 10**9})
    yield "infinite plane", post("/latent/plane", b'{"around": ["%s"], "x": 1e400}' % NOBODY.encode())
    yield "too many objects", post("/encode", {"model": "overlap", "objects": [NOBODY] * 1_001})


def files() -> Iterator[tuple[str, bytes]]:
    """Bombs, and what only looks like an object."""
    whole = png(disc())
    yield "png bomb", upload("a.png", png_head(100_000, 100_000))
    yield "png of 4 gigapixels", upload("a.png", png_head(65_535, 65_535) + whole[33:])
    yield "png whose data are a bomb", upload("a.png", png_of_zeros(30_000, 30_000))
    yield "png cut short", upload("a.png", whole[: len(whole) // 2])
    yield "png with a wrong checksum", upload("a.png", whole[:40] + bytes([whole[40] ^ 255]) + whole[41:])
    yield "blank png", upload("a.png", png(disc() * 0))
    yield "no bytes", upload("a.png", b"")
    yield "zip as png", upload("a.png", zip_bomb())
    yield "gzip as sdf", upload("a.sdf", gzip.compress(b"0" * 10_000_000), "molecule")
    yield "gzip by its name", upload("a.sdf.gz", gzip.compress(b"0" * 10_000_000), "molecule")
    yield "svg as png", upload("a.png", b"<svg onload='alert(1)'/>")
    yield "html", upload("a.html", b"<script>alert(1)</script>", "file")
    yield "eps", upload("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nquit\n")
    yield "bmp bomb", upload("a.bmp", b"BM" + struct.pack("<IHHIIiiHH", 2**31 - 1, 0, 0, 54, 40, 60_000, 60_000, 1, 24))
    yield "tiff", upload("a.tif", b"II*\0" + struct.pack("<I", 2**32 - 1))
    yield "gif", upload("a.gif", b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\0" * 20)
    for name in (
        "",
        "a",
        "a.exe",
        "../../a",
        "/etc/passwd",
        "a.png\0.exe",
        "con",
        "x" * 190,
        ".png.py",
        "~/.ssh/id_rsa",
    ):
        yield f"name {name[:20]}", upload(name, whole)
    yield "long name", upload("x" * 100_000 + ".png", whole)
    yield "form with a long name", form("x" * 100_000 + ".png", whole)
    yield "form without a file", form("", b"", "")
    yield (
        "form of nothing",
        request("POST", f"{API}/objects", b"x", {"Content-Type": "multipart/form-data; boundary=q"}),
    )
    yield "form without a boundary", request("POST", f"{API}/objects", b"x", {"Content-Type": "multipart/form-data"})
    yield "no base64", post("/objects", {"kind": "silhouette", "name": "a.png", "data": "***"})
    yield "unknown kind", upload("a.png", whole, "no-kind")
    yield "kind that is a path", upload("a.png", whole, "../silhouette")
    for text in (
        "",
        "C" * 19_000,
        "C1CC",
        "(((((",
        "/etc/passwd",
        "x.sdf",
        "../a.smi",
        "\x00",
        "C" * 3,
        "[U+99]",
        "%" * 9_000,
    ):
        yield f"smiles {text[:12]!r}", post("/objects", {"kind": "molecule", "smiles": text})
    block = "\n\n\n999999  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n"
    yield "sdf of very many atoms", upload("a.sdf", block.encode(), "molecule")
    yield "sdf of noise", upload("a.sdf", bytes(range(256)) * 400, "molecule")
    for site in ("ligand=../x", "/etc/passwd", "point=" + "9" * 300, "ligand=a/b", "auto;ls", "x\ny"):
        yield f"site {site[:20]!r}", upload("a.pdb", b"ATOM", "pocket", site=site)
    yield "pdb of noise", upload("a.pdb", b"ATOM  " * 10_000, "pocket")


def sizes() -> Iterator[tuple[str, bytes]]:
    """Too much, or less than was said."""
    kind = {"Content-Type": "application/json"}
    for length in ("99999999999", "1" * 400, "-1", "1e3", "0x10", "+5", " ", "18446744073709551617"):
        yield f"length {length[:20]}", request("POST", f"{API}/predict", b"", {**kind, "Content-Length": length})
    chunked = {**kind, "Content-Length": "-", "Transfer-Encoding": "chunked"}
    yield "wrong chunk", request("POST", f"{API}/predict", b"zz\r\nabc\r\n0\r\n\r\n", chunked)
    yield "huge chunk", request("POST", f"{API}/predict", b"ffffffffffffffff\r\nabc", chunked)
    yield (
        "endless chunks",
        request("POST", f"{API}/predict", b"10000\r\n" + b"a" * 65_536 + b"\r\n", chunked)
        + ((b"10000\r\n" + b"a" * 65_536 + b"\r\n") * 60),
    )
    both = {**kind, "Transfer-Encoding": "gzip"}
    yield "unknown coding", request("POST", f"{API}/predict", b"{}", both)
    yield "body of 3 MB", post("/predict", b" " * (3 * 2**20))
    yield "name of 50 MB", post("/objects", b'{"kind": "molecule", "name": "' + b"x" * (50 * 2**20) + b'"}')
    for header in ("a" * 40_000, "a: " + "b" * 100_000, "no colon", ": no name", "a\x00b: c", "a b: c"):
        yield (
            f"header {header[:12]!r}",
            request("GET", f"{API}/kinds").replace(b"\r\n\r\n", f"\r\n{header}\r\n\r\n".encode()),
        )
    many = "".join(f"h{number}: {number}\r\n" for number in range(5_000))
    yield "5,000 headers", request("GET", f"{API}/kinds").replace(b"\r\n\r\n", f"\r\n{many}\r\n".encode())


def protocols() -> Iterator[tuple[str, bytes]]:
    """What is no HTTP."""
    yield "tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    yield "noise", bytes(range(256)) * 4
    yield "no version", b"GET /\r\n\r\n"
    yield "version 9", b"GET / HTTP/9.9\r\nHost: x\r\nConnection: close\r\n\r\n"
    yield "lone word", b"HELLO\r\n\r\n"
    yield "http/2", b"PRI * HTTP/2.0\r\nConnection: close\r\n\r\n"
    yield "endless line", b"GET /" + b"a" * 200_000
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "AAAA",
        "Sec-WebSocket-Version": "13",
    }
    yield "websocket", request("GET", f"{API}/nothing", headers=upgrade)


def jobs() -> Iterator[tuple[str, bytes]]:
    """Jobs that are none."""
    wrong: list[Any] = [
        *(
            {"verb": ""},
            {"verb": "serve"},
            {"verb": "../x"},
            {"verb": "solve; ls"},
            {"verb": "generate"},
            {"verb": None},
        ),
        *({"verb": "train", "arguments": {"dataset": "/etc"}}, {"verb": "dock", "arguments": {"receptor": "a.pdb"}}),
        *({"verb": "index", "arguments": {"model": "overlap", "library": ["x"]}}, {"verb": "search", "arguments": []}),
        {"verb": "generate", "arguments": {"model": "overlap", "require": ["score:os:system>=1"]}},
        {"verb": "generate", "arguments": {"model": "overlap", "require": ["{" + NOBODY + "}=1"]}},
        {"verb": "generate", "arguments": {"model": "overlap", "require": ["like:/etc/passwd>=0.5"]}},
        {"verb": "generate", "arguments": {"model": "overlap", "seconds": -1}},
        {"verb": "generate", "arguments": {"model": "--help"}},
        {"verb": "import", "arguments": {"table": NOBODY, "kind": "silhouette", "a": "--out=/tmp/x"}},
        {"verb": "label", "arguments": {"task": "overlap", "source": "/etc", "pairs": 8}},
        {"verb": "label", "arguments": {"task": "overlap", "source": "mixed", "pairs": 10**12}},
        {"verb": "solve", "arguments": {"pairs": [[NOBODY] * 3]}},
        {"verb": "solve", "arguments": {"pairs": [[NOBODY, NOBODY]] * 30_000}},
    ]
    for body in wrong:
        yield f"job {str(body)[:60]}", post("/jobs", body)
    for head in (b"", b"x", b"{}", b'{"model": "overlap", "objects": []}', b'{"library": "x"}', b"[" * 100_000):
        kind = {"Content-Type": "application/x-ndjson"}
        yield f"stream {head[:20]!r}", request("POST", f"{API}/predict/batch", head + b"\n[0, 0]\n", kind)
    kind = {"Content-Type": "application/vnd.apache.arrow.stream"}
    yield "no arrow", request("POST", f"{API}/predict/batch", b"\xff" * 1_000, kind)
    yield "huge arrow", request("POST", f"{API}/predict/batch", b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(64), kind)
    yield "no stream", request("POST", f"{API}/predict/batch", b"{}", {"Content-Type": "text/plain"})


def hostile_requests() -> list[tuple[str, bytes]]:
    """All of them, by what they are."""
    groups = (hosts, origins, paths, methods, bodies, files, sizes, protocols, jobs)
    return [one for group in groups for one in group()]


def png_head(width: int, height: int) -> bytes:
    """The beginning of a PNG of this size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def png_of_zeros(width: int, height: int) -> bytes:
    """A whole PNG of this size whose data are a thousandth of its pixels."""
    data = b"IDAT" + zlib.compress(bytes(8_000_000), 9)
    end = b"IEND"
    parts = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (data, end)]
    return png_head(width, height) + b"".join(parts)


def zip_bomb() -> bytes:
    """Ten megabytes of nothing in ten kilobytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10_000_000))
    return buffer.getvalue()
