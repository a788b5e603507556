"""A viewer made with one of Python's libraries: client.py LIBRARY URL [SUBPROTOCOL].

It prints "ready" when it has the backlog and the answer to its ping, and at the
end what it got, as JSON.
"""
import asyncio
import json
import struct
import sys

library, url, *subprotocols = sys.argv[1:]
got = {"data": "", "events": [], "pong": False, "code": None}
told = False


def message(m):
    """Takes a message: of wsrun.v1 text is an event, otherwise output."""
    if isinstance(m, bytes):
        got["data"] += m.decode()
    elif subprotocols:
        got["events"].append(json.loads(m)["event"])
    else:
        got["data"] += m
    look()


def pong():
    got["pong"] = True
    look()


def look():
    global told
    if not told and got["pong"] and "backlog" in got["data"]:
        told = True
        print("ready", flush=True)


async def with_websockets():
    import websockets

    async with websockets.connect(url, subprotocols=subprotocols or None, ping_interval=None) as c:
        (await c.ping(b"hello")).add_done_callback(lambda f: f.cancelled() or f.exception() or pong())
        try:
            while True:
                message(await c.recv())
        except websockets.ConnectionClosed:
            got["code"] = c.close_code


def with_websocket():
    import websocket

    c = websocket.create_connection(url, subprotocols=subprotocols or None)
    c.ping("hello")
    while got["code"] is None:
        opcode, data = c.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            (got["code"],) = struct.unpack("!H", data[:2])
        elif opcode == websocket.ABNF.OPCODE_PONG and data == b"hello":
            pong()
        elif opcode == websocket.ABNF.OPCODE_TEXT:
            message(data.decode())
        elif opcode == websocket.ABNF.OPCODE_BINARY:
            message(data)


async def with_aiohttp():
    import aiohttp

    async with aiohttp.ClientSession() as session:
        # Left to itself it does not show pongs.
        async with session.ws_connect(url, protocols=subprotocols, autoping=False) as c:
            await c.ping(b"hello")
            async for m in c:
                if m.type == aiohttp.WSMsgType.PING:
                    await c.pong(m.data)
                elif m.type == aiohttp.WSMsgType.PONG and m.data == b"hello":
                    pong()
                elif m.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    message(m.data)
            got["code"] = c.close_code


if library == "websocket":
    with_websocket()
else:
    asyncio.run({"websockets": with_websockets, "aiohttp": with_aiohttp}[library]())
print(json.dumps(got), flush=True)
