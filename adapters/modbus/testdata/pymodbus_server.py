"""A pymodbus TCP server for the tests. Argument: the port on 127.0.0.1.

Unit 1: holding registers 0-999 hold their address times 3, with numbers packed
by pymodbus itself from 100 on; input registers hold 65535 minus their address;
every third coil and every fifth discrete input is on. Unit 2 knows only holding
registers 0-3 and 6-9.
"""
import sys
import struct

from pymodbus.constants import Endian
from pymodbus.datastore import (ModbusSequentialDataBlock, ModbusServerContext,
                                ModbusSlaveContext, ModbusSparseDataBlock)
from pymodbus.payload import BinaryPayloadBuilder
from pymodbus.server import StartTcpServer


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
StartTcpServer(context=ModbusServerContext(slaves={1: one, 2: two}, single=False),
               address=("127.0.0.1", int(sys.argv[1])))
