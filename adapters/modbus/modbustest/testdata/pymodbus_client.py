"""Asks the simulated device with pymodbus, whose view of it does not depend on ours.

Arguments: "tcp" and a port on 127.0.0.1, or "serial", a path and a baud rate. Ends
with status 0 when every answer is the right one.
"""
import sys

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.mei_message import ReadDeviceInformationRequest
from pymodbus.other_message import ReportSlaveIdRequest
from pymodbus.transaction import ModbusRtuFramer

if sys.argv[1] == "tcp":
    client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[2]), timeout=5)
else:
    client = ModbusSerialClient(sys.argv[2], framer=ModbusRtuFramer,
                                baudrate=int(sys.argv[3]), timeout=5)
assert client.connect()
UNIT = 5


def same(got, want):
    """End with both, and the line that asked, when they differ."""
    if got != want:
        sys.exit(f"line {sys._getframe(1).f_lineno}: got {got}, want {want}")


same(client.write_registers(10, [1, 2, 3], slave=UNIT).isError(), False)
same(client.write_register(13, 4, slave=UNIT).isError(), False)
same(client.read_holding_registers(10, 4, slave=UNIT).registers, [1, 2, 3, 4])
same(client.mask_write_register(10, 0xff0f, 0x00a0, unit=UNIT).isError(), False)
same(client.read_holding_registers(10, 1, slave=UNIT).registers, [0xa1])
answer = client.readwrite_registers(read_address=12, read_count=2, write_address=12,
                                    write_registers=[30, 40], unit=UNIT)
same(answer.registers, [30, 40])
same(client.write_coils(3, [True, False, True], slave=UNIT).isError(), False)
same(client.write_coil(4, True, slave=UNIT).isError(), False)
same(client.read_coils(0, 8, slave=UNIT).bits, [False] * 3 + [True] * 3 + [False] * 2)
same(client.read_discrete_inputs(0, 3, slave=UNIT).bits[:3], [True, False, True])
same(client.read_input_registers(0, 125, slave=UNIT).registers, list(range(125)))
same(client.read_input_registers(125, 1, slave=UNIT).exception_code, 2)
answer = client.execute(ReportSlaveIdRequest(unit=UNIT))
same((answer.identifier[:3], answer.status), (b"sim", True))  # 3.0 leaves the status in
found, more, start = {}, True, 0
while more:
    answer = client.execute(ReadDeviceInformationRequest(3, start, unit=UNIT))
    found.update(answer.information)
    more, start = answer.more_follows == 0xff, answer.next_object_id
same({k: v if isinstance(v, bytes) else v[0] for k, v in found.items()},
     {0: b"Acme", 1: b"Sim", 2: b"1.0", 4: b"Simulator", 128: b"own"})
