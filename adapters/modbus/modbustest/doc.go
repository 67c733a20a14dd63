// Package modbustest is a simulated Modbus TCP device for tests and the demo: a
// [Server] with units, tables and faults, and a [Plant] whose values move. It is
// the other side of the line: it knows the wire, but not the adapter.
package modbustest
