"""Hostile functions cost themselves and nothing else: the worker that they hang or crash is replaced, and the calls of
others are answered."""

import asyncio

import pytest

from tests.services.functions.conftest import GOOD
from thingstead.services.functions.pool import FunctionPool

# Each with the reasons that its calls may end with.
STOPPED = {"function_time"}
HOSTILE = {
    "an endless loop": ("for(;;);", STOPPED),
    "nested endless loops": ("for(;;){for(;;){}}", STOPPED),
    "a caught endless loop": ("for(;;){try{for(;;);}catch(e){}finally{for(;;);}}", STOPPED),
    "a regular expression": ("/^(a+)+$/.test('a'.repeat(40)+'b'); return {a:1}", STOPPED),
    "a getter": ("return {get a(){for(;;);}}", STOPPED),
    "toJSON": ("return {toJSON(){for(;;);}}", STOPPED),
    "then": ("return {get then(){for(;;);}}", STOPPED),
    "a proxy": ("return new Proxy({}, {ownKeys(){for(;;);}, get(){for(;;);}})", STOPPED),
    "a thrown toString": ("throw {toString(){for(;;){}}, toJSON(){for(;;){}}}", STOPPED),
    "an error's toString": ("Error.prototype.toString=function(){for(;;){}}; for(;;);", STOPPED),
    "an error's message": ("var e=new Error(); Object.defineProperty(e,'message',{get(){for(;;);}}); throw e", STOPPED),
    "a native loop": ("return 'a'.repeat(6e6).indexOf('a'.repeat(3e6)+'b')", STOPPED),
    "JSON of a megabyte": ("var t='['+'1,'.repeat(5e5)+'1]'; for(;;) JSON.parse(t)", STOPPED | {"function_memory"}),
    "a great BigInt": ("return String(2n**900000n)", STOPPED | {"function_error"}),
    "an array without end": ("var a=[]; for(;;) a.push('x'.repeat(1e5)+a.length)", STOPPED | {"function_memory"}),
    "a text without end": ("var t='x'; for(;;) t+=t+'y'; ", {"function_memory", "function_error", "function_time"}),
    "a great buffer": ("return new Uint8Array(1e9)", {"function_memory", "function_error"}),
    "errors at the memory limit": (
        "var s=[]; for(;;){try{s.push(new Error())}catch(e){}}",
        {"function_time", "function_memory", "function_error"},
    ),
    "deep recursion": ("function r(){return r()+1} return r()", {"function_error", "function_time"}),
    "recursion in toString": (
        "var o={toString(){return ''+o}}; return ''+o",
        {"function_error", "function_time"},
    ),
    "deep JSON": (
        "var o={}; for(var i=0;i<5000;i++) o={o:o}; return o",
        {"function_error", "function_time"},
    ),
    "a long result": ("return 'x'.repeat(65536)", {"function_error"}),
    "half of a surrogate pair": ("throw new Error('\\ud800')", {"function_error"}),
    "changed built-ins": (
        "JSON.stringify=JSON.parse=Array.prototype.push=String.prototype.slice=function(){for(;;);}; throw 1",
        {"function_error", "function_time"},
    ),
    "the global object": ("for (var k of Object.getOwnPropertyNames(globalThis)) try{delete globalThis[k]}catch(e){} "
                          "return undefinedName", {"function_error"}),
    "a wait": ("Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", {"function_error"}),
    "an import": ("return import('os')", {"function_error"}),
    "files": ("return require('fs')", {"function_error"}),
    "the function of a function": ("return this.constructor.constructor('return process')()", {"function_error"}),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reasons"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_function_costs_itself_and_nothing_else(
    pool: FunctionPool, body: str, reasons: set[str]
) -> None:
    hostile = f"module.exports = function () {{ {body} }}"
    for _ in range(3):
        before, result, after = await asyncio.gather(
            pool.call("good:0", GOOD, {"n": 1}, on="after_report", project="good"),
            pool.call("bad:0", hostile, {}, on="after_report", project="bad"),
            pool.call("good:1", GOOD, {"n": 2}, on="after_report", project="good"),
        )
        assert result.reason in reasons | {"function_off"}
        assert (before.value, after.value) == ({"twice": 2}, {"twice": 4})
    assert pool.state("bad:0") != ""
    assert pool.state("good:0") == pool.state("good:1") == ""
    off = await pool.call("bad:0", hostile, {}, on="after_report", project="bad")
    assert (off.reason, off.detail) == ("function_off", pool.state("bad:0"))


async def test_a_text_that_does_not_end_while_it_is_loaded_is_stopped(pool: FunctionPool) -> None:
    assert (await pool.check("for(;;);")).reason == "function_time"
    assert (await pool.check("}); for(;;); (function(){")).reason == "function_time"
    assert (await pool.check("\ud800\0")).reason == "function_error"
    assert (await pool.check(GOOD)).reason == ""


async def test_many_functions_that_keep_memory_do_not_end_the_worker(pool: FunctionPool) -> None:
    source = "var kept = []; module.exports = function () { kept.push(new Uint8Array(12e6).fill(1)); return {n: 1} }"
    for number in range(60):
        result = await pool.call(f"f:{number}", source, {}, on="after_report")
        assert result.value == {"n": 1}
    assert pool.starts == 1
