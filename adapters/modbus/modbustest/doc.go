// Package modbustest is a simulated Modbus device for tests and the demo: units
// with tables and faults, served by a [Server] on Modbus TCP or RTU over TCP, or by
// a [Line] on a pseudo terminal with the timing of a serial line; and a [Plant]
// whose values move. It is the other side of the line: it knows the wire, but not
// the adapter.
package modbustest
