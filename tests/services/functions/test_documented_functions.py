"""Functions as ThingsCloud's documentation writes them, and everything that docs/functions.md promises them."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.services.functions.conftest import Run
from thingstead.services.functions.pool import FunctionPool

DEVICE = {"id": "d1", "name": "泵", "type": "t1", "tags": ["a"], "device_key": "k", "sub_device_addr": 5}
FRAME = bytes.fromhex("01030000000ac5cd")

CASES: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("return {t: (report_attributes.t - 32) / 1.8}", {"t": 212}, {"t": 100}, {}),
    ("return null", {}, None, {}),
    ("return {}", {}, {}, {}),
    ("", {}, None, {}),
    ("if (report_attributes.t > 30) { return {alarm: true} } return null", {"t": 31}, {"alarm": True}, {}),
    ("return {type: 'hex', msg: '01 32 14'}", {}, {"type": "hex", "msg": "01 32 14"}, {"on": "after_push"}),
    ("return {method: event.method, params: event.params}", {"method": "m", "params": {"a": 1}},
     {"method": "m", "params": {"a": 1}}, {"on": "event"}),
    ("return {day: Cloud.Utils.dateFormat('YYYYMMDD', 0)}", None, {"day": "19700101"}, {"on": "task"}),
    ("return {t: Cloud.Utils.dateFormat('YYYY-MM-DD HH:mm:ss', 1e12)}", {}, {"t": "2001-09-09 09:46:40"},
     {"zone": "+08:00"}),
    ("if (!Cloud.validateCrc16Modbus(data)) return null; return {v: data.readUInt16BE(4), i: identifier}", FRAME,
     {"v": 10, "i": "stream"}, {"on": "data", "identifier": "stream"}),
    ("return {ok: Cloud.validateCrc16Modbus(data)}", FRAME[:-1] + b"\0", {"ok": False}, {"on": "data"}),
    ("return {n: Cloud.getDeviceInfo().name, a: Cloud.getDeviceInfo().sub_device_addr}", {}, {"n": "泵", "a": 5},
     {"device": DEVICE}),
    ("return {rise: report_attributes.t - Cloud.getCurrentAttributes().t}", {"t": 5}, {"rise": 2},
     {"current": {"t": 3}}),
    ("return {type: 'hex', msg: Cloud.ModbusRTU.readHoldingRegisters(0, 10)}", {},
     {"type": "hex", "msg": "01030000000ac5cd"}, {}),
    ("Cloud.ModbusRTU.setUnitId(17); return {m: Cloud.ModbusRTU.readHoldingRegisters(0x6b, 3)}", {},
     {"m": "1103006b00037687"}, {}),
    ("return {b: Cloud.Utils.base64ToBuffer('AQID').toString('hex')}", {}, {"b": "010203"}, {}),
    ("let {a, ...rest} = report_attributes; return {sum: a ?? 0 + (rest?.b ?? 1), n: 1_000 ** 2}", {"a": 2},
     {"sum": 2, "n": 1_000_000}, {}),
    ("return {n: NaN, i: Infinity, d: new Date(0), u: undefined}", {},
     {"n": None, "i": None, "d": "1970-01-01T00:00:00.000Z"}, {}),
    ("report_attributes.copy = report_attributes.id; return report_attributes", {"id": 9007199254740993},
     {"id": 9007199254740993, "copy": 9007199254740993}, {}),
    ("return {a: report_attributes.b, b: report_attributes.a}", {"a": 9007199254740993, "b": 9007199254740995},
     {"a": 9007199254740995, "b": 9007199254740993}, {}),
    ("return {n: report_attributes.n + 4096}", {"n": 9007199254740993}, {"n": 9007199254745088}, {}),
    ("return {n: report_attributes.n, m: 1e20}", {"n": 10**25}, {"n": 1e25, "m": 1e20}, {}),
    ("return report_attributes", {"n": 10**400, "m": 2**53 + 1}, {"n": None, "m": 2**53 + 1}, {}),
    ("class Odd extends Error { constructor(m) { super(m); this.name = 'Odd' } } "
     "try { throw new Odd('x') } catch (e) { return {e: String(e)} }", {}, {"e": "Odd: x"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "argument", "value", "options"), CASES)
async def test_a_documented_function_returns_what_it_returns_there(
    run: Run, body: str, argument: Any, value: Any, options: dict[str, Any]
) -> None:
    result = await run(body, argument, **options)
    assert result.value == value, result
    assert result.reason == ("" if value else "empty")


BUFFERS: dict[str, Any] = {
    "Buffer.from('0a0B', 'hex').toString('hex')": "0a0b",
    "Buffer.from('0a1gff', 'hex').toString('hex')": "0a",
    "Buffer.from('泵😀').toString('hex')": "e6b3b5f09f9880",
    "Buffer.from('e6b3b5f09f9880', 'hex').toString()": "泵😀",
    "Buffer.from('e6b3ff41', 'hex').toString('utf8')": "�\ufffdA",
    "Buffer.from('hello').toString('base64')": "aGVsbG8=",
    "Buffer.from('aGVsbG8=', 'base64').toString('ascii')": "hello",
    "Buffer.from([1, 2, 258])[2]": 2,
    "Buffer.alloc(3, 7).toString('hex')": "070707",
    "Buffer.concat([Buffer.from('ab'), Buffer.from('c')]).toString()": "abc",
    "Buffer.from('01020304', 'hex').slice(1, 3).toString('hex')": "0203",
    "Buffer.from('fffe', 'hex').readInt16LE(0)": -257,
    "Buffer.from('fffe', 'hex').readUInt16BE()": 65534,
    "Buffer.from('ff', 'hex').readInt8(0)": -1,
    "Buffer.from('0000803f', 'hex').readFloatLE(0)": 1,
    "Buffer.from('3ff0000000000000', 'hex').readDoubleBE(0)": 1,
    "Buffer.from('fffffe', 'hex').readIntBE(0, 3)": -2,
    "Buffer.from('010203', 'hex').readUIntLE(0, 3)": 0x030201,
    "Buffer.from('01020304', 'hex').readUInt32BE(0)": 0x01020304,
    "String(Buffer.from('ffffffffffffffff', 'hex').readBigUInt64LE(0))": "18446744073709551615",
    "Buffer.from('abcabc').indexOf('ca')": 2,
    "Buffer.from('abc').equals(Buffer.from('abc'))": True,
    "Buffer.byteLength('泵')": 3,
    "JSON.stringify(Buffer.from([1]))": '{"type":"Buffer","data":[1]}',
    "(b => { b.writeInt16BE(-2, 0); b.writeUInt16LE(1, 2); return b.toString('hex') })(Buffer.alloc(4))": "fffe0100",
    "(function () { try { Buffer.alloc(1).readInt16LE(0) } catch (e) { return e.name } })()": "RangeError",
    "Buffer.from('01020304', 'hex').swap16().toString('hex')": "02010403",
    "Buffer.isBuffer(Buffer.alloc(1).subarray(0))": True,
}  # fmt: skip


@pytest.mark.parametrize(("expression", "value"), BUFFERS.items())
async def test_a_buffer_is_that_of_node(run: Run, expression: str, value: Any) -> None:
    result = await run(f"return {{v: {expression}}}")
    assert result.value == {"v": value}, result


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("return Cloud.sendMail()", "Error: Cloud.sendMail is not available here (line 1)"),
        ("return Cloud.Utils.md5('')", "Error: Cloud.Utils.md5 is not available here (line 1)"),
        ("return Cloud.ModbusRTU.reset()", "Error: Cloud.ModbusRTU.reset is not available here (line 1)"),
        ("return (async () => 1)()", "the function returned a Promise: async functions are not available here"),
        ("return {then: function () {}}", "the function returned a Promise: async functions are not available here"),
        ("return 1n", "the function returned a BigInt"),
        ("throw 'plain'", "threw plain"),
        ("return report_attributes.a.b", "TypeError: cannot read property 'b' of undefined (line 1)"),
        ("return Cloud['getDevice' + 'Info']()",
         "Error: Cloud.getDeviceInfo must be written in the function's text with this name (line 1)"),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_refused_by_name(run: Run, body: str, detail: str) -> None:
    result = await run(body)
    assert (result.reason, result.detail) == ("function_error", detail)


async def test_lines_of_the_console_come_with_the_result(run: Run) -> None:
    result = await run("console.log('a', 1, {b: [2]}); console.error(undefined); throw new Error('x')")
    assert result.logs == ('a 1 {"b":[2]}', "undefined")
    many = await run("for (var i = 0; i < 99; i++) console.log(i + 'x'.repeat(9000)); return {}")
    assert len(many.logs) == 50
    assert {len(line) for line in many.logs[:-1]} == {500}
    assert many.logs[-1] == "… further lines are dropped"


async def test_a_function_does_not_see_the_lines_or_globals_of_another(pool: FunctionPool) -> None:
    first = "module.exports = function () { globalThis.secret = 1; console.log('mine'); return {a: 1} }"
    second = "module.exports = function () { return {seen: typeof secret} }"
    await pool.call("a", first, {}, on="event")
    result = await pool.call("b", second, {}, on="event")
    assert (result.value, result.logs) == ({"seen": "undefined"}, ())


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("module.exports = function (a) {\n  const b = 1\n  throw new Error('no')\n}", "Error: no (line 3)"),
        ("module.exports = function (a) {\n\n  return Buffer.from(5).length\n}", "an ArrayBuffer (line 3)"),
        ("module.exports = function (a) {\n  const e = new Error('x'); e.stack = '5'; throw e\n}", "Error: x"),
    ],
)
async def test_an_error_tells_its_line(pool: FunctionPool, source: str, detail: str) -> None:
    result = await pool.call("lines", source, {}, on="event")
    assert result.detail.endswith(detail)


async def test_an_error_of_syntax_tells_its_line(pool: FunctionPool) -> None:
    assert (await pool.check("module.exports = function (a) {\n  return {]\n}")).detail.endswith("(line 2)")


async def test_module_exports_must_be_a_function(pool: FunctionPool) -> None:
    assert (await pool.check("module.exports = {a: 1}")).detail == "module.exports must be a function"
    assert "SyntaxError" in (await pool.check("module.exports = function ( {")).detail


def test_the_page_names_every_method_of_the_library() -> None:
    root = Path(__file__).resolve().parents[3]
    page = (root / "docs" / "functions.md").read_text("utf-8")
    script = (root / "src/thingstead/services/functions/javascript/cloud.js").read_text("utf-8")
    library = script[script.index('named("Cloud", {') : script.index("function shown")]
    members = re.findall(r"^ +(\w+): (?:function|dateFormat)", library, re.MULTILINE)
    assert "getDeviceInfo" in members
    assert [name for name in members if name not in page] == []
