"""A pymodbus server for the tests.

Arguments: "tcp" or "rtu" (over TCP) and a port on 127.0.0.1, or "serial" and the
path of a serial port. It says "ready" when it serves.

Unit 1: holding registers 0-999 hold their address times 3, with numbers packed
by pymodbus itself from 100 on; input registers hold 65535 minus their address;
every third coil and every fifth discrete input is on. Unit 2 knows only holding
registers 0-3 and 6-9. What is written stays. Other units do not answer on a
serial line, and are refused by exception 11 on TCP.
"""
import asyncio
import struct
import sys

from pymodbus.constants import Endian
from pymodbus.datastore import (ModbusSequentialDataBlock, ModbusServerContext,
                                ModbusSlaveContext, ModbusSparseDataBlock)
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.payload import BinaryPayloadBuilder
from pymodbus.server.async_io import ModbusSerialServer, ModbusTcpServer
from pymodbus.transaction import ModbusRtuFramer, ModbusSocketFramer


def packed():
    """Return one float, int32 and uint32 for each order ABCD BADC CDAB DCBA."""
    words = []
    for byteorder, wordorder in ((Endian.Big, Endian.Big), (Endian.Little, Endian.Big),
                                 (Endian.Big, Endian.Little), (Endian.Little, Endian.Little)):
        builder = BinaryPayloadBuilder(byteorder=byteorder, wordorder=wordorder)
        builder.add_32bit_float(-123.456)
        builder.add_32bit_int(-123456789)
        builder.add_32bit_uint(3123456789)
        words += [struct.unpack(">H", piece)[0] for piece in builder.build()]
    return words


holding = [(3 * a) % 65536 for a in range(1000)]
numbers = packed()
holding[100:100 + len(numbers)] = numbers
one = ModbusSlaveContext(
    hr=ModbusSequentialDataBlock(0, holding),
    ir=ModbusSequentialDataBlock(0, [65535 - a for a in range(1000)]),
    co=ModbusSequentialDataBlock(0, [a % 3 == 0 for a in range(3000)]),
    di=ModbusSequentialDataBlock(0, [a % 5 == 0 for a in range(3000)]),
    zero_mode=True)
two = ModbusSlaveContext(
    hr=ModbusSparseDataBlock({a: 1000 + a for a in (0, 1, 2, 3, 6, 7, 8, 9)}),
    zero_mode=True)
context = ModbusServerContext(slaves={1: one, 2: two}, single=False)
identity = ModbusDeviceIdentification(info_name={
    "VendorName": "Acme", "ProductCode": "M1", "MajorMinorRevision": "1.2",
    "VendorUrl": "http://acme.example", "ProductName": "Meter", "ModelName": "Meter 1",
    "UserApplicationName": "test"})


async def serve(kind, where):
    """Serve until killed."""
    if kind == "serial":
        server = ModbusSerialServer(context, ModbusRtuFramer, identity, port=where,
                                    baudrate=115200, timeout=1, ignore_missing_slaves=True)
        await server.start()
        started = asyncio.sleep(0)
    else:
        framer = ModbusRtuFramer if kind == "rtu" else ModbusSocketFramer
        server = ModbusTcpServer(context, framer, identity, ("127.0.0.1", int(where)),
                                 ignore_missing_slaves=kind == "rtu")
        started = server.serving

    async def ready():
        await started
        print("ready", flush=True)
    await asyncio.gather(ready(), server.serve_forever())

asyncio.run(serve(sys.argv[1], sys.argv[2]))
